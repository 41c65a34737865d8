//! Committing: conditions, groups, counts.

use tollgate_core::record::{DecisionRecord, Effect};

use super::*;

#[test]
fn a_call_is_recorded_counted_and_traced() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, started) = script.run(Some("k"), &["private"]);
    let call = script.span();
    let start = script.start(run, call, None);
    let outcome = script.outcome(run, &start, Status::ToolError, &["untrusted"]);
    block_on(async {
        assert_eq!(ledger.commit(batch(vec![started])).await, Ok(Receipt { first: 0 }));
        let state = ledger.run_state(run, None).unwrap().unwrap();
        assert_eq!((state.version, state.labels), (1, labels(&["private"])));
        let records = vec![script.decide(run, call, Outcome::Allow, "a"), start];
        let open = on(records, vec![Condition::RunVersion(run, 1)]);
        assert_eq!(ledger.commit(open).await, Ok(Receipt { first: 1 }));
        assert_eq!(ledger.commit(batch(vec![outcome])).await, Ok(Receipt { first: 3 }));
    });
    let state = ledger.run_state(run, Some(&arguments("a"))).unwrap().unwrap();
    assert_eq!((state.calls, state.errors, state.denials, state.version), (1, 1, 0, 3));
    assert_eq!(state.labels, labels(&["private", "untrusted"]));
    assert_eq!(state.tools, labels(&["tickets__read"]));
    assert_eq!(state.repeats.get(&arguments("a")), Some(&1));
    assert_eq!(ledger.run_state(run, Some(&arguments("b"))).unwrap().unwrap().repeats.len(), 0);

    let reader = ledger.reader();
    let records = reader.records_of_run(run).unwrap();
    assert_eq!(records.iter().map(|(i, _)| *i).collect::<Vec<_>>(), [0, 1, 2, 3]);
    let spans = reader.spans(run).unwrap();
    let shape: Vec<_> = spans.iter().map(|s| (s.kind.as_str(), s.opened, s.closed, s.error.as_deref())).collect();
    assert_eq!(
        shape,
        [
            ("invoke_agent", 0, None, None),
            ("execute_tool", 1, Some(3), Some("tool_error")),
            ("authorize", 1, Some(1), None),
            ("invoke_component", 2, Some(3), Some("tool_error")),
        ]
    );
    assert_eq!(spans[1].parent, Some(spans[0].span));
    assert_eq!(spans[3].parent, Some(call));
    let row = reader.run(&run.to_string()).unwrap();
    assert_eq!((row.calls, row.pending, row.root), (1, 0, spans[0].span));
    assert_eq!(reader.run_by_key(TENANT, &agent(), "k").unwrap().map(|r| r.id), Some(run));
    let verified = reader.verify(None, |_| {}).unwrap();
    assert_eq!(verified.size, 4);
}

#[test]
fn a_stale_version_an_ended_run_and_an_unknown_one_are_told_apart() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, started) = script.run(None, &[]);
    let open = |version| {
        let call = script.span();
        let records = vec![script.decide(run, call, Outcome::Allow, "a"), script.start(run, call, None)];
        on(records, vec![Condition::RunVersion(run, version)])
    };
    block_on(async {
        assert_eq!(ledger.commit(open(0)).await, Err(CommitError::RunChanged), "no such run yet");
        ledger.commit(batch(vec![started.clone()])).await.unwrap();
        ledger.commit(open(0)).await.unwrap();
        assert_eq!(ledger.commit(open(0)).await, Err(CommitError::RunChanged));
        assert_eq!(ledger.commit(batch(vec![started])).await, Err(CommitError::RunChanged));
        ledger.commit(batch(vec![script.end(run)])).await.unwrap();
        assert_eq!(ledger.commit(open(1)).await, Err(CommitError::RunEnded));
        assert_eq!(ledger.commit(batch(vec![script.end(run)])).await, Err(CommitError::RunEnded));
        let unknown = batch(vec![script.end(RunId::from_bytes([9; 16]))]);
        assert!(matches!(ledger.commit(unknown).await, Err(CommitError::Illegal(_))));
    });
    assert_eq!(ledger.size(), 4, "what was refused left nothing");
    assert!(ledger.run(run, None).unwrap().unwrap().ended);
}

/// Many batches at once, each third bad: the good ones go in whatever group they meet.
#[test]
fn a_bad_batch_does_not_take_its_neighbours_along() {
    let place = Place::new();
    let (ledger, script) = (place.open(), std::sync::Arc::new(Script::new()));
    let (results, runs) = block_on(async {
        let mut tasks = Vec::new();
        let mut runs = Vec::new();
        for n in 0..90 {
            let (run, started) = script.run(None, &[]);
            let call = script.span();
            let mut records = vec![started, script.decide(run, call, Outcome::Allow, "a")];
            match n % 9 {
                // An approval that does not exist, after rows of the batch were written.
                0 => records.push(script.answer(run, ApprovalId::from_bytes([9; 8]), "bob", true, true)),
                // The call starts twice.
                3 => records.extend([script.start(run, call, None), script.start(run, call, None)]),
                // A rule of the tables: everything has no name.
                6 => records.push(script.halt(HaltScope::All, "name", false)),
                _ => records.push(script.start(run, call, None)),
            }
            runs.push((n, run));
            let ledger = ledger.clone();
            tasks.push(tokio::spawn(async move { ledger.commit(batch(records)).await }));
        }
        let mut results = Vec::new();
        for task in tasks {
            results.push(task.await.unwrap());
        }
        (results, runs)
    });
    for ((n, run), result) in runs.iter().zip(&results) {
        assert_eq!(result.is_ok(), n % 3 != 0, "{n}: {result:?}");
        assert_eq!(ledger.run_state(*run, None).unwrap().is_some(), n % 3 != 0);
        let illegal = matches!(result, Err(CommitError::Illegal(_)));
        assert!(result.is_ok() || illegal, "{n}: {result:?}");
    }
    assert_eq!(ledger.size(), 60 * 3);
    assert_eq!(ledger.reader().verify(None, |_| {}).unwrap().size, 180);
    assert!(ledger.reader().halts().unwrap().is_empty());
}

#[test]
fn each_index_is_given_once_and_a_receipt_names_it() {
    let place = Place::new();
    let (ledger, script) = (place.open(), std::sync::Arc::new(Script::new()));
    let firsts = block_on(async {
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                let (ledger, (run, started)) = (ledger.clone(), script.run(None, &[]));
                tokio::spawn(async move { (ledger.commit(batch(vec![started])).await.unwrap().first, run) })
            })
            .collect();
        let mut firsts = Vec::new();
        for task in tasks {
            firsts.push(task.await.unwrap());
        }
        firsts
    });
    for (first, run) in &firsts {
        assert_eq!(ledger.reader().record(*first).unwrap().unwrap().run, Some(*run));
    }
    let indices: BTreeSet<u64> = firsts.iter().map(|(first, _)| *first).collect();
    assert_eq!(indices, (0..200).collect());
}

/// 64 callers with a budget of ten calls: each reads the count, decides, and commits if it still holds.
#[test]
fn a_budget_holds_however_many_callers_race() {
    let place = Place::new();
    let (ledger, script) = (place.open(), std::sync::Arc::new(Script::new()));
    let (run, started) = script.run(None, &[]);
    let allowed = block_on(async {
        ledger.commit(batch(vec![started])).await.unwrap();
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                let (ledger, script) = (ledger.clone(), std::sync::Arc::clone(&script));
                tokio::spawn(async move {
                    loop {
                        let state = ledger.run_state(run, None).unwrap().unwrap();
                        if state.calls >= 10 {
                            return false;
                        }
                        let call = script.span();
                        let records =
                            vec![script.decide(run, call, Outcome::Allow, "a"), script.start(run, call, None)];
                        match ledger.commit(on(records, vec![Condition::RunVersion(run, state.version)])).await {
                            Ok(_) => return true,
                            Err(CommitError::RunChanged) => {}
                            Err(e) => panic!("{e}"),
                        }
                    }
                })
            })
            .collect();
        let mut allowed = 0;
        for task in tasks {
            allowed += usize::from(task.await.unwrap());
        }
        allowed
    });
    assert_eq!(allowed, 10);
    let state = ledger.run_state(run, Some(&arguments("a"))).unwrap().unwrap();
    assert_eq!((state.calls, state.repeats.get(&arguments("a"))), (10, Some(&10)));
}

#[test]
fn a_call_has_one_life() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, started) = script.run(None, &[]);
    let call = script.span();
    let start = script.start(run, call, None);
    let outcome = || batch(vec![script.outcome(run, &start, Status::Ok, &[])]);
    let again = || {
        let records = vec![script.decide(run, call, Outcome::Allow, "a"), script.start(run, call, None)];
        batch(records)
    };
    block_on(async {
        ledger.commit(batch(vec![started])).await.unwrap();
        assert!(ledger.commit(outcome()).await.is_err(), "an outcome of what has not started");
        ledger
            .commit(batch(vec![script.decide(run, call, Outcome::Allow, "a"), start.clone()]))
            .await
            .unwrap();
        assert!(ledger.commit(again()).await.is_err(), "it runs already");
        ledger.commit(outcome()).await.unwrap();
        assert!(ledger.commit(outcome()).await.is_err(), "it has an outcome already");
        assert!(ledger.commit(again()).await.is_err(), "it has run");
        let resumed = vec![script.resume(run, call, Outcome::Allow, "a"), script.start(run, call, None)];
        assert!(ledger.commit(batch(resumed)).await.is_err(), "it has run");
        let denied = script.span();
        ledger.commit(batch(vec![script.decide(run, denied, Outcome::Deny, "b")])).await.unwrap();
        let late = script.start(run, denied, None);
        assert!(ledger.commit(batch(vec![late])).await.is_err(), "it was denied");
    });
}

#[test]
fn a_halt_stops_what_it_names_and_nothing_else() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let keys = HaltKeys {
        agent: "support".into(),
        component: Some("tickets".into()),
        tenant: TENANT.into(),
        tool: Some("tickets__read".into()),
    };
    block_on(async {
        for (scope, name) in [
            (HaltScope::Agent, "support"),
            (HaltScope::Component, "tickets"),
            (HaltScope::Tenant, TENANT),
            (HaltScope::Tool, "tickets__read"),
            (HaltScope::All, ""),
        ] {
            let try_start = || {
                let (_, started) = script.run(None, &[]);
                ledger.commit(on(vec![started], vec![Condition::NotHalted(keys.clone())]))
            };
            try_start().await.unwrap();
            ledger.commit(batch(vec![script.halt(scope, name, false)])).await.unwrap();
            let refused = try_start().await;
            assert!(matches!(&refused, Err(CommitError::Halted { reason, .. }) if reason == "it misbehaves"));
            assert!(ledger.is_halted(&keys));
            ledger.commit(batch(vec![script.halt(scope, name, true)])).await.unwrap();
            assert!(!ledger.is_halted(&keys));
        }
        ledger.commit(batch(vec![script.halt(HaltScope::Tool, "other", false)])).await.unwrap();
        let (_, started) = script.run(None, &[]);
        ledger.commit(on(vec![started], vec![Condition::NotHalted(keys.clone())])).await.unwrap();
    });
    drop(ledger);
    let ledger = place.open();
    let other = HaltKeys { agent: String::new(), component: None, tenant: String::new(), tool: Some("other".into()) };
    assert!(ledger.is_halted(&other), "a halt outlives the process");
}

#[test]
fn one_open_run_for_a_name() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let ((first, started), (_, rival), (third, again)) =
        (script.run(Some("k"), &[]), script.run(Some("k"), &[]), script.run(Some("k"), &[]));
    let (ambient, unnamed) = script.run(None, &[]);
    let named = |ledger: &Ledger| ledger.open_run(TENANT, &agent(), Some("k"), T0).unwrap().map(|r| r.id);
    block_on(async {
        assert_eq!(named(&ledger), None);
        ledger.commit(batch(vec![started])).await.unwrap();
        assert_eq!(ledger.commit(batch(vec![rival])).await, Err(CommitError::RunChanged));
        assert_eq!(named(&ledger), Some(first));
        ledger.commit(batch(vec![script.end(first)])).await.unwrap();
        assert_eq!(named(&ledger), None);
        ledger.commit(batch(vec![again])).await.unwrap();
        assert_eq!(named(&ledger), Some(third));
        ledger.commit(batch(vec![unnamed])).await.unwrap();
    });
    let unnamed = |ledger: &Ledger, after| ledger.open_run(TENANT, &agent(), None, after).unwrap().map(|r| r.id);
    let other = ledger.open_run(TENANT, &Uid::new(Kind::Agent, "other"), Some("k"), T0).unwrap();
    assert_eq!(other, None, "nobody joins another's run");
    for ledger in [ledger, { place_reopened(&place) }] {
        assert_eq!(named(&ledger), Some(third));
        assert_eq!(unnamed(&ledger, T0), Some(ambient));
        assert_eq!(unnamed(&ledger, T0.plus(HOUR)), None, "it was idle too long");
        drop(ledger);
    }
}

fn place_reopened(place: &Place) -> Ledger {
    // The first owner still lives: what a reader sees is enough here.
    let copy = Place::new();
    std::fs::create_dir_all(copy.path().parent().unwrap()).unwrap();
    std::fs::create_dir_all(copy.dir.path().join("keys")).unwrap();
    std::fs::copy(place.dir.path().join("keys/ledger.key"), copy.dir.path().join("keys/ledger.key")).unwrap();
    for suffix in ["", "-wal"] {
        let name = |p: &Place| open::beside(&p.path(), suffix);
        std::fs::copy(name(place), name(&copy)).unwrap();
    }
    copy.open()
}

#[test]
fn what_a_run_held_is_inherited_for_a_while() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, started) = script.run(None, &[]);
    let call = script.span();
    let start = script.start(run, call, None);
    let held = |ledger: &Ledger, at| ledger.labels_held(TENANT, &agent(), at).unwrap();
    block_on(async {
        ledger.commit(batch(vec![started, script.decide(run, call, Outcome::Allow, "a"), start.clone()])).await.unwrap();
        assert_eq!(held(&ledger, T0), labels(&[]));
        ledger.commit(batch(vec![script.outcome(run, &start, Status::Ok, &["private"])])).await.unwrap();
        assert_eq!(held(&ledger, T0.plus(HOUR / 2)), labels(&["private"]));
        assert_eq!(held(&ledger, T0.plus(HOUR + 120_000_000)), labels(&[]), "the window is over");
        // The run goes on, and still holds what it has read.
        let later = Record { time: T0.plus(2 * HOUR), ..script.decide(run, script.span(), Outcome::Deny, "b") };
        ledger.commit(batch(vec![later])).await.unwrap();
        assert_eq!(held(&ledger, T0.plus(2 * HOUR + HOUR / 2)), labels(&["private"]));
    });
    let other = ledger.labels_held(TENANT, &Uid::new(Kind::Agent, "other"), T0).unwrap();
    assert_eq!(other, labels(&[]));
    assert_eq!(ledger.labels_held("other", &agent(), T0).unwrap(), labels(&[]));
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
            marks: labels(marks),
            ..script.decision(run, script.span(), outcome, "a")
        };
        batch(vec![script.record(Some(run), Event::Decision(Box::new(decision)))])
    };
    let labels_of = |file: &str| ledger.reader().file_labels(file).unwrap();
    block_on(async {
        ledger.commit(batch(vec![started])).await.unwrap();
        ledger.commit(write(Outcome::Deny, &["secret"])).await.unwrap();
        assert_eq!(labels_of("tickets/book:/a.txt"), labels(&[]), "nothing was written");
        ledger.commit(write(Outcome::Allow, &["private"])).await.unwrap();
        ledger.commit(write(Outcome::Allow, &["untrusted"])).await.unwrap();
    });
    assert_eq!(labels_of("tickets/book:/a.txt"), labels(&["private", "untrusted"]));
    assert_eq!(labels_of("tickets/book:/b.txt"), labels(&[]));
}

#[test]
fn memory_is_bounded_however_many_runs_and_calls() {
    let place = Place::new();
    let ledger = Ledger::open(LedgerOptions { cached_runs: 16, sync: Sync::Off, ..place.options() }, T0).unwrap();
    let script = Script::new();
    let (busy, started) = script.run(Some("busy"), &[]);
    block_on(async {
        ledger.commit(batch(vec![started])).await.unwrap();
        for n in 0..300 {
            let (_, started) = script.run(Some(&n.to_string()), &[]);
            let call = script.decide(busy, script.span(), Outcome::Deny, &n.to_string());
            ledger.commit(batch(vec![started, call])).await.unwrap();
        }
    });
    let (runs, names) = ledger.cached();
    assert!(runs <= 32 && names <= 32, "{runs} runs, {names} names");
    for n in 0..300 {
        let args = arguments(&n.to_string());
        let state = ledger.run_state(busy, Some(&args)).unwrap().unwrap();
        assert_eq!((state.calls, state.repeats.len(), state.repeats.get(&args)), (300, 1, Some(&1)));
        assert!(ledger.open_run(TENANT, &agent(), Some(&n.to_string()), T0).unwrap().is_some());
    }
}

#[test]
fn times_never_go_back() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let late = T0.plus(24 * HOUR);
    assert_eq!(ledger.now(T0.plus(5)), T0.plus(5));
    assert_eq!(ledger.now(T0), T0.plus(5));
    let (_, started) = script.run(None, &[]);
    block_on(ledger.commit(batch(vec![Record { time: late, ..started }]))).unwrap();
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
            error: None,
            micros: 3,
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
            ledger.commit(batch(vec![effect(one), script.halt(HaltScope::Tool, "x", false), effect(two)])).await.unwrap();
            ledger.commit(batch(vec![effect(two)])).await.unwrap();
        }
    });
    let indices = |run| ledger.reader().records_of_run(run).unwrap().into_iter().map(|(i, _)| i).collect::<Vec<_>>();
    assert_eq!(indices(one), [0, 2, 6, 10, 14, 18]);
    assert_eq!(indices(two).len(), 11);
    assert_eq!(ledger.reader().records_of_run(RunId::from_bytes([9; 16])).unwrap(), []);
}

#[test]
fn a_record_too_large_for_a_log_is_refused() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let huge = "x".repeat(70_000);
    let (_, started) = script.run(Some(&huge), &[]);
    assert!(matches!(block_on(ledger.commit(batch(vec![started]))), Err(CommitError::Illegal(_))));
}

#[test]
fn commits_after_the_end_are_refused_and_before_it_are_kept() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    block_on(async {
        let (_, started) = script.run(None, &[]);
        ledger.commit(batch(vec![started.clone()])).await.unwrap();
        ledger.close().await;
        ledger.close().await;
        assert_eq!(ledger.commit(batch(vec![started])).await, Err(CommitError::Closed));
    });
    let reopened = place.open();
    assert_eq!(reopened.size(), 1);
}
