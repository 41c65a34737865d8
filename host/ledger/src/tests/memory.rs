//! What the writer keeps in memory, and the store beneath.

use super::*;

#[test]
fn memory_is_bounded_however_many_runs_and_calls() {
    let place = Place::new();
    let ledger = Ledger::open(
        LedgerOptions {
            cached_runs: 16,
            sync: Sync::Off,
            ..place.options()
        },
        T0,
    )
    .unwrap();
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
    let (runs, names, calls) = ledger.cached();
    assert!(
        runs <= 32 && names <= 32 && calls < 300,
        "{runs} runs, {names} names, {calls} calls"
    );
    for n in 0..300 {
        let args = arguments(&n.to_string());
        let state = ledger.run_state(busy, Some(&args)).unwrap().unwrap();
        assert_eq!(
            (state.calls, state.repeats.len(), state.repeats.get(&args)),
            (300, 1, Some(&1))
        );
        assert!(
            ledger
                .open_run(TENANT, &agent(), &alice(), Some(&n.to_string()), T0)
                .unwrap()
                .is_some()
        );
    }
}

/// With and without the cache, a caller's unnamed run is its latest one.
#[test]
fn memory_and_store_agree_on_the_latest_run() {
    let place = Place::new();
    let options = LedgerOptions {
        cached_runs: 1,
        ..place.options()
    };
    let ledger = Ledger::open(options, T0).unwrap();
    let script = Script::new();
    let ((first, a), (mut second, b)) = (script.run(None, &[]), script.run(None, &[]));
    block_on(async {
        ledger.commit(batch(vec![a])).await.unwrap();
        ledger.commit(batch(vec![b])).await.unwrap();
        for n in 0..5 {
            let call = script.decide(first, script.span(), Outcome::Deny, "a");
            ledger.commit(batch(vec![call])).await.unwrap();
            let open = ledger
                .open_run(TENANT, &agent(), &alice(), None, T0)
                .unwrap();
            assert_eq!(open.map(|run| run.id), Some(second));
            // Others push both out.
            for other in 0..n {
                let (_, other) = script.run(Some(&format!("{n} {other}")), &[]);
                ledger.commit(batch(vec![other])).await.unwrap();
            }
        }
        // Two that begin together.
        for _ in 0..8 {
            let ((_, c), (later, d)) = (script.run(None, &[]), script.run(None, &[]));
            ledger.commit(batch(vec![c, d])).await.unwrap();
            let open = ledger
                .open_run(TENANT, &agent(), &alice(), None, T0)
                .unwrap();
            assert_eq!(open.map(|run| run.id), Some(later));
            second = later;
        }
    });
    let stored = ledger
        .reader()
        .ambient_run(TENANT, &agent(), &alice(), T0)
        .unwrap();
    assert_eq!(stored.map(|run| run.id), Some(second));
}

/// The cached usage of a window equals the stored one after every sequence of calls.
#[test]
fn recent_usage_is_known_without_the_store() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, started) = script.run(None, &[]);
    let since = |hours: u64| Window {
        tenant: TENANT.into(),
        principal: agent(),
        since: T0.plus(hours * HOUR),
    };
    let decide = |at: u64, outcome| Record {
        time: T0.plus(at),
        ..script.decide(run, script.span(), outcome, &at.to_string())
    };
    let same = |ledger: &Ledger| {
        for hours in [0, 1, 2, 3, 800] {
            let window = since(hours);
            let (known, stored) = (ledger.used(&window), ledger.reader().used(&window));
            assert_eq!(known.unwrap(), stored.unwrap(), "since hour {hours}");
        }
        ledger.used(&since(0)).unwrap()
    };
    block_on(async {
        ledger.commit(batch(vec![started])).await.unwrap();
        assert_eq!(same(&ledger), WindowUsage::default());
        for minutes in [1, 2, 30, 61, 62, 200] {
            let record = decide(minutes * 60_000_000, Outcome::Allow);
            ledger.commit(batch(vec![record])).await.unwrap();
            same(&ledger);
        }
        // One that is refused together with one that is not, and another that is refused alone.
        let refused = |at| Batch {
            conditions: vec![Condition::RunVersion(run, 99)],
            ..batch(vec![decide(at, Outcome::Allow)])
        };
        let (no, yes) = tokio::join!(
            ledger.commit(refused(3 * HOUR + 1)),
            ledger.commit(batch(vec![decide(3 * HOUR + 2, Outcome::Allow)]))
        );
        assert_eq!((no.is_err(), yes.is_ok()), (true, true));
        let late = [
            decide(3 * HOUR + 3, Outcome::Allow),
            script.run(None, &[]).1,
        ];
        let late = Batch {
            conditions: vec![Condition::CallsBelow(since(0), 7)],
            ..batch(late.to_vec())
        };
        assert_eq!(ledger.commit(late).await, Err(CommitError::RunChanged));
        let used = WindowUsage {
            calls: 7,
            active: 2 * 60_000_000,
        };
        assert_eq!(same(&ledger), used);
        ledger.rebuild().await.unwrap();
        assert_eq!(same(&ledger), used);
        let next = decide(3 * HOUR + 4, Outcome::Allow);
        ledger.commit(batch(vec![next])).await.unwrap();
        assert_eq!(same(&ledger).calls, 8);
        // A month later the first hours are in no window.
        let month = decide(721 * HOUR, Outcome::Allow);
        ledger.commit(batch(vec![month])).await.unwrap();
        let window = since(1);
        assert_eq!(
            ledger.used(&window).unwrap(),
            ledger.reader().used(&window).unwrap()
        );
    });
    drop(ledger);
    assert_eq!(same(&place.open()).calls, 9, "from the store");
}
