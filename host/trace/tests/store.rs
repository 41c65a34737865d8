//! The store as those who use it see it: what was acknowledged is there, and what was refused is said.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use serde_json::json;
use tempfile::TempDir;
use tollgate_core::{
    ids::{RunId, SpanId},
    time::Timestamp,
};
use tollgate_trace::store::{
    Attributes, Facet, NewFeedback, NewLog, NewNote, NewSpan, Reader, Report, Scope, Source,
    SpanOrigin, Store, StoreError, StoreOptions, TraceFilter, Usage, total,
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
    let mut options = StoreOptions::beside(&dir.path().join("ledger.db"));
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
            cost_nano: cost,
        }),
        counts: true,
        conversation: Some("c-1".into()),
        ..span(trace, n, &format!("chat {model}"))
    }
}

fn by(reporter: &str, spans: Vec<NewSpan>) -> Vec<Report> {
    vec![Report {
        source: Source {
            reporter: reporter.into(),
            resource: Attributes::from_iter([("service.name".to_owned(), json!("bot"))]),
            scope: Attributes::new(),
        },
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
async fn a_later_version_replaces_its_senders_earlier_one_and_nobody_elses() {
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
    let put = report("Tollgate::Agent::\"mallory\"", vec![span(trace(1), 1, "x")])
        .await
        .unwrap();
    assert_eq!(put.spans, 0);
    assert_eq!(
        put.refused_spans["another sender has reported this span"],
        1
    );
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
async fn a_trace_and_the_store_have_only_so_much_room() {
    let small = world(|options| options.trace_limit = 2);
    let spans = (1..=4).map(|n| span(trace(1), n, "s")).collect();
    let put = small.store.report(TENANT, by(SUPPORT, spans), NOW).await;
    let put = put.unwrap();
    assert_eq!((put.spans, put.refused_spans.values().sum::<u64>()), (2, 2));
    // What is there may still be completed.
    let late = by(SUPPORT, vec![span(trace(1), 1, "late")]);
    assert_eq!(
        small.store.report(TENANT, late, NOW).await.unwrap().spans,
        1
    );

    let full = world(|options| options.quota = 1);
    let spans = by(SUPPORT, vec![span(trace(1), 1, "s")]);
    assert_eq!(
        full.store.report(TENANT, spans, NOW).await,
        Err(StoreError::Full(1))
    );
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
        body: json!({"body": "hello", "attributes": {"a": 1}}).to_string(),
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
async fn people_say_what_they_think_of_runs() {
    let world = world(|_| {});
    let (store, reader) = (&world.store, world.store.reader());
    let note = NewNote {
        run: trace(1),
        span: None,
        label: "goal".into(),
        note: "to refund an order".into(),
        by: "ana".into(),
    };
    let written = store.note(TENANT, note.clone(), NOW).await.unwrap();
    assert_eq!(
        reader.notes(TENANT, trace(1)).unwrap(),
        std::slice::from_ref(&written)
    );
    assert_eq!(reader.notes("other", trace(1)).unwrap(), []);
    let bad = NewNote {
        label: "no label".into(),
        ..note
    };
    assert!(matches!(
        store.note(TENANT, bad, NOW).await,
        Err(StoreError::Invalid(_))
    ));
    store.remove_note(TENANT, written.id).await.unwrap();
    assert!(store.remove_note(TENANT, written.id).await.is_err());

    store
        .make_set(TENANT, "regressions", "", "ana", NOW)
        .await
        .unwrap();
    assert!(
        store
            .make_set(TENANT, "regressions", "", "ana", NOW)
            .await
            .is_err()
    );
    let runs = vec![trace(1), trace(2), trace(1)];
    let added = store.add_to_set(TENANT, "regressions", runs, "ana", NOW);
    assert_eq!(added.await.unwrap(), 2);
    store
        .take_from_set(TENANT, "regressions", trace(1))
        .await
        .unwrap();
    assert_eq!(reader.set_runs(TENANT, "regressions").unwrap(), [trace(2)]);
    assert_eq!(reader.sets(TENANT).unwrap()[0].runs, 1);
    assert!(reader.set_runs("other", "regressions").is_err());
    store.remove_set(TENANT, "regressions").await.unwrap();
    assert_eq!(reader.sets(TENANT).unwrap(), []);

    let feedback = NewFeedback {
        run: trace(1),
        span: None,
        kind: "edit_distance".into(),
        value: Some(0.25),
        label: None,
        comment: Some("half of it was rewritten".into()),
        by: "ana".into(),
    };
    let given = store
        .give_feedback(TENANT, feedback.clone(), NOW)
        .await
        .unwrap();
    assert_eq!(
        reader.feedback(TENANT, Some(trace(1)), None).unwrap(),
        [given]
    );
    assert_eq!(
        reader.feedback(TENANT, None, Some(NOW.plus(1))).unwrap(),
        []
    );
    let bad = NewFeedback {
        value: Some(f64::NAN),
        ..feedback
    };
    assert!(store.give_feedback(TENANT, bad, NOW).await.is_err());
}

#[test]
fn another_programs_file_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions::beside(&dir.path().join("ledger.db"));
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

#[tokio::test]
async fn what_is_too_old_is_forgotten() {
    let world = world(|_| {});
    for (n, at) in [(1, NOW), (2, NOW.plus(100))] {
        let spans = by(SUPPORT, vec![chat(trace(n), 1, "gpt", 10, Some(1))]);
        world.store.report(TENANT, spans, at).await.unwrap();
    }
    let forget = |tenant, before| world.store.forget(tenant, before);
    assert_eq!(forget("other", NOW.plus(1_000)).await, Ok(0));
    assert_eq!(forget(TENANT, NOW.plus(50)).await, Ok(1));
    let reader = world.store.reader();
    assert_eq!(reader.trace(TENANT, trace(1)).unwrap(), None);
    assert_eq!(names(reader, trace(1)), [""; 0]);
    assert_eq!(tokens(reader, Scope::Tenant), (10, Some(1)));
    // It may come again.
    let again = by(SUPPORT, vec![span(trace(1), 1, "again")]);
    world
        .store
        .report(TENANT, again, NOW.plus(200))
        .await
        .unwrap();
    assert_eq!(names(reader, trace(1)), ["again"]);
}
