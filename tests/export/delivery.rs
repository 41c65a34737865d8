//! Spans are delivered at least once, for every failure of the collector.

use std::sync::Arc;
use tollgate::enforce::{ApprovalResponse, Vote};

use axum::http::StatusCode;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tollgate::gate::Gate;
use tollgate_server::{
    export::source_of_gate,
    metrics::{ExporterMetrics, Source as _},
};
use tollgate_testkit::{
    collector::{Behaviour, Collector, CollectorLog, attribute},
    world::{REFUND, World, call, pending, user},
};
use tollgate_trace::export::{Exporter, Step, state_file, status};

use crate::story;

pub(crate) fn world(collector: &Collector, more: &str) -> World {
    let world = World::new("");
    exporting(&world, collector, more);
    world
}

/// Have the world's gate export to a collector.
pub(crate) fn exporting(world: &World, collector: &Collector, more: &str) {
    let export = format!(
        "[secrets.key]\nfile = \"key\"\n[export.up]\nurl = \"{}\"\ntimeout = \"300ms\"\n{more}\n[gate]\n",
        collector.url
    );
    world.write("key", "collectors-own-key");
    world.configure("\n[gate]\n", &format!("\n{export}"));
}

pub(crate) async fn exporter(gate: &Gate) -> Exporter {
    let source = Arc::new(source_of_gate(gate));
    Exporter::new("up", source).await.unwrap()
}

/// Step until there is nothing left. Time passes where the exporter waits for it.
pub(crate) async fn drained(world: &World, gate: &Gate, exporter: &mut Exporter) {
    for _ in 0..2000 {
        match exporter.step(gate.now()).await.unwrap() {
            Step::Idle => return,
            Step::Later | Step::Failed => world.pass(60),
            Step::Sent => {}
        }
    }
    panic!("it never ends: {exporter:?}");
}

/// The spans of a run that has ended, as another exporter sends them to a collector that takes all.
async fn all(gate: &Gate) -> usize {
    let run = gate.ledger().reader().runs(&Default::default()).unwrap();
    let run = run.first().unwrap().id;
    reply_spans(gate, run)
}

fn reply_spans(gate: &Gate, run: tollgate_model::ids::RunId) -> usize {
    gate.ledger().reader().spans(run).unwrap().len()
}

/// The spans of a story: one root, and the kinds by which Phoenix shows them.
fn have_their_kinds(spans: &[Span]) {
    let roots: Vec<_> = spans
        .iter()
        .filter(|s| s.parent_span_id.is_empty())
        .collect();
    let [root] = roots[..] else {
        panic!("{roots:?}")
    };
    assert_eq!(root.name, "invoke_agent support");
    let on_root = |name| attribute(&root.attributes, name);
    assert_eq!(on_root("tollgate.run.outcome").unwrap(), "success");
    assert!(on_root("user.hash").unwrap().starts_with("hmac:"));
    let kinds = |kind: &str| {
        let has = |s: &&Span| {
            attribute(&s.attributes, "openinference.span.kind").as_deref() == Some(kind)
        };
        spans.iter().filter(has).count()
    };
    assert_eq!((kinds("AGENT"), kinds("TOOL")), (1, 6));
    assert!(kinds("GUARDRAIL") >= 8 && kinds("CHAIN") >= 5);
    for span in spans {
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
        let authorize = span.name.starts_with("authorize ");
        assert!(!(authorize && attribute(&span.attributes, "gen_ai.tool.name").is_some()));
        if authorize {
            assert!(attribute(&span.attributes, "tollgate.principal.hash").is_some());
        }
    }
}

#[tokio::test]
async fn every_span_of_a_run_arrives_once_with_no_payload_and_no_name() {
    let collector = Collector::start(Behaviour::Takes).await;
    let more = "headers = { \"x-key\" = { secret = \"key\" } }\nresource = { \"team\" = \"desk\" }";
    let world = world(&collector, more);
    let gate = world.open().await;
    story::told(&world, &gate, "story").await;
    let mut exporter = exporter(&gate).await;
    drained(&world, &gate, &mut exporter).await;

    let count = all(&gate).await;
    assert_eq!(collector.ids().len(), count);
    collector.seen(|seen| {
        assert_eq!(seen.spans.len(), count, "each once");
        let headers = seen.headers.as_ref().unwrap();
        assert_eq!(headers["x-key"], "collectors-own-key");
        let of = &seen.requests[0].resource_spans[0];
        let resource = &of.resource.as_ref().unwrap().attributes;
        let own = |name| attribute(resource, name).unwrap();
        assert_eq!(own("service.name"), "stories");
        assert_eq!(own("deployment.environment.name"), "test");
        assert_eq!(own("team"), "desk");
        assert_eq!(
            of.scope_spans[0].scope.as_ref().unwrap().name,
            "dev.tollgate"
        );

        have_their_kinds(&seen.spans);
        // No arguments, results or secrets are exported, and no name of a user or approver; the agent's is.
        let bytes: Vec<u8> = seen
            .requests
            .iter()
            .flat_map(|r| r.encode_to_vec())
            .collect();
        for never in [
            story::PLANTED,
            "dana",
            "alice",
            "collectors-own-key",
            "broken",
        ] {
            let found = bytes.windows(never.len()).any(|w| w == never.as_bytes());
            assert!(!found, "{never}");
        }
    });
    let (sent, rejected) = exporter.counts();
    assert_eq!((sent, rejected), (count as u64, 0));
    gate.close().await;
}

#[tokio::test]
async fn unacknowledged_spans_are_sent_again_after_every_failure() {
    for mood in [
        Behaviour::Hangs,
        Behaviour::Lies,
        Behaviour::Exaggerates,
        Behaviour::Answers(StatusCode::SERVICE_UNAVAILABLE),
        Behaviour::Answers(StatusCode::UNAUTHORIZED),
        Behaviour::Answers(StatusCode::NOT_FOUND),
        Behaviour::Answers(StatusCode::FOUND),
        Behaviour::Answers(StatusCode::NO_CONTENT),
        // One that refuses everything does not mean the spans.
        Behaviour::Answers(StatusCode::BAD_REQUEST),
        Behaviour::Answers(StatusCode::PAYLOAD_TOO_LARGE),
        Behaviour::Throttles,
    ] {
        let collector = Collector::start(mood).await;
        let world = world(&collector, "");
        let gate = world.open().await;
        story::told(&world, &gate, "story").await;
        let mut exporter = exporter(&gate).await;
        let mut failed = 0;
        for _ in 0..200 {
            match exporter.step(gate.now()).await.unwrap() {
                Step::Failed => failed += 1,
                Step::Later => world.pass(60),
                Step::Idle => panic!("{mood:?} was taken for an acknowledgement"),
                Step::Sent => {}
            }
            if failed == 2 {
                break;
            }
        }
        assert_eq!(failed, 2, "{mood:?}");
        assert!(exporter.failing().is_some());
        assert_eq!(exporter.counts(), (0, 0), "{mood:?}");
        let records = gate.ledger().size();
        let config = world.config();
        let known = status(&config.store.path, &config.exports, records).unwrap();
        assert!(known[0].failing.is_some() && known[0].lag > 0, "{known:?}");
        // It fails while calls go on.
        story::traced(&gate).await;
        collector.is(Behaviour::Takes);
        world.pass(60);
        drained(&world, &gate, &mut exporter).await;
        let runs = gate.ledger().reader().runs(&Default::default()).unwrap();
        let mut count: usize = runs.iter().map(|run| reply_spans(&gate, run.id)).sum();
        // The traced run's root is the caller's own.
        count -= 1;
        assert_eq!(collector.ids().len(), count, "{mood:?}");
        assert_eq!(exporter.failing(), None);
        gate.close().await;
    }
}

/// The spans that have arrived whose names begin so.
fn spans(collector: &Collector, name: &str) -> Vec<Span> {
    let found = |seen: &CollectorLog| {
        let named = seen.spans.iter().filter(|s| s.name.starts_with(name));
        named.cloned().collect()
    };
    collector.seen(found)
}

#[tokio::test]
async fn an_exporter_that_is_started_again_goes_on_where_it_was() {
    let collector = Collector::start(Behaviour::Takes).await;
    let world = world(&collector, "");
    let gate = world.open().await;
    let first = story::traced(&gate).await;
    let mut one = exporter(&gate).await;
    drained(&world, &gate, &mut one).await;
    let before = collector.ids().len();
    let position = one.position();
    assert_eq!(position, gate.ledger().size());
    drop(one);

    // A span that was open when the first exporter ended is whole in the second's.
    let waits = call(&gate, "r", "payments__refund", REFUND).await;
    let mut two = exporter(&gate).await;
    drained(&world, &gate, &mut two).await;
    let approvals = || spans(&collector, "approval payments__refund");
    assert!(approvals().is_empty(), "it is exported when it is resolved");
    drop(two);
    let rejection = ApprovalResponse::new(Vote::Reject, "cli");
    gate.answer(&user("dana"), pending(&waits), rejection)
        .await
        .unwrap();
    let mut three = exporter(&gate).await;
    drained(&world, &gate, &mut three).await;
    let found = approvals();
    let [approval] = &found[..] else {
        panic!("{found:?}")
    };
    let on = |name| attribute(&approval.attributes, name).unwrap();
    assert_eq!(on("tollgate.approval.status"), "rejected");
    assert_eq!(on("tollgate.approval.channel"), "cli");
    assert!(on("tollgate.approval.approver.hash").starts_with("hmac:"));
    let events: Vec<&str> = approval.events.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(
        events,
        ["tollgate.approval.requested", "tollgate.approval.resolved"]
    );
    assert!(collector.ids().len() > before && first.run.is_some());

    // The run is idle and no client ends it: the gate ends it, and then exports its root.
    let root = || spans(&collector, "invoke_agent").len();
    assert_eq!(root(), 0);
    world.pass(4000);
    drained(&world, &gate, &mut three).await;
    assert_eq!(root(), 1);
    world.pass(4000);
    drained(&world, &gate, &mut three).await;
    assert_eq!(root(), 1, "once");
    gate.close().await;
}

#[tokio::test]
async fn a_span_that_is_refused_holds_up_no_other() {
    for (mood, refused) in [
        (Behaviour::RefusesTrap, 2),
        (Behaviour::RefusesTrapAndNothing, 2),
        (Behaviour::TakesFew(3), 0),
        (Behaviour::RejectsOne, 1),
    ] {
        let collector = Collector::start(mood).await;
        let world = world(&collector, "");
        let gate = world.open().await;
        story::told(&world, &gate, "story").await;
        let mut exporter = exporter(&gate).await;
        drained(&world, &gate, &mut exporter).await;
        let count = all(&gate).await as u64;
        assert_eq!(exporter.counts(), (count - refused, refused), "{mood:?}");
        assert_eq!(exporter.position(), gate.ledger().size());
        gate.close().await;
    }
}

#[tokio::test]
async fn a_page_of_which_nothing_is_taken_holds_up_none_after_it() {
    let collector = Collector::start(Behaviour::RefusesSpans).await;
    let world = world(&collector, "batch = 4");
    let gate = world.open().await;
    story::told(&world, &gate, "story").await;
    let mut exporter = exporter(&gate).await;
    drained(&world, &gate, &mut exporter).await;
    let count = all(&gate).await as u64;
    assert!(count > 16, "{count}");
    assert_eq!(exporter.counts(), (0, count));
    assert_eq!(
        (exporter.failing(), exporter.position()),
        (None, gate.ledger().size())
    );
    collector.is(Behaviour::Takes);
    story::traced(&gate).await;
    drained(&world, &gate, &mut exporter).await;
    assert!(!collector.ids().is_empty());
    gate.close().await;
}

#[tokio::test]
async fn a_collector_that_begins_to_refuse_everything_loses_nothing() {
    let collector = Collector::start(Behaviour::Takes).await;
    let world = world(&collector, "batch = 4");
    let gate = world.open().await;
    story::told(&world, &gate, "story").await;
    let mut exporter = exporter(&gate).await;
    assert_eq!(exporter.step(gate.now()).await.unwrap(), Step::Sent);
    assert_eq!(collector.ids().len(), 4, "some of the page");
    collector.is(Behaviour::Answers(StatusCode::BAD_REQUEST));
    let mut failed = 0;
    while failed < 20 {
        match exporter.step(gate.now()).await.unwrap() {
            Step::Failed => failed += 1,
            Step::Later => world.pass(60),
            Step::Sent | Step::Idle => {}
        }
    }
    collector.is(Behaviour::Takes);
    drained(&world, &gate, &mut exporter).await;
    let count = all(&gate).await;
    assert_eq!(collector.ids().len(), count);
    assert_eq!(exporter.counts(), (count as u64, 0));
    gate.close().await;
}

/// Rename a table of the exporters' state.
fn rename(world: &World, from: &str, to: &str) {
    let path = state_file(&world.config().store.path);
    let state = rusqlite::Connection::open(path).unwrap();
    let sql = format!("ALTER TABLE {from} RENAME TO {to}");
    state.execute_batch(&sql).unwrap();
}

#[tokio::test]
async fn a_disk_that_fails_for_a_moment_loses_no_span() {
    let collector = Collector::start(Behaviour::Takes).await;
    let world = world(&collector, "");
    let gate = world.open().await;
    story::told(&world, &gate, "story").await;
    let mut exporter = exporter(&gate).await;
    // The page is read, and then what it is for cannot be.
    rename(&world, "roots", "away");
    assert!(exporter.step(gate.now()).await.is_err());
    assert!(exporter.step(gate.now()).await.is_err());
    rename(&world, "away", "roots");
    // The page is acknowledged, and that cannot be written.
    rename(&world, "exporters", "away");
    for _ in 0..3 {
        assert!(exporter.step(gate.now()).await.is_err());
    }
    assert_eq!(exporter.position(), 0, "nothing has moved");
    rename(&world, "away", "exporters");
    drained(&world, &gate, &mut exporter).await;
    let count = all(&gate).await;
    assert_eq!(collector.ids().len(), count);
    collector.seen(|seen| assert_eq!(seen.spans.len(), count, "each once"));
    assert_eq!(exporter.position(), gate.ledger().size());
    assert_eq!(exporter.counts(), (count as u64, 0));
    gate.close().await;
}

#[tokio::test]
async fn the_root_of_an_idle_run_is_sent_while_others_go_on() {
    let collector = Collector::start(Behaviour::Takes).await;
    let world = world(&collector, "");
    let gate = world.open().await;
    let letter = r#"{"path":"letter.txt"}"#;
    let idle = call(&gate, "idle", "files__read", letter).await;
    let mut exporter = exporter(&gate).await;
    drained(&world, &gate, &mut exporter).await;
    world.pass(4000);
    for _ in 0..6 {
        call(&gate, "busy", "files__read", letter).await;
        assert_eq!(exporter.step(gate.now()).await.unwrap(), Step::Sent);
    }
    collector.seen(|seen| {
        let root = |s: &&Span| s.name == "invoke_agent support";
        let roots: Vec<_> = seen.spans.iter().filter(root).collect();
        let [root] = roots[..] else {
            panic!("{roots:?}")
        };
        assert_eq!(root.trace_id, idle.run.unwrap().as_bytes());
    });
    gate.close().await;
}

#[tokio::test]
async fn the_root_of_a_run_that_was_idle_before_is_sent_at_the_end_of_the_first_reading() {
    let collector = Collector::start(Behaviour::Takes).await;
    let world = world(&collector, "");
    let gate = world.open().await;
    let letter = r#"{"path":"letter.txt"}"#;
    call(&gate, "idle", "files__read", letter).await;
    world.pass(4000);
    let mut exporter = exporter(&gate).await;
    drained(&world, &gate, &mut exporter).await;
    assert_eq!(collector.ids().len(), all(&gate).await, "the root, too");
    gate.close().await;
}

#[tokio::test]
async fn metrics_say_how_far_behind_an_exporter_is() {
    let collector = Collector::start(Behaviour::Takes).await;
    let world = world(&collector, "");
    let gate = world.open().await;
    story::told(&world, &gate, "story").await;
    let now = |name: &str| {
        let samples = ExporterMetrics::of(&gate).samples();
        let of = |s: &&tollgate_server::metrics::Sample| {
            s.name == name && s.labels == [("exporter", "up".to_owned())]
        };
        samples.iter().find(of).unwrap().value
    };
    assert_eq!(now("export_lag_records"), gate.ledger().size() as f64);
    assert_eq!(now("exported_spans"), 0.0);
    let mut exporter = exporter(&gate).await;
    drained(&world, &gate, &mut exporter).await;
    assert_eq!(
        (now("export_lag_records"), now("export_held_up")),
        (0.0, 0.0)
    );
    assert_eq!(now("exported_spans"), all(&gate).await as f64);
    gate.close().await;
}
