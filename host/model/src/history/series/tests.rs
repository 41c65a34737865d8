//! Series, compared with a list of all entries.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const SECOND: i64 = 1_000_000;

fn span(n: u64) -> SpanId {
    SpanId::from_bytes(n.to_be_bytes())
}

fn digest(n: u64) -> ValueDigest {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    ValueDigest::from_bytes(bytes)
}

fn entry(index: u64, time: i64) -> SeriesEntry {
    SeriesEntry {
        amount: Some(1),
        call: span(index),
        further: 0,
        index,
        provisional: false,
        time: Timestamp(time),
        until: None,
        values: vec![digest(index)],
    }
}

/// An entry without a value.
fn plain(index: u64) -> SeriesEntry {
    SeriesEntry {
        values: Vec::new(),
        ..entry(index, 0)
    }
}

/// A list of all entries.
#[derive(Default)]
struct Oracle(Vec<SeriesEntry>);

impl Oracle {
    fn remove(&mut self, call: SpanId) {
        self.0.retain(|entry| entry.call != call);
    }

    fn totals(&self, query: &SeriesQuery<'_>) -> SeriesTotals {
        let counted: Vec<&SeriesEntry> = self
            .0
            .iter()
            .filter(|e| query.since.is_none_or(|since| e.time > since))
            .filter(|e| query.after.is_none_or(|after| e.index > after))
            .filter(|e| Some(e.call) != query.without)
            .collect();
        let values: BTreeSet<ValueDigest> = counted.iter().flat_map(|e| e.values.clone()).collect();
        let asked: BTreeSet<ValueDigest> = query.values.iter().copied().collect();
        let is_added = |amount: &i64| query.negative || *amount >= 0;
        let amounts: Option<Vec<i64>> = counted.iter().map(|e| e.amount.filter(is_added)).collect();
        SeriesTotals {
            calls: counted.len() as u64,
            distinct: values.len() as u64,
            unseen: asked.difference(&values).count() as u64,
            sum: amounts.and_then(|all| all.iter().try_fold(0_i64, |a, b| a.checked_add(*b))),
            last: counted.iter().map(|e| (e.time, e.index)).max(),
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Insert {
        call: u64,
        amount: Option<i64>,
        value: u64,
        wait: i64,
    },
    Remove(u64),
    Settle(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let amount = prop_oneof![8 => (-5_i64..50).prop_map(Some), 1 => Just(None)];
    let insert = (0..40_u64, amount, 0..6_u64, 0..3_i64).prop_map(|(call, amount, value, wait)| {
        Step::Insert {
            call,
            amount,
            value,
            wait,
        }
    });
    let step = prop_oneof![
        4 => insert,
        1 => (0..40_u64).prop_map(Step::Remove),
        1 => (0..40_u64).prop_map(Step::Settle),
    ];
    prop::collection::vec(step, 0..80)
}

proptest! {
    #[test]
    fn a_series_answers_as_a_list_of_all_entries_would(
        steps in steps(),
        since in prop::option::of(0..40_i64),
        after in prop::option::of(0..80_u64),
        without in prop::option::of(0..40_u64),
        negative in any::<bool>(),
    ) {
        let (mut series, mut oracle) = (Series::default(), Oracle::default());
        let mut now = 0;
        for (index, step) in (0..).zip(steps) {
            match step {
                Step::Insert { call, amount, value, wait } => {
                    now += wait * SECOND;
                    let values = vec![digest(value)];
                    let made = SeriesEntry { amount, call: span(call), values, ..entry(index, now) };
                    series.remove(made.call);
                    oracle.remove(made.call);
                    series.insert(made.clone());
                    oracle.0.push(made);
                }
                Step::Remove(call) => {
                    series.remove(span(call));
                    oracle.remove(span(call));
                }
                Step::Settle(call) => series.settle(span(call)),
            }
            let looked_for = [digest(1), digest(2), digest(1)];
            let query = SeriesQuery {
                after,
                negative,
                since: since.map(|since| Timestamp(since * SECOND)),
                values: &looked_for,
                without: without.map(span),
            };
            prop_assert_eq!(series.totals(&query), oracle.totals(&query));
        }
    }
}

#[test]
fn an_entry_counts_while_it_is_younger_than_the_window() {
    let mut series = Series::default();
    series.insert(entry(1, 10 * SECOND));
    let calls = |since| {
        let query = SeriesQuery {
            since: Some(Timestamp(since)),
            ..SeriesQuery::default()
        };
        series.totals(&query).calls
    };
    assert_eq!(calls(10 * SECOND - 1), 1);
    assert_eq!(calls(10 * SECOND), 0);
}

#[test]
fn a_sum_beyond_64_bits_is_unknown() {
    let mut series = Series::default();
    for index in 0..3 {
        series.insert(SeriesEntry {
            amount: Some(i64::MAX),
            ..entry(index, 0)
        });
    }
    assert_eq!(series.totals(&SeriesQuery::default()).sum, None);
}

#[test]
fn a_long_series_is_bounded_and_never_counts_too_little() {
    const CALLS: u64 = 100_000;
    let (mut series, mut oracle) = (Series::default(), Oracle::default());
    for index in 0..CALLS {
        let time = i64::try_from(index).unwrap() * SECOND;
        series.insert(entry(index, time));
        oracle.0.push(entry(index, time));
    }
    let held = series.blocks.len();
    assert!(held <= 3 * MAX_SINGLE, "{held}");
    for since in [0, 1_234, 50_000, 90_001, 99_000, 99_999] {
        let query = SeriesQuery {
            since: Some(Timestamp(since * SECOND)),
            ..SeriesQuery::default()
        };
        let (held, exact) = (series.totals(&query), oracle.totals(&query));
        let most = exact.calls + CALLS / 1_000;
        assert!((exact.calls..=most).contains(&held.calls), "{since}");
        assert!(
            held.distinct >= exact.distinct && held.distinct <= most,
            "{since}"
        );
        assert!(held.sum >= exact.sum, "{since}");
        assert_eq!(held.last, exact.last);
    }
}

#[test]
fn calls_that_may_be_released_stay_apart() {
    let mut series = Series::default();
    series.insert(SeriesEntry {
        provisional: true,
        ..entry(0, 0)
    });
    for index in 1..20_000 {
        series.insert(entry(index, 0));
    }
    assert_eq!(series.totals(&SeriesQuery::default()).calls, 20_000);
    series.remove(span(0));
    assert_eq!(series.totals(&SeriesQuery::default()).calls, 19_999);
}

#[test]
fn what_has_left_the_window_is_dropped() {
    let mut series = Series::default();
    for index in 0..1_000 {
        let time = i64::try_from(index).unwrap() * SECOND;
        series.insert(SeriesEntry {
            until: Some(Timestamp(time + 10 * SECOND)),
            ..entry(index, time)
        });
    }
    assert!(series.blocks.len() < 100, "{}", series.blocks.len());
}

#[test]
fn an_amount_below_zero_gives_nothing_back() {
    let mut series = Series::default();
    for (index, amount) in (0..).zip([900, -50_000, 50]) {
        series.insert(SeriesEntry {
            amount: Some(amount),
            ..plain(index)
        });
    }
    let sum = |series: &Series, negative| {
        let query = SeriesQuery {
            negative,
            ..SeriesQuery::default()
        };
        series.totals(&query).sum
    };
    assert_eq!(sum(&series, false), None);
    assert_eq!(sum(&series, true), Some(-49_050));
    for index in 3..20_000 {
        series.insert(plain(index));
    }
    assert_eq!(sum(&series, false), None, "in a block, too");
    assert_eq!(sum(&series, true), Some(-49_050 + 19_997));
}

#[test]
fn calls_that_have_ended_do_not_stay_apart() {
    const CALLS: u64 = 100_000;
    let mut series = Series::default();
    for index in 0..CALLS {
        series.insert(SeriesEntry {
            provisional: true,
            ..plain(index)
        });
        assert_eq!(series.is_provisional(span(index)), Some(true));
        series.settle(span(index));
        assert_eq!(series.is_provisional(span(index)), Some(false));
    }
    assert!(
        series.blocks.len() <= 3 * MAX_SINGLE,
        "{}",
        series.blocks.len()
    );
    assert_eq!(series.totals(&SeriesQuery::default()).calls, CALLS);
}

/// Otherwise each would move all others.
#[test]
fn open_calls_beyond_number_cost_each_the_same() {
    const CALLS: u64 = 200_000;
    let mut series = Series::default();
    let mut merges = 0;
    for index in 0..CALLS {
        let before = series.limit;
        series.insert(SeriesEntry {
            provisional: true,
            ..plain(index)
        });
        merges += u32::from(series.limit != before);
    }
    assert_eq!(series.totals(&SeriesQuery::default()).calls, CALLS);
    assert!(merges < 12, "{merges}");
}
