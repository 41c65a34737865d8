//! Allow, deny, error, labels, budgets, results.

use tollgate::{enforce::Refusal, enforce::Verdict};
use tollgate_model::{record::Event, span::SpanKind};
use tollgate_testkit::world::{World, call, denied_by, is_released, pending, records, starts};

#[tokio::test(flavor = "multi_thread")]
async fn an_allowed_call_is_recorded_before_and_after_its_effect() {
    let world = World::new("");
    let gate = world.open().await;
    let answer = call(
        &gate,
        "r",
        "files__write",
        r#"{"path":"a.txt","text":"hello"}"#,
    )
    .await;
    assert!(is_released(&answer), "{:?}", answer.verdict);
    assert_eq!(world.read("data/a.txt"), "hello");

    let records = records(&gate, answer.run.unwrap());
    let kinds: Vec<&str> = records
        .iter()
        .filter_map(|r| match &r.event {
            Event::Decision(d) => Some(d.action.group().to_owned()),
            Event::Start(_) => Some("start".into()),
            Event::Effect(_) => Some("effect".into()),
            Event::Outcome(_) => Some("outcome".into()),
            _ => None,
        })
        .map(|s| match s.as_str() {
            "call" => "call",
            "start" => "start",
            "write_file" => "write_file",
            "read_file" => "read_file",
            "effect" => "effect",
            "return_result" => "return_result",
            "outcome" => "outcome",
            other => panic!("{other}"),
        })
        .collect();
    let place = |what| {
        kinds
            .iter()
            .position(|k| *k == what)
            .unwrap_or_else(|| panic!("no {what}: {kinds:?}"))
    };
    assert!(place("call") < place("start"));
    assert!(place("start") < place("write_file"));
    assert!(place("write_file") < place("effect"));
    assert!(place("return_result") < place("outcome"));

    let spans = gate.ledger().reader().spans(answer.run.unwrap()).unwrap();
    let of = |kind| spans.iter().filter(|s| s.kind == kind).count();
    assert_eq!(of(SpanKind::InvokeAgent), 1);
    assert_eq!(of(SpanKind::ExecuteTool), 1);
    assert_eq!(of(SpanKind::InvokeComponent), 1);
    assert!(
        spans
            .iter()
            .all(|s| s.end.is_some() || s.kind == SpanKind::InvokeAgent)
    );
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_call_runs_nothing_and_says_why() {
    let world = World::new(
        r#"@id("no-writing") @owner("tests") @reason("This folder is read-only.")
           forbid (principal, action == Tollgate::Action::"files__write", resource);"#,
    );
    let gate = world.open().await;
    let answer = call(&gate, "r", "files__write", r#"{"path":"a.txt","text":"x"}"#).await;
    assert_eq!(denied_by(&answer), ["no-writing"]);
    let message = answer.message().unwrap();
    assert!(
        message.contains("This folder is read-only.") && message.contains("Do not retry"),
        "{message}"
    );
    assert!(!world.path("data/a.txt").exists());
    let run = answer.run.unwrap();
    assert_eq!(starts(&gate, run), 0);
    let spans = gate.ledger().reader().spans(run).unwrap();
    assert!(
        spans.iter().all(|s| s.kind != SpanKind::InvokeComponent),
        "nothing ran"
    );
    let tool = spans
        .iter()
        .find(|s| s.kind == SpanKind::ExecuteTool)
        .unwrap();
    assert_eq!(tool.error.as_deref(), Some("policy_denied"));
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_permitted_without_a_policy() {
    let world = World::new("");
    for file in std::fs::read_dir(world.path("policies")).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    let gate = world.open().await;
    let answer = call(&gate, "r", "files__read", r#"{"path":"letter.txt"}"#).await;
    assert!(denied_by(&answer).is_empty());
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evaluation_error_denies() {
    let world = World::new(
        r#"@id("overflows") @owner("tests")
           forbid (principal, action == Tollgate::Action::"payments__quote", resource)
           when { context.input.amount * 9223372036854775807 > 0 };"#,
    );
    let gate = world.open().await;
    let answer = call(
        &gate,
        "r",
        "payments__quote",
        r#"{"amount":2,"currency":"EUR"}"#,
    )
    .await;
    match &answer.verdict {
        Verdict::Refused(Refusal::Undecidable { basis, .. }) => {
            assert_eq!(basis.errors[0].policy.as_deref(), Some("overflows"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(starts(&gate, answer.run.unwrap()), 0);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn private_data_does_not_leave_after_untrusted_content() {
    let world = World::new("");
    let gate = world.open().await;
    let send = r#"{"path":"mail.txt","text":"DE02120300000000202051"}"#;
    // Untrusted content alone does not deny it.
    assert!(is_released(
        &call(&gate, "r", "files__read", r#"{"path":"letter.txt"}"#).await
    ));
    assert!(is_released(
        &call(
            &gate,
            "r",
            "outbox__write",
            r#"{"path":"ack.txt","text":"got it"}"#
        )
        .await
    ));
    assert!(is_released(
        &call(&gate, "r", "secret__read", r#"{"path":"customer.json"}"#).await
    ));
    let stopped = call(&gate, "r", "outbox__write", send).await;
    pending(&stopped);
    assert!(
        stopped.message().unwrap().contains("security"),
        "{:?}",
        stopped.message()
    );
    assert!(!world.path("out/mail.txt").exists());
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_run_does_not_wash_labels_off() {
    let world = World::new("");
    let gate = world.open().await;
    call(&gate, "one", "files__read", r#"{"path":"letter.txt"}"#).await;
    call(&gate, "one", "secret__read", r#"{"path":"customer.json"}"#).await;
    pending(&call(&gate, "two", "outbox__write", r#"{"path":"x","text":"x"}"#).await);
    // Two hours later they are gone.
    world.pass(2 * 3600);
    assert!(is_released(
        &call(
            &gate,
            "three",
            "outbox__write",
            r#"{"path":"x","text":"x"}"#
        )
        .await
    ));
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_do_not_launder_labels() {
    let world = World::new("");
    let gate = world.open().await;
    call(&gate, "one", "secret__read", r#"{"path":"customer.json"}"#).await;
    call(
        &gate,
        "one",
        "files__write",
        r#"{"path":"note.txt","text":"copied"}"#,
    )
    .await;
    world.pass(2 * 3600);
    let read = call(&gate, "two", "files__read", r#"{"path":"note.txt"}"#).await;
    let labels = gate
        .ledger()
        .run_state(read.run.unwrap(), None)
        .unwrap()
        .unwrap()
        .labels;
    assert!(labels.contains("private"), "{labels:?}");
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_calls_share_one_budget() {
    let world = World::new(
        r#"@id("budget") @owner("tests") @reason("Nine calls are enough.")
           forbid (principal, action in Tollgate::Action::"call", resource)
           when { context.run.calls >= 9 };"#,
    );
    let gate = world.open().await;
    call(
        &gate,
        "r",
        "payments__quote",
        r#"{"amount":1,"currency":"EUR"}"#,
    )
    .await;
    let mut calls = Vec::new();
    for n in 0..64 {
        let gate = gate.clone();
        let arguments = format!(r#"{{"amount":{},"currency":"EUR"}}"#, n + 2);
        calls.push(tokio::spawn(async move {
            call(&gate, "r", "payments__quote", &arguments).await
        }));
    }
    let mut allowed = 1;
    for call in calls {
        allowed += usize::from(is_released(&call.await.unwrap()));
    }
    assert_eq!(allowed, 9);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_repeated_is_counted() {
    let world = World::new(
        r#"@id("loops") @owner("tests") @reason("Stop repeating yourself.")
           forbid (principal, action in Tollgate::Action::"call", resource)
           when { context.run.repeats >= 2 };"#,
    );
    let gate = world.open().await;
    let quote = r#"{"amount":100,"currency":"EUR"}"#;
    assert!(is_released(
        &call(&gate, "r", "payments__quote", quote).await
    ));
    // The same arguments in another notation.
    let spaced = r#"{ "currency": "EUR", "amount": 100.0 }"#;
    assert!(is_released(
        &call(&gate, "r", "payments__quote", spaced).await
    ));
    assert_eq!(
        denied_by(&call(&gate, "r", "payments__quote", quote).await),
        ["loops"]
    );
    assert!(is_released(
        &call(
            &gate,
            "r",
            "payments__quote",
            r#"{"amount":101,"currency":"EUR"}"#
        )
        .await
    ));
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_can_be_withheld_or_redacted() {
    let world = World::new(
        r#"@id("no-fees") @owner("tests") @reason("Fees are internal.") @redact("/fee")
           forbid (principal, action == Tollgate::Action::"return_result", resource == Tollgate::Tool::"payments__quote");
           @id("sealed") @owner("tests") @reason("The vault stays shut.")
           forbid (principal, action == Tollgate::Action::"return_result", resource == Tollgate::Tool::"secret__read");"#,
    );
    let gate = world.open().await;
    let quote = call(
        &gate,
        "r",
        "payments__quote",
        r#"{"amount":1000,"currency":"EUR"}"#,
    )
    .await;
    match &quote.verdict {
        Verdict::Released {
            content,
            redacted: true,
        } => {
            let text = serde_json::to_string(content).unwrap();
            assert!(
                text.contains("[redacted]") && text.contains("1000"),
                "{text}"
            );
        }
        other => panic!("{other:?}"),
    }
    let vault = call(&gate, "r", "secret__read", r#"{"path":"customer.json"}"#).await;
    assert!(
        matches!(vault.verdict, Verdict::Withheld { .. }),
        "{:?}",
        vault.verdict
    );
    assert!(!format!("{vault:?}{:?}", vault.message()).contains("DE02"));
    gate.close().await;
}

/// A component could encode data in the way its call ends.
#[tokio::test(flavor = "multi_thread")]
async fn the_way_a_call_ends_is_withheld_like_its_result() {
    let world = World::new(
        r#"@id("shut") @owner("tests") @reason("Its results stay here.")
           forbid (principal, action == Tollgate::Action::"return_result",
             resource in Tollgate::Component::"hostile");"#,
    );
    let gate = world.open().await;
    let mut messages = std::collections::BTreeSet::new();
    for tool in ["trap", "recurse", "tell_time"] {
        let answer = call(&gate, "r", &format!("hostile__{tool}"), "{}").await;
        assert!(
            matches!(answer.verdict, Verdict::Withheld { .. }),
            "{tool}: {:?}",
            answer.verdict
        );
        let message = answer.message().unwrap();
        messages.insert(message.split("dec-").next().unwrap().to_owned());
    }
    assert_eq!(messages.len(), 1, "{messages:?}");
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_keeps_a_label_that_was_retired() {
    let world = World::new("");
    let (before, after) = (
        "[tools.files__read]\nlabels = []\ntaints = [\"untrusted\"]",
        "[tools.files__read]\nlabels = []\ntaints = [\"legacy\"]",
    );
    world.configure(before, after);
    let gate = world.open().await;
    call(&gate, "r", "files__read", r#"{"path":"letter.txt"}"#).await;
    let written = r#"{"path":"copy.txt","text":"x"}"#;
    let written = call(&gate, "r", "files__write", written).await;
    assert!(is_released(&written), "{written:?}");
    world.configure(after, before);
    gate.reload("tests").await.unwrap();
    let read = call(&gate, "s", "files__read", r#"{"path":"copy.txt"}"#).await;
    assert!(is_released(&read), "{read:?}");
    let run = read.run.unwrap().to_string();
    let run = gate.ledger().reader().run(&run).unwrap();
    assert!(run.labels.contains("legacy"), "{:?}", run.labels);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn effects_inside_a_call_are_decided_one_by_one() {
    let world = World::new(
        r#"@id("keep-out") @owner("tests") @reason("This folder is closed.")
           forbid (principal == Tollgate::Component::"files", action, resource in Tollgate::Directory::"files/data:/closed");"#,
    );
    std::fs::create_dir(world.path("data/closed")).unwrap();
    world.write("data/closed/x.txt", "no");
    let gate = world.open().await;
    let answer = call(&gate, "r", "files__read", r#"{"path":"closed/x.txt"}"#).await;
    match &answer.verdict {
        Verdict::ToolError(failure) => assert!(
            failure.message.contains("This folder is closed."),
            "{failure:?}"
        ),
        other => panic!("{other:?}"),
    }
    assert!(is_released(
        &call(&gate, "r", "files__read", r#"{"path":"letter.txt"}"#).await
    ));
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_that_are_wrong_are_refused_before_any_policy() {
    let world = World::new("");
    let gate = world.open().await;
    let deep = format!(
        r#"{{"amount":{}1{},"currency":"EUR"}}"#,
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    for (arguments, expected) in [
        ("{", "not JSON"),
        (
            r#"{"amount":1,"amount":2,"currency":"EUR"}"#,
            "`/amount` occurs twice",
        ),
        (
            r#"{"amount":9007199254740993,"currency":"EUR"}"#,
            "`/amount` is beyond",
        ),
        (r#"{"amount":NaN,"currency":"EUR"}"#, "not JSON"),
        (r#"{"amount":"1","currency":"EUR"}"#, "`/amount`"),
        (r#"{"currency":"EUR"}"#, "amount"),
        (r#"{"amount":1,"currency":"EUR","extra":true}"#, "extra"),
        ("[]", "object"),
        (&deep, "nested deeper"),
    ] {
        let answer = call(&gate, "r", "payments__quote", arguments).await;
        let Verdict::Refused(Refusal::Invalid { problem, .. }) = &answer.verdict else {
            panic!("{arguments:.60}: {:?}", answer.verdict)
        };
        assert!(problem.contains(expected), "{problem}");
        assert!(answer.decision.is_none());
    }
    let unknown = call(&gate, "r", "payments__qoute", "{}").await;
    assert!(
        unknown.message().unwrap().contains("payments__quote"),
        "{:?}",
        unknown.message()
    );
    let run = unknown.run.unwrap();
    let invalid = records(&gate, run)
        .iter()
        .filter(|r| matches!(r.event, Event::CallInvalid(_)))
        .count();
    assert_eq!(invalid, 10, "each is recorded");
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_was_retired_stays_known() {
    let world = World::new("");
    let (before, after) = (
        "[tools.files__read]\nlabels = []\ntaints = [\"untrusted\"]",
        "[tools.files__read]\nlabels = []\ntaints = [\"legacy\"]",
    );
    world.configure(before, after);
    let gate = world.open().await;
    call(&gate, "r", "files__read", r#"{"path":"letter.txt"}"#).await;
    // The run holds a label that is no longer configured, and continues with it.
    world.configure(after, before);
    gate.reload("tests").await.unwrap();
    let answer = call(
        &gate,
        "r",
        "payments__quote",
        r#"{"amount":1,"currency":"EUR"}"#,
    )
    .await;
    assert!(is_released(&answer), "{answer:?}");
    let run = answer.run.unwrap().to_string();
    let run = gate.ledger().reader().run(&run).unwrap();
    assert!(run.labels.contains("legacy"));
    gate.close().await;
}
