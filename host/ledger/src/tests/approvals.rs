//! Approvals: requested once, answered, consumed once.

use super::*;

#[test]
fn an_approval_lets_its_call_run_once() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, started) = script.run(None, &[]);
    let (call, id, records) = script.escalate(run, "a");
    let row = |ledger: &Ledger| ledger.reader().approval(id).unwrap().unwrap();
    block_on(async {
        ledger.commit(batch(vec![started])).await.unwrap();
        ledger.commit(batch(records)).await.unwrap();
        let asked = row(&ledger);
        assert_eq!(
            (asked.state, asked.version, asked.opened),
            (ApprovalState::Pending, 0, 2)
        );
        assert_eq!(asked.payload, Some(Sha256Digest::of(b"payload")));
        assert_eq!(ledger.reader().run(&run.to_string()).unwrap().pending, 1);

        // It cannot be used before it is granted.
        let resume = || {
            vec![
                script.resume(run, call, Outcome::Allow, "a"),
                script.start(run, call, Some(id)),
            ]
        };
        let early = ledger.commit(batch(resume())).await;
        assert!(matches!(early, Err(CommitError::Illegal(_))));

        let approve = vec![
            script.answer(run, id, "bob", true, true),
            script.resolve(run, call, id, ApprovalState::Approved),
        ];
        let unchanged = Condition::ApprovalUnchanged(id, 0);
        ledger
            .commit(on(approve.clone(), vec![unchanged.clone()]))
            .await
            .unwrap();
        assert_eq!(
            ledger.commit(on(approve, vec![unchanged])).await,
            Err(CommitError::ApprovalChanged)
        );
        let approved = row(&ledger);
        assert_eq!(ledger.reader().run(&run.to_string()).unwrap().pending, 0);
        assert_eq!(
            (approved.state, approved.version),
            (ApprovalState::Approved, 2)
        );
        assert_eq!(
            approved.approvers,
            [(Uid::new(Kind::User, "bob"), labels(&["security"]))]
        );

        // Of two concurrent starts that use it, one succeeds.
        let (one, two) = tokio::join!(
            ledger.commit(batch(resume())),
            ledger.commit(batch(resume()))
        );
        assert_eq!([one, two].iter().filter(|r| r.is_ok()).count(), 1);
    });
    let used = row(&ledger);
    assert_eq!((used.state, used.payload), (ApprovalState::Consumed, None));
    let records = ledger.reader().records_of_run(run).unwrap();
    let is_start = |record: &Record| matches!(record.event, Event::Start(_));
    assert_eq!(records.iter().filter(|(_, r)| is_start(r)).count(), 1);
    let spans = ledger.reader().spans(run).unwrap();
    let executions = spans
        .iter()
        .filter(|s| s.kind == tollgate_model::span::SpanKind::InvokeComponent);
    assert_eq!(executions.count(), 1);
}

#[test]
fn one_is_pending_for_a_call() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, started) = script.run(None, &[]);
    let (call, id, records) = script.escalate(run, "a");
    let (_, _, same) = script.escalate(run, "a");
    let (_, _, other) = script.escalate(run, "b");
    block_on(async {
        ledger.commit(batch(vec![started])).await.unwrap();
        let (one, two) = tokio::join!(ledger.commit(batch(records)), ledger.commit(batch(same)));
        let results = [one, two];
        assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
        assert!(results.contains(&Err(CommitError::ApprovalPending)));
        ledger.commit(batch(other)).await.unwrap();
        // Once the first is void, the call may request another.
        let reader = ledger.reader();
        let open = reader.approvals(&ApprovalFilter::open()).unwrap();
        let first = open
            .iter()
            .find(|row| row.arguments == arguments("a"))
            .unwrap();
        let (again, ask) = script.ask(run, first.call, "a");
        let records = vec![
            script.resolve(run, first.call, first.id, ApprovalState::Cancelled),
            script.resume(run, first.call, Outcome::Escalate, "a"),
            ask,
        ];
        ledger.commit(batch(records)).await.unwrap();
        let binding = Binding {
            via: Vec::new(),
            tenant: TENANT.into(),
            run,
            principal: agent(),
            tool: "tickets__read".into(),
            component: Sha256Digest::of(b"component"),
            arguments: arguments("a"),
        };
        assert_eq!(
            reader.approval_for(&binding).unwrap().map(|r| r.id),
            Some(again),
            "the latest"
        );
        let elsewhere = Binding {
            tenant: "other".into(),
            ..binding
        };
        assert_eq!(reader.approval_for(&elsewhere).unwrap(), None);
    });
    let _ = (call, id);
    assert_eq!(
        ledger
            .reader()
            .approvals(&ApprovalFilter::default())
            .unwrap()
            .len(),
        3
    );
    assert_eq!(
        ledger
            .reader()
            .approvals(&ApprovalFilter::pending())
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn of_two_approvers_that_race_the_first_wins_and_the_loser_is_kept() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, started) = script.run(None, &[]);
    let (call, id, records) = script.escalate(run, "a");
    let answer = |by: &str, approve| {
        let state = if approve {
            ApprovalState::Approved
        } else {
            ApprovalState::Rejected
        };
        let records = vec![
            script.answer(run, id, by, approve, true),
            script.resolve(run, call, id, state),
        ];
        on(records, vec![Condition::ApprovalUnchanged(id, 0)])
    };
    block_on(async {
        ledger.commit(batch(vec![started])).await.unwrap();
        ledger.commit(batch(records)).await.unwrap();
        let (yes, no) = tokio::join!(
            ledger.commit(answer("bob", true)),
            ledger.commit(answer("carol", false))
        );
        assert!(yes.is_ok() != no.is_ok(), "{yes:?} {no:?}");
        assert!(
            yes == Err(CommitError::ApprovalChanged) || no == Err(CommitError::ApprovalChanged)
        );
        let version = ledger.reader().approval(id).unwrap().unwrap().version;
        ledger
            .commit(batch(vec![script.answer(run, id, "dave", true, false)]))
            .await
            .unwrap();
        let row = ledger.reader().approval(id).unwrap().unwrap();
        assert_eq!(
            row.version, version,
            "an answer without effect changes nothing"
        );
        assert!(row.approvers.len() <= 1);
    });
}

#[test]
fn an_approval_belongs_to_its_call_and_its_time() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, started) = script.run(None, &[]);
    let (call, id, records) = script.escalate(run, "a");
    let (other, _, more) = script.escalate(run, "b");
    let start = |call, at| {
        let start = Record {
            time: at,
            ..script.start(run, call, Some(id))
        };
        batch(vec![script.resume(run, call, Outcome::Allow, "a"), start])
    };
    block_on(async {
        ledger.commit(batch(vec![started])).await.unwrap();
        ledger.commit(batch(records)).await.unwrap();
        ledger.commit(batch(more)).await.unwrap();
        ledger
            .commit(batch(vec![script.resolve(
                run,
                call,
                id,
                ApprovalState::Approved,
            )]))
            .await
            .unwrap();
        assert!(
            ledger.commit(start(other, T0)).await.is_err(),
            "a yes to one thing lifts no other"
        );
        assert!(
            ledger.commit(start(call, T0.plus(HOUR))).await.is_err(),
            "it has expired"
        );
        ledger.commit(start(call, T0.plus(1))).await.unwrap();
        for state in [
            ApprovalState::Cancelled,
            ApprovalState::Approved,
            ApprovalState::Consumed,
        ] {
            let late = batch(vec![script.resolve(run, call, id, state)]);
            assert!(
                matches!(ledger.commit(late).await, Err(CommitError::Illegal(_))),
                "{state:?}"
            );
        }
    });
}

#[test]
fn the_sweep_ends_what_is_overdue() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let idle = |unnamed| IdleLimits {
        unnamed,
        named: 48 * HOUR,
    };
    let ((waits, a), (silent, b), (named, c)) = (
        script.run(None, &[]),
        script.run(None, &[]),
        script.run(Some("k"), &[]),
    );
    let (_, id, records) = script.escalate(waits, "a");
    block_on(async {
        ledger.commit(batch(vec![a, b, c])).await.unwrap();
        ledger.commit(batch(records)).await.unwrap();
        assert_eq!(
            ledger.sweep(T0.plus(HOUR / 2), idle(HOUR)).await.unwrap(),
            SweepReport::default()
        );
        let swept = ledger
            .sweep(T0.plus(HOUR - 1), idle(HOUR / 4))
            .await
            .unwrap();
        assert_eq!(
            swept.abandoned,
            [silent],
            "a run with a pending approval is not abandoned"
        );
        let swept = ledger.sweep(T0.plus(HOUR), idle(2 * HOUR)).await.unwrap();
        assert_eq!(
            swept,
            SweepReport {
                expired: vec![id],
                abandoned: Vec::new(),
                expired_standing: Vec::new(),
            }
        );
        let swept = ledger.sweep(T0.plus(9 * HOUR), idle(HOUR)).await.unwrap();
        assert_eq!(
            swept,
            SweepReport {
                expired: Vec::new(),
                abandoned: vec![waits],
                expired_standing: Vec::new(),
            }
        );
    });
    let reader = ledger.reader();
    assert_eq!(
        reader.approval(id).unwrap().unwrap().state,
        ApprovalState::Expired
    );
    assert_eq!(
        reader.run(&silent.to_string()).unwrap().outcome,
        Some(RunOutcome::Abandoned)
    );
    assert_eq!(
        reader.run(&named.to_string()).unwrap().outcome,
        None,
        "its caller may come back"
    );
    let root = &reader.spans(silent).unwrap()[0];
    assert_eq!(root.end, Some(T0.plus(HOUR - 1)));
    let late = T0.plus(49 * HOUR);
    let swept = block_on(ledger.sweep(late, idle(HOUR))).unwrap();
    assert_eq!(swept.abandoned, [named]);
    assert_eq!(
        reader.run(&named.to_string()).unwrap().outcome,
        Some(RunOutcome::Abandoned)
    );
}

#[test]
fn an_idle_run_ended_for_what_its_last_call_was_refused_for() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let names = ["allowed", "budget", "denied"];
    let runs = names.map(|name| script.run(Some(name), &[]));
    let idle = IdleLimits {
        unnamed: HOUR,
        named: HOUR,
    };
    let ids = runs.each_ref().map(|(run, _)| *run);
    block_on(async {
        for (name, (run, started)) in names.into_iter().zip(runs) {
            let outcome = match name {
                "allowed" => Outcome::Allow,
                _ => Outcome::Deny,
            };
            let mut decided = script.decide(run, script.span(), outcome, name);
            if let (Event::Decision(decision), "budget") = (&mut decided.event, name) {
                decision.determining = vec![guard("calls")];
            }
            ledger.commit(batch(vec![started, decided])).await.unwrap();
        }
        let swept = ledger.sweep(T0.plus(9 * HOUR), idle).await.unwrap();
        assert_eq!(swept.abandoned, ids);
    });
    let outcomes = ids.map(|run| ledger.reader().run(&run.to_string()).unwrap().outcome);
    assert_eq!(
        outcomes,
        [
            RunOutcome::Abandoned,
            RunOutcome::BudgetExhausted,
            RunOutcome::Denied
        ]
        .map(Some)
    );
}

#[test]
fn the_most_severe_is_listed_first_and_of_these_the_oldest() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, started) = script.run(None, &[]);
    let mut ids = Vec::new();
    block_on(async {
        ledger.commit(batch(vec![started])).await.unwrap();
        for (n, severity) in [
            Severity::Low,
            Severity::High,
            Severity::Critical,
            Severity::High,
        ]
        .into_iter()
        .enumerate()
        {
            let (_, id, mut records) = script.escalate(run, &n.to_string());
            if let Event::ApprovalRequested(asked) = &mut records[1].event {
                asked.requirement.severity = severity;
            }
            ledger.commit(batch(records)).await.unwrap();
            ids.push(id);
        }
    });
    let listed: Vec<_> = ledger
        .reader()
        .approvals(&ApprovalFilter::open())
        .unwrap()
        .into_iter()
        .map(|r| r.id)
        .collect();
    assert_eq!(listed, [ids[2], ids[1], ids[3], ids[0]]);
}

#[test]
fn a_list_is_read_no_further_than_to_its_limit() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, started) = script.run(None, &[]);
    block_on(async {
        ledger.commit(batch(vec![started])).await.unwrap();
        for name in ["a", "b", "c"] {
            let (_, _, records) = script.escalate(run, name);
            ledger.commit(batch(records)).await.unwrap();
        }
    });
    let reader = ledger.reader();
    let all = reader.approvals(&ApprovalFilter::open()).unwrap();
    assert_eq!(all.len(), 3);
    let filter = ApprovalFilter {
        limit: Some(1),
        principal: Some(all[0].principal.clone()),
        ..ApprovalFilter::default()
    };
    let asked = std::cell::Cell::new(0);
    let seen = reader.visible_approvals(&filter, |row| {
        asked.set(asked.get() + 1);
        row.id != all[0].id
    });
    assert_eq!((seen.unwrap(), asked.get()), (vec![all[1].clone()], 2));
    let unknown = ApprovalFilter {
        principal: Some(Uid::new(Kind::Agent, "unknown")),
        ..ApprovalFilter::default()
    };
    assert_eq!(reader.visible_approvals(&unknown, |_| true).unwrap(), []);
}

/// A rejection, its note, and an answer that came too late are listed.
#[test]
fn every_answer_is_listed() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, started) = script.run(None, &[]);
    let (call, id, records) = script.escalate(run, "a");
    let Event::ApprovalAnswered(mut no) = script.answer(run, id, "dana", false, true).event else {
        panic!("an answer")
    };
    no.note = Some("wrong amount".into());
    let no = script.record(Some(run), Event::ApprovalAnswered(no));
    let rejected = script.resolve(run, call, id, ApprovalState::Rejected);
    let late = script.answer(run, id, "bob", true, false);
    block_on(async {
        ledger.commit(batch(vec![started])).await.unwrap();
        ledger.commit(batch(records)).await.unwrap();
        ledger
            .commit(batch(vec![no, rejected, late]))
            .await
            .unwrap();
    });
    let row = ledger.reader().approval(id).unwrap().unwrap();
    assert_eq!(row.approvers, []);
    let answers: Vec<_> = row
        .answers
        .iter()
        .map(|a| {
            (
                a.by.id.as_str(),
                a.approve,
                a.took_effect,
                a.note.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        answers,
        [
            ("dana", false, true, Some("wrong amount")),
            ("bob", true, false, None)
        ]
    );
}
