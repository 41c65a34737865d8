//! Policies that redact the arguments of a call.

use tollgate::enforce::{Answer, CallRequest, Verdict};
use tollgate::gate::Gate;
use tollgate_model::{
    decision::Outcome,
    record::{DecisionRecord, Event},
    request::{ActionContext, Facts, Request},
};
use tollgate_testkit::world::{
    World, agent, approve, call, denied_by, is_released, named, pending, records, starts, user,
};

const SECRET: &str = "DE02120300000000202051";

/// A policy that redacts the text of written files.
const NO_TEXT: &str = r#"@id("no-text") @owner("privacy") @reason("No account numbers.") @redact("/text")
    forbid (principal, action == Tollgate::Action::"files__write", resource);"#;

fn write() -> String {
    format!(r#"{{"overwrite":true,"path":"a.txt","text":"IBAN {SECRET}"}}"#)
}

/// Decisions about calls of `tool`, with their requests as they are sealed for replay.
fn decisions(gate: &Gate, answer: &Answer, tool: &str) -> Vec<(DecisionRecord, Request)> {
    let ledger = gate.ledger();
    let records = ledger.reader().records_of_run(answer.run.unwrap()).unwrap();
    let of_tool = records
        .into_iter()
        .filter_map(|(index, record)| match record.event {
            Event::Decision(decided) if decided.action.id() == tool => Some((index, *decided)),
            _ => None,
        });
    of_tool
        .map(|(index, decided)| {
            let plain = ledger.unseal(index, decided.facts_digest.unwrap(), "facts");
            let (request, _): (Request, Facts) = serde_json::from_slice(&plain.unwrap()).unwrap();
            (decided, request)
        })
        .collect()
}

fn input(request: &Request) -> String {
    match &request.context {
        ActionContext::Call { input, .. } => input.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_decided_recorded_and_executed_is_the_redacted_call() {
    let world = World::new(NO_TEXT);
    let gate = world.open().await;
    let answer = call(&gate, "r", "files__write", &write()).await;
    assert!(is_released(&answer), "{:?}", answer.verdict);
    assert_eq!(world.read("data/a.txt"), "[redacted]");
    assert_eq!(
        Vec::from_iter(answer.redacted_arguments.iter()),
        vec!["/text"]
    );

    let decided = decisions(&gate, &answer, "files__write");
    let [(record, request)] = decided.as_slice() else {
        panic!("one decision, and it is that of the redacted call: {decided:?}")
    };
    assert_eq!(record.outcome, Outcome::Allow);
    let redacted = r#"{"overwrite":true,"path":"a.txt","text":"[redacted]"}"#;
    assert_eq!(input(request), redacted);
    let redaction = &record.redaction;
    let policies: Vec<&str> = redaction.policies.iter().map(|p| p.id.as_str()).collect();
    assert_eq!((policies, redaction.values), (vec!["no-text"], 1));

    // A caller that leaves it out itself makes the same call.
    let own = call(&gate, "r", "files__write", redacted).await;
    let decided = decisions(&gate, &own, "files__write");
    assert_eq!(decided[1].0.arguments, decided[0].0.arguments);
    assert_eq!(decided[1].0.redaction.values, 0);
    assert!(own.redacted_arguments.is_empty(), "nothing was removed");

    let run = answer.run.unwrap();
    for record in records(&gate, run) {
        let leaf = String::from_utf8(record.leaf().unwrap()).unwrap();
        assert!(!leaf.contains(SECRET), "{leaf}");
    }
    gate.close().await;
}

/// Before the effect: nothing of a call that cannot be redacted happens.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_redacted_is_denied() {
    let world = World::new(
        r#"@id("no-body") @owner("privacy") @reason("No bodies.") @redact("/body")
           forbid (principal, action == Tollgate::Action::"files__write", resource);
           @id("no-amounts") @owner("privacy") @reason("No amounts.") @redact("/amount")
           forbid (principal, action == Tollgate::Action::"payments__quote", resource);"#,
    );
    let gate = world.open().await;
    let missing = call(&gate, "r", "files__write", &write()).await;
    assert_eq!(denied_by(&missing), ["no-body"], "no such argument");
    let number = r#"{"amount":100,"currency":"EUR"}"#;
    let number = call(&gate, "r", "payments__quote", number).await;
    assert_eq!(denied_by(&number), ["no-amounts"], "it takes no text there");
    assert_eq!(starts(&gate, number.run.unwrap()), 0);
    assert!(!world.path("data/a.txt").exists());
    gate.close().await;
}

/// The approver sees the redacted call, and the answer is bound to it, however the caller repeats it.
#[tokio::test(flavor = "multi_thread")]
async fn an_approval_is_of_the_redacted_call() {
    let world = World::new(
        r#"@id("no-reasons") @owner("privacy") @reason("No reasons.") @redact("/reason")
           forbid (principal, action == Tollgate::Action::"payments__refund", resource);"#,
    );
    let gate = world.open().await;
    let refund = |reason: &str| {
        format!(r#"{{"order":"A-1","amount":6000,"currency":"EUR","reason":"{reason}"}}"#)
    };
    let asked = call(&gate, "r", "payments__refund", &refund(SECRET)).await;
    let id = pending(&asked);
    let view = gate.approval(&user("dana"), id).await.unwrap();
    let shown = view.arguments.unwrap();
    assert!(
        shown.contains("[redacted]") && !shown.contains(SECRET),
        "{shown}"
    );
    // A client that returns without its run finds it by what it sent.
    let request = CallRequest {
        tool: "payments__refund".into(),
        arguments: refund(SECRET),
    };
    let run = gate.run_awaiting_approval(&agent("support"), &request);
    assert_eq!(run, asked.run);
    let resumed = gate.pending_call(&agent("support"), id).unwrap();
    assert!(!resumed.request.arguments.contains(SECRET));

    approve(&gate, "dana", id).await.unwrap();
    let done = call(&gate, "r", "payments__refund", &refund("another one")).await;
    assert!(is_released(&done), "{:?}", done.verdict);
    assert_eq!(world.refunds(), 1);
    assert!(!world.read("book/refunds.jsonl").contains("another one"));
    assert_eq!(done.call, asked.call, "it is the same call");
    gate.close().await;
}

/// A label that the run takes on makes the next call a redacted one, and a hard forbid sees what was sent.
#[tokio::test(flavor = "multi_thread")]
async fn redaction_follows_the_facts_and_hides_nothing() {
    let world = World::new(
        r#"@id("private-text") @owner("privacy") @reason("It is private.") @redact("/text")
           forbid (principal, action == Tollgate::Action::"files__write", resource)
           when { context.run.labels.contains(Tollgate::Label::"private") };
           @id("never") @owner("privacy") @reason("Never.")
           forbid (principal, action == Tollgate::Action::"files__write", resource)
           when { context.input.text like "*never*" };"#,
    );
    let gate = world.open().await;
    let text = |text: &str| format!(r#"{{"path":"a.txt","text":"{text}","overwrite":true}}"#);
    call(&gate, "r", "files__write", &text("before")).await;
    assert_eq!(world.read("data/a.txt"), "before");
    let read = r#"{"path":"customer.json"}"#;
    call(&gate, "r", "secret__read", read).await;
    call(&gate, "r", "files__write", &text("after")).await;
    assert_eq!(world.read("data/a.txt"), "[redacted]");
    let never = call(&gate, "r", "files__write", &text("never")).await;
    assert_eq!(denied_by(&never), ["never", "private-text"]);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nested_call_is_redacted_for_agent_and_component() {
    let world = World::new(
        r#"@id("no-text") @owner("privacy") @reason("No text of components.") @redact("/text")
           forbid (principal is Tollgate::Component, action == Tollgate::Action::"files__write", resource);"#,
    );
    let gate = world.open().await;
    let arguments = serde_json::json!({ "tool": "files__write", "arguments": write() }).to_string();
    let answer = call(&gate, "r", "hostile__relay", &arguments).await;
    assert!(is_released(&answer), "{:?}", answer.verdict);
    assert_eq!(world.read("data/a.txt"), "[redacted]");
    let decided = decisions(&gate, &answer, "files__write");
    assert_eq!(decided.len(), 2, "{decided:?}");
    for (record, request) in &decided {
        assert_eq!(record.outcome, Outcome::Allow);
        assert!(!input(request).contains(SECRET));
        assert!(!record.redaction.is_empty());
    }
    let own = gate
        .call(
            &agent("support"),
            &named("r"),
            CallRequest {
                tool: "files__write".into(),
                arguments: write(),
            },
        )
        .await;
    assert!(matches!(own.verdict, Verdict::Released { .. }));
    assert!(world.read("data/a.txt").contains(SECRET));
    gate.close().await;
}
