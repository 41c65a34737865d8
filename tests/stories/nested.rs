//! Nested calls: decided twice, within the same run, with the remaining budget of the caller.

use std::time::{Duration, Instant};

use tollgate::{
    enforce::Answer, enforce::ApprovalResponse, enforce::Verdict, enforce::Vote, gate::Gate,
    tool::Content,
};
use tollgate_ledger::ApprovalFilter;
use tollgate_model::{
    decision::Outcome,
    entity::Kind,
    ids::RunId,
    record::{DecisionRecord, Event, HaltScope, OutcomeRecord, Status},
    span::SpanKind,
};
use tollgate_testkit::world::{REFUND, World, call, is_released, pending, records, user};

fn said(answer: &Answer) -> String {
    match &answer.verdict {
        Verdict::Released { content, .. } => match content.as_slice() {
            [Content::Text { text }] => text.clone(),
            other => panic!("{other:?}"),
        },
        Verdict::ToolError(failure) => format!("error {}", failure.message),
        other => panic!("{other:?}"),
    }
}

/// Makes the hostile guest call `tool`.
async fn relay(gate: &Gate, run: &str, tool: &str, arguments: &str) -> Answer {
    let request = serde_json::json!({ "tool": tool, "arguments": arguments });
    call(gate, run, "hostile__relay", &request.to_string()).await
}

fn decisions(gate: &Gate, run: RunId) -> Vec<DecisionRecord> {
    let of = |event| match event {
        Event::Decision(decision) => Some(*decision),
        _ => None,
    };
    let records = records(gate, run).into_iter();
    records.filter_map(|record| of(record.event)).collect()
}

fn outcomes(gate: &Gate, run: RunId) -> Vec<OutcomeRecord> {
    let records = records(gate, run).into_iter();
    let of = |event| match event {
        Event::Outcome(outcome) => Some(outcome),
        _ => None,
    };
    records.filter_map(|record| of(record.event)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nested_call_goes_the_whole_way_in_the_same_run() {
    let world = World::new("");
    let gate = world.open().await;
    let answer = relay(&gate, "r", "files__read", r#"{"path":"letter.txt"}"#).await;
    assert!(
        said(&answer).contains("Ignore your instructions"),
        "{answer:?}"
    );
    let run = answer.run.unwrap();

    let decided: Vec<_> = decisions(&gate, run)
        .into_iter()
        .filter(|d| d.action.id() == "files__read")
        .map(|d| (d.principal.kind, d.principal.id, d.outcome, d.is_secondary))
        .collect();
    let expected = [
        (Kind::Component, "hostile".to_owned(), Outcome::Allow, true),
        (Kind::Agent, "support".to_owned(), Outcome::Allow, false),
    ];
    assert_eq!(decided, expected);

    let spans = gate.ledger().reader().spans(run).unwrap();
    let span = |name: &str| spans.iter().find(|s| s.name == name).unwrap();
    let (outer, nested) = (
        span("execute_tool hostile__relay"),
        span("execute_tool files__read"),
    );
    assert_eq!(nested.parent, Some(span("invoke_component hostile").span));
    assert_eq!(span("invoke_component files").parent, Some(nested.span));
    assert_eq!(span("invoke_component hostile").parent, Some(outer.span));
    let authorized = spans
        .iter()
        .filter(|s| s.parent == Some(nested.span) && s.kind == SpanKind::Authorize);
    assert_eq!(authorized.count(), 3, "agent, component, result");
    assert!(nested.end.is_some() && nested.error.is_none());

    let state = gate.ledger().run_state(run, None).unwrap().unwrap();
    assert_eq!((state.calls, state.denials), (2, 0));
    assert!(state.labels.contains("untrusted"));
    let outcomes = outcomes(&gate, run);
    assert!(
        outcomes[0].labels.contains("untrusted"),
        "before its content is given to the component"
    );
    assert_eq!(outcomes[1].call, outer.span);
    assert_eq!(outcomes[1].effects, 1, "a nested call is an effect");
    gate.ledger().rebuild().await.unwrap();
    assert_eq!(gate.ledger().run_state(run, None).unwrap().unwrap(), state);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agent_and_component_must_both_be_allowed() {
    let world = World::new(
        r#"@id("not-through-others") @owner("tests") @reason("Only the agent itself reads.")
           forbid (principal is Tollgate::Agent, action == Tollgate::Action::"files__read", resource)
           when { context.via.contains(Tollgate::Component::"hostile") };
           @id("not-for-hostile") @owner("tests") @reason("The hostile component writes nothing.")
           forbid (principal == Tollgate::Component::"hostile", action == Tollgate::Action::"files__write", resource);"#,
    );
    let gate = world.open().await;
    let read = relay(&gate, "r", "files__read", r#"{"path":"letter.txt"}"#).await;
    assert!(
        said(&read).contains("Only the agent itself reads."),
        "{read:?}"
    );
    let write = relay(&gate, "r", "files__write", r#"{"path":"a.txt","text":"x"}"#).await;
    assert!(
        said(&write).contains("The hostile component writes nothing."),
        "{write:?}"
    );
    assert!(!world.path("data/a.txt").exists());
    let run = write.run.unwrap();
    let state = gate.ledger().run_state(run, None).unwrap().unwrap();
    assert_eq!((state.calls, state.denials), (4, 2));
    let spans = gate.ledger().reader().spans(run).unwrap();
    let denied = spans
        .iter()
        .filter(|s| s.error.as_deref() == Some("policy_denied"));
    assert_eq!(denied.count(), 2);
    assert!(
        spans
            .iter()
            .all(|s| s.end.is_some() || s.kind == SpanKind::InvokeAgent)
    );

    let direct = call(&gate, "r", "files__read", r#"{"path":"letter.txt"}"#).await;
    assert!(is_released(&direct), "{direct:?}");
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_component_may_not_call_it_may_not_call_for_an_agent_that_may() {
    let world = World::new("");
    let gate = world.open().await;
    // No policy permits a component to call a tool labelled `egress`.
    let sent = relay(
        &gate,
        "r",
        "outbox__write",
        r#"{"path":"a.txt","text":"x"}"#,
    )
    .await;
    assert!(said(&sent).contains("Denied"), "{sent:?}");
    let unknown = relay(&gate, "r", "files__raed", "{}").await;
    assert!(
        said(&unknown).contains("Did you mean `files__read`?"),
        "{unknown:?}"
    );
    let wrong = relay(&gate, "r", "files__read", r#"{"path":7}"#).await;
    assert!(said(&wrong).contains("Invalid"), "{wrong:?}");
    gate.close().await;
}

/// Copies of the hostile component, with other names.
fn copies(world: &World, names: &[&str]) {
    for name in names {
        world.configure(
            "[tools.files__read]",
            &format!(
                "[components.{name}]\npath = \"hostile.wasm\"\nlimits = {{ cpu = \"60s\", time = \"60s\" }}\n\
                 [tools.{name}__chain]\nlabels = []\ntaints = []\n[tools.{name}__loop_forever]\nlabels = []\n\
                 [tools.{name}__relay]\nlabels = []\ntaints = []\n[tools.files__read]"
            ),
        );
    }
    world.accept();
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_nest_four_deep_and_never_in_circles() {
    let world = World::new("");
    copies(&world, &["a", "b", "c", "d", "e"]);
    // One slot in all: if a nested call waited for it, nothing would ever continue.
    world.configure("[gate]\n", "[gate]\nconcurrency = 1\n");
    let gate = world.open().await;
    let chain = async |components: &str| {
        let arguments = format!(r#"{{"components":{components}}}"#);
        said(&call(&gate, "r", "hostile__chain", &arguments).await)
    };
    assert_eq!(chain(r#"["a","b","c","d"]"#).await, "a, b, c, d, the end");
    let deep = chain(r#"["a","b","c","d","e"]"#).await;
    assert!(
        deep.starts_with("a, b, c, d, ") && deep.contains("at most 4 deep"),
        "{deep}"
    );
    let circle = chain(r#"["a","b","a"]"#).await;
    assert!(
        circle.starts_with("a, b, ") && circle.contains("`a` is already being called"),
        "{circle}"
    );
    let own = chain(r#"["hostile"]"#).await;
    assert!(own.contains("`hostile` is already being called"), "{own}");
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_nested_calls_is_bounded() {
    let world = World::new("");
    world.configure(
        "limits = { cpu = \"200ms\", time = \"5s\" }",
        "limits = { cpu = \"30s\", time = \"60s\" }",
    );
    world.configure(
        "[tools.files__read]",
        "[tools.files__list]\nlabels = []\n[tools.files__read]",
    );
    let gate = world.open().await;
    let storm = r#"{"tool":"files__list","times":1000}"#;
    let answer = call(&gate, "r", "hostile__call_storm", storm).await;
    assert_eq!(said(&answer), "100 answered");
    let state = gate
        .ledger()
        .run_state(answer.run.unwrap(), None)
        .unwrap()
        .unwrap();
    assert_eq!(state.calls, 101);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_component_has_read_counts_for_what_it_calls() {
    let world = World::new(
        r#"@id("hostile-sends") @owner("tests")
           permit (principal == Tollgate::Component::"hostile", action == Tollgate::Action::"outbox__write", resource);"#,
    );
    world.configure(
        "grants.data = { path = \"data\", mode = \"rw\" }\n[tools.files__read]",
        "grants.data = { path = \"data\", mode = \"rw\" }\ngrants.vault = { path = \"vault\", mode = \"r\", labels = [\"private\"] }\n[tools.files__read]",
    );
    let gate = world.open().await;
    let leak =
        |grant, path| format!(r#"{{"grant":"{grant}","path":"{path}","tool":"outbox__write"}}"#);
    // The run is untrusted and about to become private: the run does not have that label yet, but the call
    // does.
    let letter = call(&gate, "r", "files__read", r#"{"path":"letter.txt"}"#).await;
    assert!(is_released(&letter));
    let harmless = call(&gate, "r", "hostile__leak", &leak("data", "letter.txt")).await;
    assert!(is_released(&harmless), "{harmless:?}");
    std::fs::remove_file(world.path("out/leaked")).unwrap();
    let leaked = call(&gate, "r", "hostile__leak", &leak("vault", "customer.json")).await;
    pending(&leaked);
    let message = leaked.message().unwrap();
    assert!(message.contains("security's approval"), "{message}");
    assert!(!world.path("out/leaked").exists());
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nested_call_has_what_is_left_to_its_caller() {
    let world = World::new("");
    copies(&world, &["slow"]);
    let gate = world.open().await;
    let begun = Instant::now();
    // 60 s of its own, but the caller has 200 ms.
    let answer = relay(&gate, "r", "slow__loop_forever", "{}").await;
    assert!(begun.elapsed() < Duration::from_secs(20));
    let outcomes = outcomes(&gate, answer.run.unwrap());
    assert_eq!(outcomes[0].status, Status::Timeout);
    assert_eq!(outcomes.len(), 2, "{answer:?}");
    assert!(
        outcomes[1].fuel >= outcomes[0].fuel,
        "what it used is its caller's"
    );
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halt_of_the_caller_ends_what_it_called() {
    let world = World::new("");
    copies(&world, &["outer", "slow"]);
    let gate = world.open().await;
    let running = {
        let gate = gate.clone();
        let request = r#"{"tool":"slow__loop_forever","arguments":"{}"}"#;
        tokio::spawn(async move { call(&gate, "r", "outer__relay", request).await })
    };
    let started = async {
        loop {
            let runs = gate.ledger().reader().runs(&Default::default()).unwrap();
            let inner = runs.first().is_some_and(|run| {
                records(&gate, run.id)
                    .iter()
                    .any(|r| matches!(&r.event, Event::Start(s) if s.component == "slow"))
            });
            if inner {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), started)
        .await
        .unwrap();
    gate.halt(&user("alice"), HaltScope::Component, "outer", "enough")
        .await
        .unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(20), running)
        .await
        .unwrap()
        .unwrap();
    assert!(
        matches!(
            answer.verdict,
            Verdict::Ended {
                status: Status::Halted,
                ..
            }
        ),
        "{answer:?}"
    );
    let statuses: Vec<Status> = outcomes(&gate, answer.run.unwrap())
        .iter()
        .map(|o| o.status)
        .collect();
    assert_eq!(
        statuses,
        [Status::Halted, Status::Halted],
        "the inner one first"
    );
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_of_a_nested_call_is_for_that_call_alone() {
    let world = World::new(
        r#"@id("hostile-refunds") @owner("tests")
           permit (principal == Tollgate::Component::"hostile", action == Tollgate::Action::"payments__refund", resource);
           @id("both-ask") @owner("security") @reason("Components refund nothing without security.")
           forbid (principal is Tollgate::Component, action == Tollgate::Action::"payments__refund", resource)
           unless { context.approval.roles.contains(Tollgate::Role::"security") };"#,
    );
    let gate = world.open().await;
    let asked = relay(&gate, "r", "payments__refund", REFUND).await;
    let open = gate
        .ledger()
        .reader()
        .approvals(&ApprovalFilter::open())
        .unwrap();
    assert_eq!(open.len(), 1, "{asked:?}");
    let row = &open[0];
    assert_eq!(
        (row.tool.as_str(), row.via.as_slice()),
        ("payments__refund", ["hostile".to_owned()].as_slice())
    );
    // One approval for what denied the agent, and for what denied the component.
    assert_eq!(
        row.requirement.roles(),
        ["finance", "security"].map(str::to_owned).into()
    );
    gate.answer(
        &user("dana"),
        row.id,
        ApprovalResponse::new(Vote::Approve, "cli"),
    )
    .await
    .unwrap();
    // The agent's own call is a different one.
    assert_ne!(
        pending(&call(&gate, "r", "payments__refund", REFUND).await),
        row.id
    );
    assert_eq!(world.refunds(), 0);
    let resumed = relay(&gate, "r", "payments__refund", REFUND).await;
    assert!(said(&resumed).contains("refund"), "{resumed:?}");
    assert_eq!(world.refunds(), 1);
    relay(&gate, "r", "payments__refund", REFUND).await;
    assert_eq!(world.refunds(), 1, "once");
    gate.close().await;
}
