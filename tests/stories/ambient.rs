//! Interfaces that are bounded instead of decided: time, randomness, and progress reports.

use tokio::sync::mpsc;
use tollgate::{
    capability::ProgressReport, enforce::CallRequest, enforce::Refusal, enforce::Verdict,
    gate::Gate, identity::Caller, identity::RunKey, tool::Content,
};
use tollgate_model::{
    ids::RunId,
    record::{ComponentLog, Event, RunOutcome},
};
use tollgate_testkit::world::{World, agent, call, is_released, named, records, user};

fn text(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Released { content, .. } => match content.as_slice() {
            [Content::Text { text }] => text,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn logged(gate: &Gate, run: RunId) -> Vec<ComponentLog> {
    records(gate, run)
        .into_iter()
        .filter_map(|record| match record.event {
            Event::ComponentLog(log) => Some(log),
            _ => None,
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_sees_the_gates_own_clock() {
    let world = World::new("");
    let gate = world.open().await;
    let first = call(&gate, "r", "hostile__tell_time", "{}").await;
    assert_eq!(text(&first.verdict), "1795428000000");
    world.pass(2 * 3600);
    let later = call(&gate, "s", "hostile__tell_time", "{}").await;
    assert_eq!(text(&later.verdict), "1795435200000");
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn randomness_is_bounded_at_once_and_in_all() {
    let world = World::new("");
    world.configure("time = \"5s\" }", "time = \"60s\" }");
    let gate = world.open().await;
    let answer = call(&gate, "r", "hostile__random_flood", r#"{"times":20000}"#).await;
    let text = text(&answer.verdict);
    assert_eq!(text, "Err(TooMany), then 10000 times");
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_progress_is_kept_in_bounds() {
    let world = World::new("");
    let gate = world.open().await;
    let answer = call(&gate, "r", "hostile__progress_flood", r#"{"times":300}"#).await;
    assert!(is_released(&answer), "{:?}", answer.verdict);
    let kept = logged(&gate, answer.run.unwrap());
    assert_eq!(kept.len(), 100);
    assert!(kept.iter().all(|log| log.level == "progress"
        && log.labels.is_empty()
        && log.message.len() < 1_100
        && !log.message.contains(['\u{1b}', '\u{202e}'])));
    assert!(kept[7].message.starts_with("7 of 10: "));
    gate.close().await;
}

/// Makes a noisy call, and returns its reports.
async fn hear(gate: &Gate) -> (Vec<ProgressReport>, RunId) {
    let (listener, mut reports) = mpsc::channel(200);
    let request = CallRequest {
        tool: "hostile__progress_flood".into(),
        arguments: r#"{"times":5}"#.into(),
    };
    let answer = gate
        .call_with_progress(&agent("support"), &named("r"), request, Some(listener))
        .await;
    let mut heard = Vec::new();
    while let Ok(report) = reports.try_recv() {
        heard.push(report);
    }
    (heard, answer.run.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_progress_report_taints_the_run_before_it_is_sent() {
    let world = World::new("");
    let gate = world.open().await;
    let (heard, run) = hear(&gate).await;
    let progress: Vec<f64> = heard.iter().map(|r| r.progress).collect();
    assert_eq!(progress, [0.0, 1.0, 2.0, 3.0, 4.0]);
    let records = records(&gate, run);
    let of = |wanted: &dyn Fn(&Event) -> bool| records.iter().position(|r| wanted(&r.event));
    let released = of(
        &|e| matches!(e, Event::ComponentLog(log) if log.labels.contains("untrusted") && log.labels.contains("unlabelled")),
    );
    let outcome = of(&|e| matches!(e, Event::Outcome(_)));
    assert!(released.is_some() && released < outcome);
    let decided = |e: &Event| matches!(e, Event::Decision(d) if d.action.id() == "return_result");
    let decisions = records.iter().filter(|r| decided(&r.event)).count();
    assert_eq!(decisions, 6, "five reports and the result");
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_policy_keeps_back_is_not_heard() {
    let world = World::new(
        r#"@id("short-words") @owner("tests") @reason("Too long for a report.")
           forbid (principal, action == Tollgate::Action::"return_result", resource)
           when { context.size > 1000 };"#,
    );
    let gate = world.open().await;
    let (heard, run) = hear(&gate).await;
    assert_eq!(heard, []);
    let kept = logged(&gate, run);
    assert_eq!(kept.len(), 5, "the trace still has them");
    assert!(kept.iter().all(|log| log.labels.is_empty()));
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_was_abandoned_begins_another_run_with_its_labels() {
    let world = World::new("");
    let gate = world.open().await;
    let read = r#"{"path":"letter.txt"}"#;
    let first = call(&gate, "k", "files__read", read).await.run.unwrap();
    let row = |run: RunId| gate.ledger().reader().run(&run.to_string()).unwrap();
    let held = row(first).labels;
    assert!(!held.is_empty());
    world.pass(6 * 24 * 3600);
    gate.pass_time().await.unwrap();
    assert_eq!(
        row(first).outcome,
        None,
        "the caller that named it may come back"
    );
    world.pass(2 * 24 * 3600);
    gate.pass_time().await.unwrap();
    assert_eq!(row(first).outcome, Some(RunOutcome::Abandoned));
    let again = call(&gate, "k", "files__list", r#"{"path":""}"#).await;
    let second = again.run.unwrap();
    assert_ne!(second, first);
    assert!(row(second).labels.is_superset(&held));
    gate.end_run(&user("alice"), &row(second), None, "")
        .await
        .unwrap();
    assert_eq!(row(second).outcome, Some(RunOutcome::Success));
    let used = call(&gate, "k", "files__list", r#"{"path":""}"#).await;
    assert!(matches!(used.verdict, Verdict::Refused(Refusal::RunEnded)));
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_looks_like_a_secret_does_not_lose_its_labels() {
    let world = World::new("");
    let gate = world.open().await;
    let name = format!("AKIA{}", "Q7ZD5WJ3KX4M2TVB");
    let read = r#"{"path":"letter.txt"}"#;
    let first = call(&gate, &name, "files__read", read).await.run.unwrap();
    let row = |run: RunId| gate.ledger().reader().run(&run.to_string()).unwrap();
    let (held, kept) = (row(first).labels, row(first).key.unwrap());
    assert!(!held.is_empty() && !kept.contains(&name), "{kept}");
    world.pass(30 * 24 * 3600);
    gate.pass_time().await.unwrap();
    let again = call(&gate, &name, "files__list", r#"{"path":""}"#).await;
    assert_ne!(again.run, Some(first));
    assert!(row(again.run.unwrap()).labels.is_superset(&held));
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_names_no_run_keeps_what_the_last_one_held_for_a_while() {
    let world = World::new("");
    let gate = world.open().await;
    let call = async |tool: &str, arguments: &str| {
        let request = CallRequest {
            tool: tool.into(),
            arguments: arguments.into(),
        };
        let answer = gate
            .call(&agent("support"), &RunKey::Ambient, request)
            .await;
        answer.run.unwrap()
    };
    let row = |run: RunId| gate.ledger().reader().run(&run.to_string()).unwrap();
    let first = call("files__read", r#"{"path":"letter.txt"}"#).await;
    let held = row(first).labels;
    // The run ended half an hour ago, but its principal still remembers.
    world.pass(40 * 60);
    let second = call("payments__quote", r#"{"amount":1,"currency":"EUR"}"#).await;
    assert_ne!(second, first);
    assert!(row(second).labels.is_superset(&held), "{held:?}");
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_another_tenant_is_not_ones_own() {
    let world = World::new("");
    let gate = world.open().await;
    let run = call(&gate, "k", "files__list", r#"{"path":""}"#).await;
    let row = |gate: &Gate| {
        let id = run.run.unwrap().to_string();
        gate.ledger().reader().run(&id).unwrap()
    };
    assert!(gate.is_own_run(&agent("support"), &row(&gate)));
    gate.close().await;
    world.configure(
        "environment = \"test\"",
        "environment = \"test\"\ntenant = \"other\"",
    );
    let gate = world.open().await;
    assert!(!gate.is_own_run(&agent("support"), &row(&gate)));
    let alice = Caller::User("alice".into());
    let ended = gate.end_own_run(&alice, &row(&gate), None, "").await;
    assert!(ended.is_err(), "its operator is this tenant's");
    gate.close().await;
}
