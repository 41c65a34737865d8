//! Room in the store.

use super::*;

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
