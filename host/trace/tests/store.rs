//! The store as those who use it see it: what was acknowledged is there, and what was refused is said.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

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
    // Another sender's span of that id lies beside it, whoever came first.
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

    let sized = |n: u8, bytes: usize| NewSpan {
        body: json!({"attributes": {"x": "x".repeat(bytes)}}).to_string(),
        ..span(trace(1), n, "s")
    };
    let small = world(|options| options.trace_bytes = 1_000);
    let put = |spans| small.store.report(TENANT, by(SUPPORT, spans), NOW);
    let done = put(vec![sized(1, 600), sized(2, 600), sized(3, 10)]).await;
    let done = done.unwrap();
    assert_eq!(done.spans, 2);
    assert_eq!(
        done.refused_spans["this reporter has stored as many bytes of this trace as it may"],
        1
    );
    // What becomes smaller makes room, and what becomes larger finds none.
    assert_eq!(
        put(vec![sized(1, 900), sized(1, 100)]).await.unwrap().spans,
        2
    );
    assert_eq!(put(vec![sized(2, 600)]).await.unwrap().spans, 1);
    assert_eq!(put(vec![sized(3, 400)]).await.unwrap().spans, 0);
}

#[tokio::test]
async fn a_reporter_that_is_at_its_limit_leaves_room_for_others() {
    let small = world(|options| {
        options.trace_limit = 2;
        options.trace_bytes = 1_000;
    });
    let put = |reporter, spans| small.store.report(TENANT, by(reporter, spans), NOW);
    let many = (1..=4).map(|n| span(trace(1), n, "s")).collect();
    assert_eq!(put("Agent::\"greedy\"", many).await.unwrap().spans, 2);
    let large = NewSpan {
        body: json!({"attributes": {"x": "x".repeat(900)}}).to_string(),
        ..span(trace(1), 7, "s")
    };
    assert_eq!(put(SUPPORT, vec![large]).await.unwrap().spans, 1);
    // What a reporter has stored is known to other processes, too.
    let other = Store::open(small.options.clone()).unwrap();
    let more = by("Agent::\"greedy\"", vec![span(trace(1), 8, "s")]);
    assert_eq!(other.report(TENANT, more, NOW).await.unwrap().spans, 0);
}

#[tokio::test]
async fn nothing_is_remembered_that_another_process_has_changed() {
    let world = world(|_| {});
    let other = Store::open(world.options.clone()).unwrap();
    for (n, store) in [(1, &world.store), (2, &other), (3, &world.store)] {
        let spans = by(SUPPORT, vec![span(trace(1), n, "s")]);
        store.report(TENANT, spans, NOW).await.unwrap();
    }
    let row = other.reader().trace(TENANT, trace(1)).unwrap().unwrap();
    assert_eq!(row.reported, 3);
}

#[tokio::test]
async fn costs_that_no_longer_fit_are_still_summed() {
    let world = world(|_| {});
    let most = u64::try_from(i64::MAX).unwrap();
    let spans = (1..=3).map(|n| chat(trace(n), n, "gpt", 1, Some(most)));
    let put = world
        .store
        .report(TENANT, by(SUPPORT, spans.collect()), NOW);
    assert_eq!(put.await.unwrap().spans, 3);
    let (tokens, cost) = tokens(world.store.reader(), Scope::Tenant);
    assert_eq!((tokens, cost), (3, Some(9_000_000_000_000_000_000)));
}

#[tokio::test]
async fn what_is_told_counts_and_lasts_as_long_as_anything_reported() {
    let world = world(|_| {});
    let told = |text: String, at| SelfReport {
        topic: SelfReportTopic::Request,
        text,
        call: None,
        at,
    };
    for n in 0..3 {
        let all = (0..900).map(|m| told(format!("number {n} {m}"), NOW.plus(100)));
        world
            .store
            .add_self_reports(TENANT, trace(1), all.collect())
            .await
            .unwrap();
    }
    let reader = world.store.reader();
    // Its words are limited, however often more is told.
    let words = reader.words(TENANT, trace(1), Facet::Text).unwrap();
    assert_eq!(words.len(), 2_000);
    assert_eq!(world.store.forget(TENANT, NOW.plus(100)).await, Ok(0));
    assert_eq!(world.store.forget(TENANT, NOW.plus(101)).await, Ok(1));
    assert_eq!(reader.self_reports(TENANT, trace(1)).unwrap(), []);
    // What is too long is cut where it is kept.
    let long = told("x".repeat(10_000), NOW);
    world
        .store
        .add_self_reports(TENANT, trace(1), vec![long])
        .await
        .unwrap();
    assert!(reader.self_reports(TENANT, trace(1)).unwrap()[0].text.len() <= 4_096);
}

#[tokio::test]
async fn what_is_forgotten_is_not_in_the_file() {
    let world = world(|_| {});
    let said = |n: u8, words: &str| {
        let mut said = span(trace(n), 1, words);
        said.body = json!({"attributes": {"said": words}}).to_string();
        let resource = Attributes::from_iter([("host.name".to_owned(), json!(words))]);
        vec![Report {
            source: Source::new(SUPPORT, Source::written(&resource), &Attributes::new()),
            spans: vec![said],
            ..Report::default()
        }]
    };
    for (n, words, at) in [(1, "zanzibar", NOW), (2, "timbuktu", NOW.plus(100))] {
        world
            .store
            .report(TENANT, said(n, words), at)
            .await
            .unwrap();
        let told = SelfReport {
            topic: SelfReportTopic::Request,
            text: format!("to {words}"),
            call: None,
            at,
        };
        world
            .store
            .add_self_reports(TENANT, trace(n), vec![told])
            .await
            .unwrap();
    }
    // More than is deleted at once.
    let many = (0..12_000_u64).map(|n| NewSpan {
        span: SpanId::from_bytes((n + 1).to_be_bytes()),
        ..span(trace(3), 0, "zanzibar")
    });
    let many = by(SUPPORT, many.collect());
    world.store.report(TENANT, many, NOW).await.unwrap();
    assert_eq!(world.store.forget(TENANT, NOW.plus(50)).await, Ok(2));
    let reader = world.store.reader();
    let find = |text: &str| {
        let filter = TraceFilter {
            tenant: TENANT.into(),
            text: Some(text.into()),
            ..TraceFilter::default()
        };
        reader.find(&filter).unwrap().len()
    };
    assert_eq!((find("zanzibar"), find("timbuktu")), (0, 1));
    assert_eq!(reader.spans(TENANT, trace(2), None).unwrap().len(), 1);
    assert_eq!(reader.spans(TENANT, trace(3), None).unwrap(), []);
    // Neither there nor in its log.
    let read = |path: String| std::fs::read(path).unwrap_or_default();
    let path = world.options.path.display();
    let bytes = [read(path.to_string()), read(format!("{path}-wal"))].concat();
    let has = |words: &[u8]| bytes.windows(words.len()).any(|w| w == words);
    assert!(has(b"timbuktu") && !has(b"zanzibar"));
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
