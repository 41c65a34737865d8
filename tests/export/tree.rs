//! Whole runs, span by span and attribute by attribute.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::Value;
use tollgate::gate::Gate;
use tollgate_model::{
    ids::RunId,
    span::{Naming, RunSpans, Span},
};
use tollgate_testkit::world::World;

use crate::story;

/// What is different each time.
const MEASURED: &[&str] = &["tollgate.wasm.fuel", "tollgate.wasm.peak_memory"];

fn spans(gate: &Gate, run: RunId) -> Vec<Span> {
    let mut spans = RunSpans::new(run);
    for (index, record) in gate.ledger().reader().records_of_run(run).unwrap() {
        spans.apply(index, &record, Naming::Clear);
    }
    spans.into_spans()
}

/// Ids and digests by the order in which they come.
#[derive(Default)]
struct Known(BTreeMap<String, String>);

impl Known {
    fn short(&mut self, text: &str, what: &str) -> String {
        let next = self.0.values().filter(|v| v.starts_with(what)).count() + 1;
        let known = self.0.entry(text.to_owned());
        known.or_insert_with(|| format!("{what}{next}")).clone()
    }

    fn value(&mut self, name: &str, value: &Value) -> String {
        let Value::String(text) = value else {
            return match MEASURED.contains(&name) {
                true => "#".into(),
                false => value.to_string(),
            };
        };
        match name {
            // A backtrace differs with the toolchain.
            "tollgate.log.message" => text.lines().next().unwrap_or_default().to_owned(),
            "tollgate.run.id" => self.short(text, "run-"),
            "tollgate.retry.of" => self.short(text, "span-"),
            "tollgate.approval.id" => self.short(text, "approval-"),
            "tollgate.decision.id" => self.short(text, "decision-"),
            "tollgate.tool.version" => self.short(text, "version-"),
            _ if text.starts_with("apr-") => self.short(text, "approval-"),
            _ if text.starts_with("hmac:") => self.short(text, "hash-"),
            _ if text.starts_with("sha256:") => self.short(text, "digest-"),
            _ => text.clone(),
        }
    }
}

/// Every span below its parent, in order, with everything that is on it.
fn drawn(spans: &[Span]) -> String {
    let mut known = Known::default();
    for span in spans {
        known.short(&span.id.to_string(), "span-");
    }
    let mut text = String::new();
    let roots = spans
        .iter()
        .filter(|span| !spans.iter().any(|other| Some(other.id) == span.parent));
    for root in roots {
        below(root, spans, 0, &mut known, &mut text);
    }
    text
}

fn below(span: &Span, spans: &[Span], depth: usize, known: &mut Known, text: &mut String) {
    let rail = "  ".repeat(depth);
    let id = known.short(&span.id.to_string(), "span-");
    let ended = if span.end.is_some() { "" } else { " open" };
    let (kind, otel) = (span.kind.openinference(), span.otel);
    let error = span.error.unwrap_or("-");
    writeln!(
        text,
        "{rail}{id} {} {kind} {otel:?} {error}{ended}",
        span.name
    )
    .unwrap();
    let mut attributes: Vec<_> = span.attributes.iter().collect();
    attributes.sort_by_key(|(name, _)| *name);
    for (name, value) in attributes {
        let value = known.value(name, value);
        writeln!(text, "{rail}  {name} = {value}").unwrap();
    }
    for event in &span.events {
        let about = event.attributes.iter();
        let about: Vec<String> = about
            .map(|(name, value)| format!("{name}={}", known.value(name, value)))
            .collect();
        writeln!(text, "{rail}  ! {} {}", event.name, about.join(" ")).unwrap();
    }
    for link in &span.links {
        let other = known.short(&link.span.to_string(), "span-");
        writeln!(text, "{rail}  -> {other}").unwrap();
    }
    for child in spans.iter().filter(|child| child.parent == Some(span.id)) {
        below(child, spans, depth + 1, known, text);
    }
}

#[tokio::test]
async fn a_run_is_one_tree_with_every_attribute() {
    let world = World::new("");
    let gate = world.open().await;
    let run = story::told(&world, &gate, "story").await;
    let spans = spans(&gate, run);
    assert!(spans.iter().all(|span| span.end.is_some()));
    insta::assert_snapshot!(drawn(&spans));
    gate.close().await;
}

#[tokio::test]
async fn a_call_from_the_callers_own_trace_hangs_below_the_callers_span() {
    let world = World::new("");
    let gate = world.open().await;
    let run = story::traced(&gate).await.run.unwrap();
    assert_eq!(run.to_string(), story::TRACE);
    insta::assert_snapshot!(drawn(&spans(&gate, run)));
    gate.close().await;
}
