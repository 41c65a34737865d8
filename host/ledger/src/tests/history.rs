//! Series of history facts: what records add to them, what outcomes take away, and decisions that depend on them.

use tollgate_model::{
    history::{Series, SeriesQuery, SeriesTotals},
    ids::{MaskedAmount, SeriesId, ValueDigest},
    record::{CountedCalls, FactEntry},
};

use super::*;

const MINUTE: u64 = 60_000_000;

pub(super) fn series(n: u8) -> SeriesId {
    SeriesId::from_bytes([n; 16])
}

fn value(n: u8) -> ValueDigest {
    ValueDigest::from_bytes([n; 16])
}

pub(super) fn entry(n: u8, counts: CountedCalls, until: Option<Timestamp>) -> FactEntry {
    FactEntry {
        amount: None,
        counts,
        fact: format!("fact{n}"),
        further: u64::from(n / 3),
        of_run: until.is_none(),
        series: series(n),
        until,
        values: vec![value(n)],
    }
}

/// Entries of a decision that differ with `n`: of each kind, in three series, some with a window.
pub(super) fn decision_entries(n: u8, time: Timestamp) -> Vec<FactEntry> {
    let counts = [
        CountedCalls::Started,
        CountedCalls::NotFailed,
        CountedCalls::Running,
    ];
    let mut entries: Vec<FactEntry> = (0..n % 4)
        .map(|at| {
            let until = (at != 2).then(|| time.plus(30 * MINUTE));
            entry(at, counts[usize::from((n + at) % 3)], until)
        })
        .collect();
    for entry in &mut entries {
        entry.amount = Some(MaskedAmount::from_bytes([n; 8]));
    }
    entries
}

pub(super) fn outcome_entries(n: usize, time: Timestamp) -> Vec<FactEntry> {
    let made = |at| entry(at, CountedCalls::Succeeded, Some(time.plus(MINUTE)));
    (0..3).take(n % 3).map(|at| made(4 + at)).collect()
}

/// A record of a decision or an outcome with the entries that are made for its time.
pub(super) fn with_entries(
    mut record: Record,
    entries: impl FnOnce(Timestamp) -> Vec<FactEntry>,
) -> Record {
    let made = entries(record.time);
    match &mut record.event {
        Event::Decision(decision) => decision.history = made,
        Event::Outcome(outcome) => outcome.history = made,
        _ => panic!("a decision or an outcome"),
    }
    record
}

/// The totals of all series with these entries, each in its window.
pub(super) fn totals(ledger: &Ledger, script: &Script) -> Vec<SeriesTotals> {
    let now = T0.plus(script.time.load(Ordering::Relaxed));
    let ago = |minutes: u64| Some(Timestamp(now.0 - i64::try_from(minutes * MINUTE).unwrap()));
    let asked = (0..7).map(|n| match n {
        2 => (n, None),
        0..4 => (n, ago(30)),
        _ => (n, ago(1)),
    });
    asked
        .map(|(n, since)| {
            let query = SeriesQuery {
                since,
                values: &[value(0), value(1)],
                ..SeriesQuery::default()
            };
            ledger.series_totals(series(n), &query).unwrap()
        })
        .collect()
}

/// For each series, whether the entry of a call may be released: as it is in memory, and as the store tells it.
pub(super) fn provisional(ledger: &Ledger, place: &Place, call: SpanId) -> Vec<[Option<bool>; 2]> {
    let conn = rusqlite::Connection::open(place.path()).unwrap();
    let of_series = |n| {
        let stored = series::load(&conn, ledger.keys(), series(n)).unwrap();
        let held = ledger.held_series(series(n), |held| held.is_provisional(call));
        [held.flatten(), stored.series().is_provisional(call)]
    };
    (0..7).map(of_series).collect()
}

fn calls(ledger: &Ledger, n: u8) -> u64 {
    let query = SeriesQuery::default();
    ledger.series_totals(series(n), &query).unwrap().calls
}

/// A call that starts and adds these entries.
fn started(script: &Script, run: RunId, entries: Vec<FactEntry>) -> (Record, Vec<Record>) {
    let call = script.span();
    let decided = script.decide(run, call, Outcome::Allow, "a");
    let start = script.start(run, call, None);
    let decided = with_entries(decided, |_| entries);
    (start.clone(), vec![decided, start])
}

#[test]
fn a_call_counts_until_its_outcome_takes_it_away() {
    for (status, effects, effective, held) in [
        (Status::Ok, 1, false, [1, 1, 0]),
        (Status::ToolError, 1, false, [1, 0, 0]),
        (Status::ToolError, 1, true, [1, 1, 0]),
        (Status::Trap, 0, false, [1, 0, 0]),
        (Status::Trap, 1, false, [1, 1, 0]),
        (Status::Timeout, 0, false, [1, 0, 0]),
        (Status::Indeterminate, 0, false, [1, 1, 0]),
        (Status::Pending, 0, false, [1, 1, 1]),
    ] {
        let place = Place::new();
        let (ledger, script) = (place.open(), Script::new());
        let (run, begun) = script.run(None, &[]);
        let until = Some(T0.plus(HOUR));
        let entries = [
            CountedCalls::Started,
            CountedCalls::NotFailed,
            CountedCalls::Running,
        ];
        let entries = (0..)
            .zip(entries)
            .map(|(n, counts)| entry(n, counts, until));
        let (start, records) = started(&script, run, entries.collect());
        let counted = || [0, 1, 2].map(|n| calls(&ledger, n));
        block_on(async {
            ledger.commit(batch(vec![begun])).await.unwrap();
            ledger.commit(batch(records)).await.unwrap();
            assert_eq!(counted(), [1, 1, 1]);
            let mut ended = script.outcome(run, &start, status, &[]);
            if let Event::Outcome(outcome) = &mut ended.event {
                outcome.effects = effects;
                outcome.effective = effective;
            }
            ledger.commit(batch(vec![ended])).await.unwrap();
        });
        assert_eq!(counted(), held, "{status} {effects} {effective}");
        ledger.reader().verify(None, |_| {}).unwrap();
    }
}

#[test]
fn a_decision_that_depends_on_a_series_is_refused_once_the_series_has_changed() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, begun) = script.run(None, &[]);
    let until = Some(T0.plus(HOUR));
    let depends = |n, size| Condition::SeriesUnchanged(BTreeSet::from([series(n)]), size);
    let call = |n| started(&script, run, vec![entry(n, CountedCalls::Started, until)]);
    block_on(async {
        ledger.commit(batch(vec![begun])).await.unwrap();
        let size = ledger.size();
        // Eight calls read the same totals; one of them is admitted.
        let attempts: Vec<_> = (0..8)
            .map(|_| {
                let (ledger, records) = (ledger.clone(), call(0).1);
                tokio::spawn(
                    async move { ledger.commit(on(records, vec![depends(0, size)])).await },
                )
            })
            .collect();
        let mut admitted = 0;
        for attempt in attempts {
            match attempt.await.unwrap() {
                Ok(_) => admitted += 1,
                Err(error) => assert_eq!(error, CommitError::SeriesChanged(series(0))),
            }
        }
        assert_eq!((admitted, calls(&ledger, 0)), (1, 1));
        // Another series has not changed, and this one has not since.
        ledger
            .commit(on(call(1).1, vec![depends(1, size)]))
            .await
            .unwrap();
        let size = ledger.size();
        ledger
            .commit(on(call(0).1, vec![depends(0, size)]))
            .await
            .unwrap();
    });
    assert_eq!(calls(&ledger, 0), 2);
}

#[test]
fn the_series_of_a_run_end_with_it() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, begun) = script.run(None, &[]);
    let entries = vec![
        entry(0, CountedCalls::Started, None),
        entry(1, CountedCalls::Started, Some(T0.plus(HOUR))),
    ];
    let (_, records) = started(&script, run, entries);
    let end = script.end(run);
    block_on(async {
        ledger.commit(batch(vec![begun])).await.unwrap();
        ledger.commit(batch(records)).await.unwrap();
        assert_eq!((calls(&ledger, 0), calls(&ledger, 1)), (1, 1));
        ledger.commit(batch(vec![end])).await.unwrap();
    });
    assert_eq!((calls(&ledger, 0), calls(&ledger, 1)), (0, 1));
    drop(ledger);
    let ledger = place.open();
    assert_eq!((calls(&ledger, 0), calls(&ledger, 1)), (0, 1));
}

#[test]
fn a_run_that_ends_takes_only_its_own_entries() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (first, begun) = script.run(None, &[]);
    let (second, also_begun) = script.run(None, &[]);
    let entry = || vec![entry(0, CountedCalls::Started, None)];
    let records = [
        started(&script, first, entry()).1,
        started(&script, second, entry()).1,
    ];
    let end = script.end(first);
    block_on(async {
        ledger.commit(batch(vec![begun, also_begun])).await.unwrap();
        ledger.commit(batch(records.concat())).await.unwrap();
        assert_eq!(calls(&ledger, 0), 2);
        ledger.commit(batch(vec![end])).await.unwrap();
    });
    assert_eq!(calls(&ledger, 0), 1);
    drop(ledger);
    assert_eq!(calls(&place.open(), 0), 1);
}

#[test]
fn amounts_are_masked_in_the_store_and_added_up_after_a_restart() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, begun) = script.run(None, &[]);
    block_on(ledger.commit(batch(vec![begun]))).unwrap();
    for amount in [1_234_567, 1_234_567, -7] {
        let call = script.span();
        let decided = script.decide(run, call, Outcome::Allow, "a");
        let masked = AmountPlace {
            series: series(0),
            call,
            time: decided.time,
        };
        let masked = ledger.keys().mask_amount(TENANT, masked, amount).unwrap();
        let decided = with_entries(decided, |time| {
            vec![FactEntry {
                amount: Some(masked),
                ..entry(0, CountedCalls::Started, Some(time.plus(HOUR)))
            }]
        });
        let records = vec![decided, script.start(run, call, None)];
        block_on(ledger.commit(batch(records))).unwrap();
    }
    let sum = |ledger: &Ledger| {
        let query = SeriesQuery {
            negative: true,
            ..SeriesQuery::default()
        };
        ledger.series_totals(series(0), &query).unwrap().sum
    };
    assert_eq!(sum(&ledger), Some(2_469_127));
    drop(ledger);
    assert_eq!(sum(&place.open()), Some(2_469_127));
    let conn = rusqlite::Connection::open(place.path()).unwrap();
    let stored: Vec<i64> = conn
        .prepare("SELECT amount FROM fact_entries")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap();
    assert!(!stored.contains(&1_234_567) && stored[0] != stored[1]);
}

#[test]
fn entries_that_have_left_their_window_are_cleared_away() {
    let place = Place::new();
    let options = LedgerOptions {
        sync: Sync::Off,
        ..place.options()
    };
    let ledger = Ledger::open(options, T0).unwrap();
    let script = Script::new();
    let (run, begun) = script.run(None, &[]);
    block_on(ledger.commit(batch(vec![begun]))).unwrap();
    for _ in 0..300 {
        script.time.fetch_add(MINUTE, Ordering::Relaxed);
        let call = script.span();
        let decided = script.decide(run, call, Outcome::Deny, "a");
        let decided = with_entries(decided, |time| {
            vec![entry(0, CountedCalls::Denied, Some(time.plus(5 * MINUTE)))]
        });
        block_on(ledger.commit(batch(vec![decided]))).unwrap();
    }
    let conn = rusqlite::Connection::open(place.path()).unwrap();
    let held: i64 = conn
        .query_row("SELECT count(*) FROM fact_entries", [], |row| row.get(0))
        .unwrap();
    assert!((5..10).contains(&held), "{held}");
    ledger.reader().verify(None, |_| {}).unwrap();
}

/// A call that has counted and ended with this status.
fn ended(script: &Script, run: RunId, n: u8, status: Status) -> (SpanId, Vec<Record>) {
    let entries = vec![entry(n, CountedCalls::NotFailed, Some(T0.plus(HOUR)))];
    let (start, mut records) = started(script, run, entries);
    records.push(script.outcome(run, &start, status, &[]));
    let Event::Start(start) = start.event else {
        panic!("a start")
    };
    (start.call, records)
}

#[test]
fn the_entry_of_a_call_that_has_ended_is_kept_for_good() {
    for (status, is_provisional) in [
        (Status::Ok, false),
        (Status::Indeterminate, false),
        (Status::Pending, true),
    ] {
        let place = Place::new();
        let (ledger, script) = (place.open(), Script::new());
        let (run, begun) = script.run(None, &[]);
        block_on(ledger.commit(batch(vec![begun]))).unwrap();
        assert_eq!(calls(&ledger, 0), 0);
        let (call, records) = ended(&script, run, 0, status);
        block_on(ledger.commit(batch(records))).unwrap();
        let [held, ..] = provisional(&ledger, &place, call)[..] else {
            panic!("seven series")
        };
        assert_eq!(held, [Some(is_provisional); 2], "{status}");
    }
}

#[test]
fn an_outcome_that_changes_no_total_has_no_decision_made_again() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, begun) = script.run(None, &[]);
    let until = Some(T0.plus(HOUR));
    let entries = || vec![entry(0, CountedCalls::NotFailed, until)];
    block_on(async {
        ledger.commit(batch(vec![begun])).await.unwrap();
        let (start, records) = started(&script, run, entries());
        ledger.commit(batch(records)).await.unwrap();
        let size = ledger.size();
        let outcome = script.outcome(run, &start, Status::Ok, &[]);
        ledger.commit(batch(vec![outcome])).await.unwrap();
        let unchanged = Condition::SeriesUnchanged(BTreeSet::from([series(0)]), size);
        let (_, records) = started(&script, run, entries());
        ledger.commit(on(records, vec![unchanged])).await.unwrap();
    });
    assert_eq!(calls(&ledger, 0), 2);
}

/// Many ask for a series at once while calls add to it: it is read, held, and complete.
#[test]
fn a_series_that_grows_while_it_is_read_is_complete() {
    const CALLS: u64 = 200;
    let place = Place::new();
    let options = LedgerOptions {
        sync: Sync::Off,
        ..place.options()
    };
    let ledger = Ledger::open(options, T0).unwrap();
    let script = Script::new();
    let (run, begun) = script.run(None, &[]);
    block_on(ledger.commit(batch(vec![begun]))).unwrap();
    block_on(async {
        let readers: Vec<_> = (0..16)
            .map(|_| {
                let ledger = ledger.clone();
                tokio::spawn(async move { ledger.load_series(series(0)).await.unwrap() })
            })
            .collect();
        for _ in 0..CALLS {
            let records = ended(&script, run, 0, Status::Ok).1;
            ledger.commit(batch(records)).await.unwrap();
        }
        for reader in readers {
            reader.await.unwrap();
        }
    });
    assert!(ledger.held_series(series(0), |_| ()).is_some());
    assert_eq!(calls(&ledger, 0), CALLS);
}

#[test]
fn what_changes_while_a_series_is_read_is_not_lost() {
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, begun) = script.run(None, &[]);
    block_on(ledger.commit(batch(vec![begun]))).unwrap();
    let add = || {
        let (call, records) = ended(&script, run, 0, Status::Ok);
        block_on(ledger.commit(batch(records))).unwrap();
        call
    };
    add();
    let mut meanwhile = None;
    ledger.read_series(series(0), || meanwhile = Some(add()));
    let held = |call| ledger.held_series(series(0), |held| held.is_provisional(call));
    assert_eq!(held(meanwhile.unwrap()), Some(Some(false)));
    assert_eq!(calls(&ledger, 0), 2);
    // Where a run has left a series, only the store tells what is in it.
    let entries = vec![entry(1, CountedCalls::Started, None)];
    let (_, records) = started(&script, run, entries);
    block_on(ledger.commit(batch(records))).unwrap();
    ledger.read_series(series(1), || {
        block_on(ledger.commit(batch(vec![script.end(run)]))).unwrap();
    });
    assert!(ledger.held_series(series(1), |_| ()).is_none());
    assert_eq!(calls(&ledger, 1), 0);
}

/// Reading many entries of calls that have ended costs each the same, and holds them in blocks.
#[test]
fn a_long_series_of_calls_that_have_ended_is_read_at_once() {
    const CALLS: u64 = 60_000;
    let place = Place::new();
    let (ledger, script) = (place.open(), Script::new());
    let (run, begun) = script.run(None, &[]);
    block_on(ledger.commit(batch(vec![begun]))).unwrap();
    block_on(ledger.commit(batch(ended(&script, run, 0, Status::Ok).1))).unwrap();
    drop(ledger);
    place.tamper(&format!(
        "WITH RECURSIVE n (at) AS (SELECT 1 UNION ALL SELECT at + 1 FROM n WHERE at < {CALLS}) \
         INSERT INTO fact_entries SELECT series, 1000 + at, run, CAST(printf('%08d', at) AS BLOB), time, until, counts, \
         of_run, amount, digests, further FROM fact_entries, n; \
         INSERT INTO calls SELECT run, call, 'closed', 1 FROM fact_entries WHERE idx >= 1000;"
    ));
    let ledger = place.open();
    let begun = std::time::Instant::now();
    block_on(ledger.load_series(series(0))).unwrap();
    // With a merge for each, it would take minutes.
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(calls(&ledger, 0), CALLS + 1);
    let held = ledger.held_series(series(0), Series::size);
    assert!(held.is_some_and(|held| held < 20_000), "{held:?}");
}
