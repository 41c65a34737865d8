//! The store as those who use it see it: what was acknowledged is there, and what was refused is said.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod annotations;
mod limits;
mod retention;

use serde_json::json;
use tempfile::TempDir;
use tollgate_model::{
    ids::{RunId, SpanId},
    time::Timestamp,
};
use tollgate_trace::{
    self_report::{SelfReport, SelfReportTopic},
    store::{
        Attributes, Facet, NewFeedback, NewLog, NewNote, NewSpan, Reader, Report, Scope, Source,
        SpanOrigin, Store, StoreError, StoreOptions, TraceFilter, Usage, total,
    },
};

const TENANT: &str = "acme";
const SUPPORT: &str = "Tollgate::Agent::\"support\"";
const NOW: Timestamp = Timestamp(1_795_249_800_000_000);

struct World {
    _dir: TempDir,
    options: StoreOptions,
    store: Store,
}

fn world(change: impl FnOnce(&mut StoreOptions)) -> World {
    let dir = tempfile::tempdir().unwrap();
    let mut options = StoreOptions::for_ledger(&dir.path().join("ledger.db"));
    change(&mut options);
    let store = Store::open(options.clone()).unwrap();
    World {
        _dir: dir,
        options,
        store,
    }
}

fn trace(n: u8) -> RunId {
    RunId::from_bytes([n; 16])
}

fn span(trace: RunId, n: u8, name: &str) -> NewSpan {
    NewSpan {
        trace,
        span: SpanId::from_bytes([n; 8]),
        parent: None,
        name: name.into(),
        kind: "internal",
        start: NOW,
        end: Some(NOW.plus(5)),
        error: None,
        model: None,
        usage: None,
        counts: false,
        conversation: None,
        facets: vec![(Facet::Name, name.into())],
        body: json!({"attributes": {"n": n}}).to_string(),
    }
}

fn chat(trace: RunId, n: u8, model: &str, tokens: u64, cost: Option<u64>) -> NewSpan {
    NewSpan {
        model: Some(model.into()),
        usage: Some(Usage {
            input_tokens: tokens,
            output_tokens: 1,
            cached_tokens: 0,
            cache_write_tokens: 0,
            cost_nano: cost,
        }),
        counts: true,
        conversation: Some("c-1".into()),
        ..span(trace, n, &format!("chat {model}"))
    }
}

fn by(reporter: &str, spans: Vec<NewSpan>) -> Vec<Report> {
    vec![Report {
        source: Source::new(
            reporter,
            Source::written(&Attributes::from_iter([(
                "service.name".to_owned(),
                json!("bot"),
            )])),
            &Attributes::new(),
        ),
        spans,
        logs: Vec::new(),
    }]
}

fn names(store: &Reader, trace: RunId) -> Vec<String> {
    let spans = store.spans(TENANT, trace, None).unwrap();
    spans.into_iter().map(|s| s.name).collect()
}

fn tokens(store: &Reader, scope: Scope) -> (u64, Option<u64>) {
    let sum = total(&store.usage(TENANT, &scope, None).unwrap());
    (sum.usage.input_tokens, sum.usage.cost_nano)
}

#[tokio::test]
async fn what_is_acknowledged_is_there_for_others_and_after_a_restart() {
    let world = world(|_| {});
    let put = world
        .store
        .report(TENANT, by(SUPPORT, vec![span(trace(1), 1, "a")]), NOW)
        .await
        .unwrap();
    assert_eq!(put.spans, 1);
    let other = Reader::open(&world.options.path).unwrap().unwrap();
    assert_eq!(names(&other, trace(1)), ["a"]);
    world.store.close().await;
    let again = Store::open(world.options.clone()).unwrap();
    let found = again.reader().spans(TENANT, trace(1), None).unwrap();
    assert_eq!(found[0].reporter, SUPPORT);
    assert_eq!(found[0].origin, SpanOrigin::Reported);
    assert_eq!(found[0].body.attributes["n"], 1);
    assert_eq!(found[0].resource["service.name"], "bot");
}

#[tokio::test]
async fn a_later_version_replaces_only_the_earlier_one_of_its_sender() {
    let world = world(|_| {});
    let report = |reporter, spans| world.store.report(TENANT, by(reporter, spans), NOW);
    report(SUPPORT, vec![chat(trace(1), 1, "old", 10, Some(7))])
        .await
        .unwrap();
    report(SUPPORT, vec![chat(trace(1), 1, "new", 30, None)])
        .await
        .unwrap();
    assert_eq!(names(world.store.reader(), trace(1)), ["chat new"]);
    assert_eq!(
        tokens(world.store.reader(), Scope::Run(trace(1))),
        (30, None)
    );
    // Another sender's span of that id is next to it, in any order.
    let mallory = "Tollgate::Agent::\"mallory\"";
    for (first, second) in [(SUPPORT, mallory), (mallory, SUPPORT)] {
        let trace = trace(if first == SUPPORT { 2 } else { 3 });
        for reporter in [first, second, second] {
            let put = report(reporter, vec![chat(trace, 1, reporter, 5, Some(1))])
                .await
                .unwrap();
            assert_eq!(put.spans, 1);
        }
        let spans = world.store.reader().spans(TENANT, trace, None).unwrap();
        for reporter in [SUPPORT, mallory] {
            let its = spans.iter().filter(|span| span.reporter == reporter);
            let names: Vec<_> = its.map(|span| span.name.clone()).collect();
            assert_eq!(names, [format!("chat {reporter}")]);
        }
        let all = tokens(world.store.reader(), Scope::Run(trace));
        assert_eq!(all, (10, Some(2)));
    }
    assert_eq!(names(world.store.reader(), trace(1)), ["chat new"]);
    // Another tenant's trace of the same id is another trace.
    world
        .store
        .report("other", by(SUPPORT, vec![span(trace(1), 1, "theirs")]), NOW)
        .await
        .unwrap();
    assert_eq!(names(world.store.reader(), trace(1)), ["chat new"]);
}

#[tokio::test]
async fn tokens_and_cost_roll_up() {
    let world = world(|_| {});
    let other = "Tollgate::Agent::\"other\"";
    let mut sum = chat(trace(1), 9, "gpt", 1_000, Some(1_000));
    sum.counts = false;
    let mine = vec![
        chat(trace(1), 1, "gpt", 10, Some(100)),
        chat(trace(1), 2, "llama", 5, None),
        chat(trace(2), 3, "gpt", 7, Some(70)),
        sum,
    ];
    world
        .store
        .report(TENANT, by(SUPPORT, mine), NOW)
        .await
        .unwrap();
    let theirs = vec![chat(trace(1), 4, "gpt", 2, Some(20))];
    world
        .store
        .report(TENANT, by(other, theirs), NOW)
        .await
        .unwrap();
    let reader = world.store.reader();
    assert_eq!(tokens(reader, Scope::Run(trace(1))), (17, Some(120)));
    assert_eq!(
        tokens(reader, Scope::RunOf(trace(1), SUPPORT.into())),
        (15, Some(100))
    );
    assert_eq!(
        tokens(reader, Scope::Conversation("c-1".into())),
        (24, Some(190))
    );
    assert_eq!(tokens(reader, Scope::Agent(other.into())), (2, Some(20)));
    assert_eq!(tokens(reader, Scope::Tenant), (24, Some(190)));
    let models = reader.usage(TENANT, &Scope::Run(trace(1)), None).unwrap();
    assert_eq!(models[0].model, "gpt");
    assert_eq!((models[1].calls, models[1].unpriced), (1, 1));
    assert_eq!(models[1].usage.cost_nano, None);
}

#[tokio::test]
async fn traces_are_found_by_what_they_have() {
    let world = world(|_| {});
    for n in 1..=3 {
        let mut with = span(trace(n), n, "refund the customer's order");
        with.start = NOW.plus(u64::from(n));
        with.facets.push((Facet::Tool, format!("tool{}", n % 2)));
        let with = by(SUPPORT, vec![with]);
        world.store.report(TENANT, with, NOW).await.unwrap();
    }
    let find = |change: &dyn Fn(&mut TraceFilter)| {
        let mut filter = TraceFilter {
            tenant: TENANT.into(),
            ..TraceFilter::default()
        };
        change(&mut filter);
        let found = world.store.reader().find(&filter).unwrap();
        found.into_iter().map(|t| t.trace).collect::<Vec<_>>()
    };
    assert_eq!(find(&|_| {}), [trace(3), trace(2), trace(1)]);
    let tool = |f: &mut TraceFilter| f.has = vec![(Facet::Tool, "tool1".into())];
    assert_eq!(find(&tool), [trace(3), trace(1)]);
    assert_eq!(
        find(&|f| {
            tool(f);
            f.until = Some(NOW.plus(3));
        }),
        [trace(1)]
    );
    assert_eq!(find(&|f| f.text = Some("CUSTOMER's".into())).len(), 3);
    assert_eq!(find(&|f| f.text = Some("\" OR \"".into())), []);
    assert_eq!(find(&|f| f.limit = Some(1)), [trace(3)]);
    assert_eq!(find(&|f| f.runs = true), []);
    assert_eq!(find(&|f| f.tenant = "other".into()), []);
}

#[tokio::test]
async fn a_log_that_is_sent_again_is_the_same_log() {
    let world = world(|_| {});
    let log = NewLog {
        trace: trace(1),
        span: Some(SpanId::from_bytes([1; 8])),
        time: NOW,
        severity: "INFO".into(),
        event: None,
        conversation: None,
        body: json!({"body": "hello", "attributes": {"a": 1}}).to_string(),
        digest: [1; 16],
    };
    for _ in 0..2 {
        let report = Report {
            logs: vec![log.clone()],
            ..Report::default()
        };
        world.store.report(TENANT, vec![report], NOW).await.unwrap();
    }
    let logs = world.store.reader().logs(TENANT, trace(1)).unwrap();
    assert_eq!(logs.len(), 1);
    assert_eq!(
        (&logs[0].body, &logs[0].attributes["a"]),
        (&json!("hello"), &json!(1))
    );
}

#[tokio::test]
async fn logs_are_read_by_time_and_a_full_trace_still_knows_its_own() {
    let world = world(|options| options.trace_limit = 3);
    let report = |n: u8| {
        let log = NewLog {
            trace: trace(1),
            span: None,
            time: NOW.plus(u64::from(10 - n)),
            severity: "INFO".into(),
            event: None,
            conversation: None,
            body: json!({"body": n}).to_string(),
            digest: [n; 16],
        };
        vec![Report {
            logs: vec![log],
            ..Report::default()
        }]
    };
    let mut refused = Vec::new();
    for n in [1, 2, 3, 4, 2] {
        let put = world.store.report(TENANT, report(n), NOW).await.unwrap();
        refused.push(put.refused_logs.values().sum::<u64>());
    }
    assert_eq!(refused, [0, 0, 0, 1, 0]);
    let logs = world.store.reader().logs(TENANT, trace(1)).unwrap();
    let bodies: Vec<_> = logs.into_iter().map(|log| log.body).collect();
    assert_eq!(bodies, [json!(3), json!(2), json!(1)]);
}

#[test]
fn another_programs_file_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions::for_ledger(&dir.path().join("ledger.db"));
    std::fs::write(
        &options.path,
        "not a database, and longer than a header of one".repeat(9),
    )
    .unwrap();
    assert!(matches!(
        Store::open(options.clone()),
        Err(StoreError::File { .. })
    ));
    assert!(Reader::open(&options.path).is_err());
    std::fs::remove_file(&options.path).unwrap();
    assert!(Reader::open(&options.path).unwrap().is_none());
}
