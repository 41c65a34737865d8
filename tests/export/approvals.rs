//! A call that runs after its approval was pending has one span, and the span says that it ran. It does not
//! matter how the approval ended.

use opentelemetry_proto::tonic::trace::v1::Span;
use tollgate::{enforce::Answer, enforce::ApprovalResponse, enforce::Vote, gate::Gate};
use tollgate_model::span::Naming;
use tollgate_testkit::{
    collector::{Behaviour, Collector, attribute},
    world::{REFUND, World, approve, call, is_released, pending, user},
};

use crate::delivery::{drained, exporter, exporting};

const TOOL: &str = "payments__refund";

/// The one span of a call, as the collector has it.
fn call_span(collector: &Collector, answer: &Answer) -> Span {
    collector.seen(|seen| {
        let own = |span: &&Span| span.span_id == answer.call.as_bytes();
        let found: Vec<&Span> = seen.spans.iter().filter(own).collect();
        let [span] = found[..] else {
            panic!("{found:?}")
        };
        span.clone()
    })
}

/// The executions of a call, in order.
fn executions(collector: &Collector, answer: &Answer) -> Vec<Span> {
    collector.seen(|seen| {
        let own = |span: &&Span| {
            span.parent_span_id == answer.call.as_bytes()
                && span.name.starts_with("invoke_component ")
        };
        seen.spans.iter().filter(own).cloned().collect()
    })
}

fn ran(collector: &Collector, answer: &Answer) {
    let span = call_span(collector, answer);
    let on = |name| attribute(&span.attributes, name);
    assert_eq!(on("tollgate.tool.executed").as_deref(), Some("true"));
    assert_eq!(on("tollgate.decision.outcome").as_deref(), Some("allow"));
    assert_eq!(on("error.type"), None);
    let executions = executions(collector, answer);
    let last = executions.last().unwrap();
    assert!(span.end_time_unix_nano >= last.end_time_unix_nano);
    let names: Vec<&str> = span.events.iter().map(|e| e.name.as_str()).collect();
    assert!(names.is_empty(), "nothing was tried again: {names:?}");
}

/// The same from the ledger's own reader and from the spans that programs are shown.
fn told_alike(gate: &Gate, answer: &Answer) {
    let run = answer.run.unwrap();
    let reader = gate.ledger().reader();
    let rows = reader.spans(run).unwrap();
    let last = rows.iter().filter_map(|row| row.end).max();
    let row = rows.iter().find(|row| row.span == answer.call).unwrap();
    assert_eq!((row.end, row.error.as_deref()), (last, None));
    let mut spans = tollgate_model::span::RunSpans::new(run);
    for (index, record) in reader.records_of_run(run).unwrap() {
        spans.apply(index, &record, Naming::Clear);
    }
    let spans = spans.into_spans();
    let span = spans.iter().find(|span| span.id == answer.call).unwrap();
    assert_eq!((span.end, span.error), (last, None));
}

#[tokio::test]
async fn an_approval_that_is_no_longer_needed() {
    let collector = Collector::start(Behaviour::Takes).await;
    let world = World::new("");
    exporting(&world, &collector, "");
    let gate = world.open().await;
    let mut exporter = exporter(&gate).await;
    let asked = call(&gate, "r", TOOL, REFUND).await;
    pending(&asked);
    drained(&world, &gate, &mut exporter).await;
    // The sum is not asked about any more, and no second call is allowed: this one is the first.
    let base = world.read("policies/base.cedar");
    world.write(
        "policies/base.cedar",
        &base.replace("amount > 5000", "amount > 7000"),
    );
    world.write(
        "policies/story.cedar",
        r#"@id("one-refund") @owner("finance") @reason("One refund is enough.")
           forbid (principal, action == Tollgate::Action::"payments__refund", resource)
           when { context.run.calls >= 1 };"#,
    );
    gate.reload("tests").await.unwrap();
    world.pass(1);
    let went_on = call(&gate, "r", TOOL, REFUND).await;
    assert!(is_released(&went_on), "{went_on:?}");
    assert_eq!(went_on.call, asked.call);
    drained(&world, &gate, &mut exporter).await;
    ran(&collector, &asked);
    told_alike(&gate, &asked);
    gate.close().await;
}

#[tokio::test]
async fn an_approval_that_is_no_longer_enough() {
    let collector = Collector::start(Behaviour::Takes).await;
    let world = World::new(
        r#"@id("tainted-refunds") @owner("security") @reason("The run has read untrusted content.")
           forbid (principal, action == Tollgate::Action::"payments__refund", resource)
           when { context.run.labels.contains(Tollgate::Label::"untrusted") }
           unless { context.approval.roles.contains(Tollgate::Role::"security") };"#,
    );
    exporting(&world, &collector, "");
    let gate = world.open().await;
    let mut exporter = exporter(&gate).await;
    let asked = call(&gate, "r", TOOL, REFUND).await;
    let finance = user("frank");
    gate.answer(
        &finance,
        pending(&asked),
        ApprovalResponse::new(Vote::Approve, "cli"),
    )
    .await
    .unwrap();
    call(&gate, "r", "files__read", r#"{"path":"letter.txt"}"#).await;
    let again = call(&gate, "r", TOOL, REFUND).await;
    assert_eq!(again.call, asked.call);
    // The call continues while the second answer is pending.
    drained(&world, &gate, &mut exporter).await;
    assert!(!collector.ids().contains(&asked.call.as_bytes()[..]));
    approve(&gate, "dana", pending(&again)).await.unwrap();
    world.pass(1);
    assert!(is_released(&call(&gate, "r", TOOL, REFUND).await));
    drained(&world, &gate, &mut exporter).await;
    ran(&collector, &asked);
    told_alike(&gate, &asked);
    gate.close().await;
}

#[tokio::test]
async fn an_execution_after_an_approval_in_mid_call_is_no_retry() {
    let collector = Collector::start(Behaviour::Takes).await;
    let world = World::new(
        r#"@id("watched-files") @owner("security") @reason("Security looks at what is written here.")
           forbid (principal, action == Tollgate::Action::"write_file",
               resource in Tollgate::Directory::"hostile/data:/watched")
           unless { context.approval.roles.contains(Tollgate::Role::"security") };"#,
    );
    exporting(&world, &collector, "");
    let gate = world.open().await;
    let mut exporter = exporter(&gate).await;
    let (tool, write) = (
        "hostile__write_anyway",
        r#"{"grant":"data","path":"watched/a.txt","content":"x"}"#,
    );
    let asked = call(&gate, "r", tool, write).await;
    approve(&gate, "dana", pending(&asked)).await.unwrap();
    drained(&world, &gate, &mut exporter).await;
    world.pass(1);
    assert!(is_released(&call(&gate, "r", tool, write).await));
    drained(&world, &gate, &mut exporter).await;
    ran(&collector, &asked);
    let reasons = executions(&collector, &asked).into_iter().map(|span| {
        let on = |name| attribute(&span.attributes, name).unwrap();
        (on("tollgate.attempt.number"), on("tollgate.attempt.reason"))
    });
    let expected = [("1", "initial"), ("2", "approval")];
    let expected = expected.map(|(number, reason)| (number.to_owned(), reason.to_owned()));
    assert_eq!(reasons.collect::<Vec<_>>(), expected);
    // Each effect stands in its own execution.
    let executions = executions(&collector, &asked);
    let effects = collector.seen(|seen| {
        let effect = |span: &&Span| span.name == "write_file";
        let effects = seen.spans.iter().filter(effect);
        effects
            .map(|span| span.parent_span_id.clone())
            .collect::<Vec<_>>()
    });
    assert!(!effects.is_empty());
    let own = |parent: &Vec<u8>| executions.iter().any(|span| span.span_id == *parent);
    assert!(effects.iter().all(own));
    gate.close().await;
}

#[tokio::test]
async fn an_approval_that_a_halt_takes_back_ends_its_call() {
    let collector = Collector::start(Behaviour::Takes).await;
    let world = World::new("");
    exporting(&world, &collector, "");
    let gate = world.open().await;
    let mut exporter = exporter(&gate).await;
    let asked = call(&gate, "r", TOOL, REFUND).await;
    pending(&asked);
    let tool = tollgate_model::record::HaltScope::Tool;
    gate.halt(&user("alice"), tool, TOOL, "enough")
        .await
        .unwrap();
    drained(&world, &gate, &mut exporter).await;
    let span = call_span(&collector, &asked);
    let executed = attribute(&span.attributes, "tollgate.tool.executed");
    assert_eq!(executed.as_deref(), Some("false"));
    assert!(executions(&collector, &asked).is_empty());
    gate.close().await;
}

#[tokio::test]
async fn calls_around_one_that_is_rejected_end_with_it() {
    let collector = Collector::start(Behaviour::Takes).await;
    let world = World::new(
        r#"@id("watched-files") @owner("security") @reason("Security looks at what is written here.")
           forbid (principal, action == Tollgate::Action::"write_file",
               resource in Tollgate::Directory::"hostile/data:/watched")
           unless { context.approval.roles.contains(Tollgate::Role::"security") };"#,
    );
    world.configure(
        "[tools.files__read]",
        "[components.outer]\npath = \"hostile.wasm\"\n[tools.outer__relay]\nlabels = []\ntaints = []\n[tools.files__read]",
    );
    world.accept();
    exporting(&world, &collector, "");
    let gate = world.open().await;
    let write = r#"{"grant":"data","path":"watched/a.txt","content":"x"}"#;
    let relayed = serde_json::json!({ "tool": "hostile__write_anyway", "arguments": write });
    let asked = call(&gate, "r", "outer__relay", &relayed.to_string()).await;
    let dana = user("dana");
    gate.answer(
        &dana,
        pending(&asked),
        ApprovalResponse::new(Vote::Reject, "cli"),
    )
    .await
    .unwrap();
    let mut exporter = exporter(&gate).await;
    drained(&world, &gate, &mut exporter).await;
    collector.seen(|seen| {
        for name in [
            "execute_tool outer__relay",
            "execute_tool hostile__write_anyway",
        ] {
            let found: Vec<&Span> = seen.spans.iter().filter(|s| s.name == name).collect();
            let [span] = found[..] else {
                panic!("{name}: {found:?}")
            };
            let on = |name| attribute(&span.attributes, name);
            assert_eq!(on("error.type").as_deref(), Some("approval_rejected"));
            assert_eq!(on("tollgate.tool.executed").as_deref(), Some("true"));
        }
    });
    let rows = gate.ledger().reader().spans(asked.run.unwrap()).unwrap();
    let open: Vec<_> = rows.iter().filter(|row| row.end.is_none()).collect();
    assert_eq!(open.len(), 1, "all but the run: {open:?}");
    gate.close().await;
}
