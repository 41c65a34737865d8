//! Runs: names, labels, and what is remembered of them.

use tollgate_model::record::{DecisionRecord, Effect};

use super::*;

#[test]
fn what_a_run_held_is_inherited_for_a_while() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, started) = script.run(None, &[]);
    let call = script.span();
    let start = script.start(run, call, None);
    let held = |ledger: &Ledger, at: Timestamp| {
        let since = Timestamp(at.0 - HOUR as i64);
        ledger.labels_held(TENANT, &agent(), since).unwrap()
    };
    block_on(async {
        ledger
            .commit(batch(vec![
                started,
                script.decide(run, call, Outcome::Allow, "a"),
                start.clone(),
            ]))
            .await
            .unwrap();
        assert_eq!(held(&ledger, T0), labels(&[]));
        ledger
            .commit(batch(vec![script.outcome(
                run,
                &start,
                Status::Ok,
                &["private"],
            )]))
            .await
            .unwrap();
        assert_eq!(held(&ledger, T0.plus(HOUR / 2)), labels(&["private"]));
        assert_eq!(
            held(&ledger, T0.plus(HOUR + 120_000_000)),
            labels(&[]),
            "the window is over"
        );
        // The run continues, and still holds the labels that it has read.
        let later = Record {
            time: T0.plus(2 * HOUR),
            ..script.decide(run, script.span(), Outcome::Deny, "b")
        };
        ledger.commit(batch(vec![later])).await.unwrap();
        assert_eq!(
            held(&ledger, T0.plus(2 * HOUR + HOUR / 2)),
            labels(&["private"])
        );
    });
    let other = ledger
        .labels_held(TENANT, &Uid::new(Kind::Agent, "other"), T0)
        .unwrap();
    assert_eq!(other, labels(&[]));
    assert_eq!(
        ledger.labels_held("other", &agent(), T0).unwrap(),
        labels(&[])
    );
}

#[test]
fn what_is_written_keeps_the_labels_of_the_run() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, started) = script.run(None, &[]);
    let write = |outcome, marks: &[&str]| {
        let decision = DecisionRecord {
            action: Action::WriteFile,
            resource: Uid::new(Kind::File, "tickets/book:/a.txt"),
            propagated_labels: labels(marks),
            ..script.decision(run, script.span(), outcome, "a")
        };
        batch(vec![
            script.record(Some(run), Event::Decision(Box::new(decision))),
        ])
    };
    let labels_of = |file: &str| ledger.file_labels(file, None).unwrap();
    block_on(async {
        ledger.commit(batch(vec![started])).await.unwrap();
        ledger
            .commit(write(Outcome::Deny, &["secret"]))
            .await
            .unwrap();
        assert_eq!(
            labels_of("tickets/book:/a.txt"),
            labels(&[]),
            "nothing was written"
        );
        ledger
            .commit(write(Outcome::Allow, &["private"]))
            .await
            .unwrap();
        ledger
            .commit(write(Outcome::Allow, &["untrusted"]))
            .await
            .unwrap();
    });
    assert_eq!(
        labels_of("tickets/book:/a.txt"),
        labels(&["private", "untrusted"])
    );
    assert_eq!(labels_of("tickets/book:/b.txt"), labels(&[]));
    let other = ledger.file_labels("other", Some("tickets/book:/a.txt"));
    assert_eq!(other.unwrap(), labels(&["private", "untrusted"]));
    drop(ledger);
    let again = place.open().file_labels("tickets/book:/a.txt", None);
    assert_eq!(again.unwrap(), labels(&["private", "untrusted"]));
}

#[test]
fn times_never_go_back() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let late = T0.plus(24 * HOUR);
    assert_eq!(ledger.now(T0.plus(5)), T0.plus(5));
    assert_eq!(ledger.now(T0), T0.plus(5));
    let (_, started) = script.run(None, &[]);
    block_on(ledger.commit(batch(vec![Record {
        time: late,
        ..started
    }])))
    .unwrap();
    assert_eq!(ledger.now(T0), late);
    drop(ledger);
    assert_eq!(place.open().now(T0), late, "nor after a restart");
}

#[test]
fn every_record_of_a_run_is_found_and_no_other() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let ((one, a), (two, b)) = (script.run(None, &[]), script.run(None, &[]));
    let effect = |run| {
        let effect = Effect {
            call: script.span(),
            details: None,
            error: None,
            execution: None,
            duration_micros: 3,
            operation: "read_file".into(),
            parent: script.span(),
            size: 1,
            span: script.span(),
            target: "book:/a.txt".into(),
        };
        script.record(Some(run), Event::Effect(effect))
    };
    block_on(async {
        ledger.commit(batch(vec![a, b])).await.unwrap();
        for _ in 0..5 {
            ledger
                .commit(batch(vec![
                    effect(one),
                    script.halt(HaltScope::Tool, "x", false),
                    effect(two),
                ]))
                .await
                .unwrap();
            ledger.commit(batch(vec![effect(two)])).await.unwrap();
        }
    });
    let indices = |run| {
        ledger
            .reader()
            .records_of_run(run)
            .unwrap()
            .into_iter()
            .map(|(i, _)| i)
            .collect::<Vec<_>>()
    };
    assert_eq!(indices(one), [0, 2, 6, 10, 14, 18]);
    assert_eq!(indices(two).len(), 11);
    assert_eq!(
        ledger
            .reader()
            .records_of_run(RunId::from_bytes([9; 16]))
            .unwrap(),
        []
    );
}

#[test]
fn one_open_run_for_a_name() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let ((first, started), (_, rival), (third, again)) = (
        script.run(Some("k"), &[]),
        script.run(Some("k"), &[]),
        script.run(Some("k"), &[]),
    );
    let (ambient, unnamed) = script.run(None, &[]);
    let named = |ledger: &Ledger| {
        ledger
            .open_run(TENANT, &agent(), &alice(), Some("k"), T0)
            .unwrap()
            .map(|r| r.id)
    };
    block_on(async {
        assert_eq!(named(&ledger), None);
        ledger.commit(batch(vec![started])).await.unwrap();
        assert_eq!(
            ledger.commit(batch(vec![rival])).await,
            Err(CommitError::RunChanged)
        );
        assert_eq!(named(&ledger), Some(first));
        ledger.commit(batch(vec![script.end(first)])).await.unwrap();
        assert_eq!(named(&ledger), None);
        ledger.commit(batch(vec![again])).await.unwrap();
        assert_eq!(named(&ledger), Some(third));
        ledger.commit(batch(vec![unnamed])).await.unwrap();
    });
    let unnamed = |ledger: &Ledger, after| {
        ledger
            .open_run(TENANT, &agent(), &alice(), None, after)
            .unwrap()
            .map(|r| r.id)
    };
    let other = ledger
        .open_run(
            TENANT,
            &Uid::new(Kind::Agent, "other"),
            &alice(),
            Some("k"),
            T0,
        )
        .unwrap();
    assert_eq!(other, None, "no caller joins another's run");
    for ledger in [ledger, { place_reopened(&place) }] {
        assert_eq!(named(&ledger), Some(third));
        assert_eq!(unnamed(&ledger, T0), Some(ambient));
        assert_eq!(
            unnamed(&ledger, T0.plus(HOUR)),
            None,
            "it was idle too long"
        );
        drop(ledger);
    }
}

fn place_reopened(place: &Place) -> Ledger {
    // The first owner is still alive: the view of a reader is enough here.
    let copy = Place::new();
    std::fs::create_dir_all(copy.path().parent().unwrap()).unwrap();
    std::fs::create_dir_all(copy.dir.path().join("keys")).unwrap();
    std::fs::copy(
        place.dir.path().join("keys/ledger.key"),
        copy.dir.path().join("keys/ledger.key"),
    )
    .unwrap();
    for suffix in ["", "-wal"] {
        let name = |p: &Place| sqlite::sibling_path(&p.path(), suffix);
        std::fs::copy(name(place), name(&copy)).unwrap();
    }
    copy.open()
}

#[test]
fn a_label_that_joins_is_held_at_once() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, started) = script.run(None, &["private"]);
    let call = script.span();
    let start = script.start(run, call, None);
    let outcome = script.outcome(run, &start, Status::Ok, &["untrusted"]);
    block_on(async {
        ledger
            .commit(batch(vec![
                started,
                script.decide(run, call, Outcome::Allow, "a"),
                start,
            ]))
            .await
            .unwrap();
        ledger.commit(batch(vec![outcome])).await.unwrap();
    });
    let held = ledger.labels_held(TENANT, &agent(), T0).unwrap();
    assert_eq!(held, labels(&["private", "untrusted"]));
}

#[test]
fn what_is_denied_uses_up_no_window() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, started) = script.run(None, &[]);
    let window = Window {
        tenant: TENANT.into(),
        principal: agent(),
        since: T0,
    };
    let decide = |outcome, args| script.decide(run, script.span(), outcome, args);
    let mut exhausted = decide(Outcome::Deny, "c");
    if let Event::Decision(decision) = &mut exhausted.event {
        decision.determining = vec![guard("calls")];
    }
    block_on(async {
        ledger.commit(batch(vec![started])).await.unwrap();
        for (record, calls) in [
            (decide(Outcome::Allow, "a"), 1),
            (decide(Outcome::Deny, "b"), 1),
            (exhausted, 1),
            (decide(Outcome::Error, "d"), 1),
            (decide(Outcome::Escalate, "e"), 2),
        ] {
            ledger.commit(batch(vec![record])).await.unwrap();
            assert_eq!(ledger.reader().used(&window).unwrap().calls, calls);
        }
        ledger.rebuild().await.unwrap();
    });
    assert_eq!(ledger.reader().used(&window).unwrap().calls, 2);
    let row = ledger.reader().run(&run.to_string()).unwrap();
    assert_eq!((row.calls, row.denials), (5, 3), "the run counts them all");
}

#[test]
fn a_run_is_found_by_its_name_whosever_it_is() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (first, mut a) = script.run(Some("monday"), &[]);
    let (other, mut b) = script.run(Some("monday"), &[]);
    if let Event::RunStarted(started) = &mut b.event {
        started.principal = alice();
    }
    // They began at the same time, and runs without a name came after them.
    let (_, mut c) = script.run(None, &[]);
    for record in [&mut a, &mut b, &mut c] {
        record.time = T0;
    }
    block_on(ledger.commit(batch(vec![a, b, c]))).unwrap();
    let reader = ledger.reader();
    let found = reader.runs_named("monday").unwrap();
    let found: Vec<RunId> = found.iter().map(|run| run.id).collect();
    assert_eq!(found, [other, first], "of each owner, the newest first");
    assert_eq!(reader.runs_named("tuesday").unwrap(), []);
    let (again, mut d) = script.run(Some("monday"), &[]);
    d.time = T0;
    block_on(ledger.commit(batch(vec![script.end(first), d]))).unwrap();
    let found = reader.runs_named("monday").unwrap();
    let found: Vec<RunId> = found.iter().map(|run| run.id).collect();
    assert_eq!(found, [again, other], "of one owner, the latest");
    let conn = rusqlite::Connection::open(place.path()).unwrap();
    let plan = "EXPLAIN QUERY PLAN SELECT id FROM runs WHERE key = ?1 ORDER BY opened DESC LIMIT 1";
    let plan: String = conn.query_row(plan, ["monday"], |row| row.get(3)).unwrap();
    assert!(plan.contains("runs_by_name"), "{plan}");
}

#[test]
fn a_backlog_of_idle_named_runs_is_ended_bit_by_bit() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let named = |n: usize| script.run(Some(&format!("run-{n}")), &[]).1;
    let idle = IdleLimits {
        unnamed: HOUR,
        named: HOUR,
    };
    block_on(async {
        let records = (0..150).map(named).collect();
        ledger.commit(batch(records)).await.unwrap();
        for ended in [100, 50, 0] {
            let swept = ledger.sweep(T0.plus(9 * HOUR), idle).await.unwrap();
            assert_eq!(swept.abandoned.len(), ended);
        }
    });
}

#[test]
fn what_people_do_about_a_run_is_not_its_activity() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, started) = script.run(None, &[]);
    let looked = DecisionRecord {
        action: Action::ViewPayload,
        call: None,
        principal: alice(),
        resource: Uid::new(Kind::Run, run.to_string()),
        ..script.decision(run, script.span(), Outcome::Deny, "a")
    };
    let mut looked = script.record(Some(run), Event::Decision(Box::new(looked)));
    looked.time = T0.plus(HOUR);
    let begun = started.time;
    block_on(ledger.commit(batch(vec![started, looked]))).unwrap();
    let of = |run: RunId| ledger.reader().run(&run.to_string()).unwrap();
    assert_eq!(of(run).last, begun, "a look, even one that is refused");
    let mut called = script.decide(run, script.span(), Outcome::Deny, "a");
    called.time = T0.plus(2 * HOUR);
    block_on(ledger.commit(batch(vec![called]))).unwrap();
    assert_eq!(of(run).last, T0.plus(2 * HOUR), "a call, even a denied one");
}
