//! Committing: conditions, groups, counts.

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
        assert_eq!(first(ledger.commit(batch(vec![started])).await), Ok(0));
        let state = ledger.run_state(run, None).unwrap().unwrap();
        assert_eq!((state.version, state.labels), (1, labels(&["private"])));
        let records = vec![script.decide(run, call, Outcome::Allow, "a"), start];
        let open = on(records, vec![Condition::RunVersion(run, 1)]);
        assert_eq!(first(ledger.commit(open).await), Ok(1));
        assert_eq!(first(ledger.commit(batch(vec![outcome])).await), Ok(3));
    });
    let state = ledger
        .run_state(run, Some(&arguments("a")))
        .unwrap()
        .unwrap();
    assert_eq!(
        (state.calls, state.errors, state.denials, state.version),
        (1, 1, 0, 3)
    );
    assert_eq!(state.labels, labels(&["private", "untrusted"]));
    assert_eq!(state.tools, labels(&["tickets__read"]));
    assert_eq!(state.repeats.get(&arguments("a")), Some(&1));
    let others = ledger.run_state(run, Some(&arguments("b"))).unwrap();
    assert_eq!(others.unwrap().repeats.len(), 0);

    let reader = ledger.reader();
    let records = reader.records_of_run(run).unwrap();
    assert_eq!(
        records.iter().map(|(i, _)| *i).collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
    let spans = reader.spans(run).unwrap();
    let shape: Vec<_> = spans
        .iter()
        .map(|s| (s.kind.as_str(), s.opened, s.closed, s.error.as_deref()))
        .collect();
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
    assert_eq!(
        reader
            .run_by_key(TENANT, &agent(), &alice(), "k")
            .unwrap()
            .map(|r| r.id),
        Some(run)
    );
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
        let records = vec![
            script.decide(run, call, Outcome::Allow, "a"),
            script.start(run, call, None),
        ];
        on(records, vec![Condition::RunVersion(run, version)])
    };
    block_on(async {
        assert_eq!(
            ledger.commit(open(0)).await,
            Err(CommitError::RunChanged),
            "no such run yet"
        );
        ledger.commit(batch(vec![started.clone()])).await.unwrap();
        ledger.commit(open(0)).await.unwrap();
        assert_eq!(ledger.commit(open(0)).await, Err(CommitError::RunChanged));
        assert_eq!(
            ledger.commit(batch(vec![started])).await,
            Err(CommitError::RunChanged)
        );
        ledger.commit(batch(vec![script.end(run)])).await.unwrap();
        assert_eq!(ledger.commit(open(1)).await, Err(CommitError::RunEnded));
        assert_eq!(
            ledger.commit(batch(vec![script.end(run)])).await,
            Err(CommitError::RunEnded)
        );
        let unknown = batch(vec![script.end(RunId::from_bytes([9; 16]))]);
        assert!(matches!(
            ledger.commit(unknown).await,
            Err(CommitError::Illegal(_))
        ));
    });
    assert_eq!(ledger.size(), 4, "what was refused left nothing");
    assert!(ledger.run(run, None).unwrap().unwrap().ended);
}

/// Many concurrent batches, every third one bad: the good ones are committed in any group.
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
                0 => records.push(script.answer(
                    run,
                    ApprovalId::from_bytes([9; 8]),
                    "bob",
                    true,
                    true,
                )),
                // The call starts twice.
                3 => records.extend([script.start(run, call, None), script.start(run, call, None)]),
                // Violates a constraint of the tables: a halt of everything has no name.
                6 => records.push(script.halt(HaltScope::All, "name", false)),
                _ => records.push(script.start(run, call, None)),
            }
            runs.push((n, run));
            let ledger = ledger.clone();
            tasks.push(tokio::spawn(
                async move { ledger.commit(batch(records)).await },
            ));
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
        let rejected = matches!(result, Err(CommitError::Illegal(_)));
        assert!(result.is_ok() || rejected, "{n}: {result:?}");
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
                tokio::spawn(async move {
                    (
                        ledger.commit(batch(vec![started])).await.unwrap().first(),
                        run,
                    )
                })
            })
            .collect();
        let mut firsts = Vec::new();
        for task in tasks {
            firsts.push(task.await.unwrap());
        }
        firsts
    });
    for (first, run) in &firsts {
        assert_eq!(
            ledger.reader().record(*first).unwrap().unwrap().run,
            Some(*run)
        );
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
                        let records = vec![
                            script.decide(run, call, Outcome::Allow, "a"),
                            script.start(run, call, None),
                        ];
                        match ledger
                            .commit(on(records, vec![Condition::RunVersion(run, state.version)]))
                            .await
                        {
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
    let state = ledger
        .run_state(run, Some(&arguments("a")))
        .unwrap()
        .unwrap();
    assert_eq!(
        (state.calls, state.repeats.get(&arguments("a"))),
        (10, Some(&10))
    );
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
        let records = vec![
            script.decide(run, call, Outcome::Allow, "a"),
            script.start(run, call, None),
        ];
        batch(records)
    };
    block_on(async {
        ledger.commit(batch(vec![started])).await.unwrap();
        assert!(
            ledger.commit(outcome()).await.is_err(),
            "an outcome of what has not started"
        );
        ledger
            .commit(batch(vec![
                script.decide(run, call, Outcome::Allow, "a"),
                start.clone(),
            ]))
            .await
            .unwrap();
        assert!(ledger.commit(again()).await.is_err(), "it runs already");
        ledger.commit(outcome()).await.unwrap();
        assert!(
            ledger.commit(outcome()).await.is_err(),
            "it has an outcome already"
        );
        assert!(ledger.commit(again()).await.is_err(), "it has run");
        let resumed = vec![
            script.resume(run, call, Outcome::Allow, "a"),
            script.start(run, call, None),
        ];
        assert!(ledger.commit(batch(resumed)).await.is_err(), "it has run");
        let denied = script.span();
        ledger
            .commit(batch(vec![script.decide(run, denied, Outcome::Deny, "b")]))
            .await
            .unwrap();
        let late = script.start(run, denied, None);
        assert!(
            ledger.commit(batch(vec![late])).await.is_err(),
            "it was denied"
        );
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
            ledger
                .commit(batch(vec![script.halt(scope, name, false)]))
                .await
                .unwrap();
            let refused = try_start().await;
            assert!(
                matches!(&refused, Err(CommitError::Halted { reason, .. }) if reason == "it misbehaves")
            );
            assert!(ledger.is_halted(&keys));
            ledger
                .commit(batch(vec![script.halt(scope, name, true)]))
                .await
                .unwrap();
            assert!(!ledger.is_halted(&keys));
        }
        ledger
            .commit(batch(vec![script.halt(HaltScope::Tool, "other", false)]))
            .await
            .unwrap();
        let (_, started) = script.run(None, &[]);
        ledger
            .commit(on(vec![started], vec![Condition::NotHalted(keys.clone())]))
            .await
            .unwrap();
    });
    drop(ledger);
    let ledger = place.open();
    let other = HaltKeys {
        agent: String::new(),
        component: None,
        tenant: String::new(),
        tool: Some("other".into()),
    };
    assert!(ledger.is_halted(&other), "a halt outlives the process");
}

#[test]
fn a_record_too_large_for_a_log_is_refused() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let huge = "x".repeat(70_000);
    let (_, started) = script.run(Some(&huge), &[]);
    assert!(matches!(
        block_on(ledger.commit(batch(vec![started]))),
        Err(CommitError::Illegal(_))
    ));
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
        assert_eq!(
            ledger.commit(batch(vec![started])).await,
            Err(CommitError::Closed)
        );
    });
    let reopened = place.open();
    assert_eq!(reopened.size(), 1);
}

#[test]
fn a_halt_that_was_refused_halts_nothing() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let keys = HaltKeys {
        agent: "support".into(),
        component: None,
        tenant: TENANT.into(),
        tool: None,
    };
    block_on(async {
        let halt = script.halt(HaltScope::Agent, "support", false);
        let bad = script.end(RunId::from_bytes([9; 16]));
        ledger.commit(batch(vec![halt, bad])).await.unwrap_err();
        let (_, started) = script.run(None, &[]);
        let conditions = vec![Condition::NotHalted(keys.clone())];
        ledger.commit(on(vec![started], conditions)).await.unwrap();
    });
    assert!(!ledger.is_halted(&keys));
}

#[test]
fn only_a_call_that_waits_is_resumed() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, started) = script.run(None, &[]);
    block_on(async {
        ledger.commit(batch(vec![started])).await.unwrap();
        for outcome in [Outcome::Allow, Outcome::Deny, Outcome::Escalate] {
            let call = script.span();
            let records = vec![
                script.resume(run, call, outcome, "a"),
                script.start(run, call, None),
            ];
            let refused = ledger.commit(batch(records)).await;
            assert!(matches!(refused, Err(CommitError::Illegal(_))), "{outcome}");
        }
    });
}
