//! Self-reports, notes, sets and feedback.

use super::*;

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
    // Its facets are limited, however many are reported.
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
async fn people_write_notes_about_runs() {
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
}

#[tokio::test]
async fn people_collect_runs_in_sets() {
    let world = world(|_| {});
    let (store, reader) = (&world.store, world.store.reader());
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
}

#[tokio::test]
async fn people_give_feedback_on_runs() {
    let world = world(|_| {});
    let (store, reader) = (&world.store, world.store.reader());
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
