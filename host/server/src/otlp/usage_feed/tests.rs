use super::*;

fn traces(from: u128, to: u128) -> BTreeSet<RunId> {
    (from..to)
        .map(|n| RunId::from_bytes(n.to_be_bytes()))
        .collect()
}

#[test]
fn one_is_at_it_until_nothing_waits() {
    let mut waiting = PendingTraces::default();
    assert!(waiting.add("a".into(), traces(0, 2)));
    assert!(!waiting.add("a".into(), traces(1, 3)));
    assert!(!waiting.add("b".into(), traces(7, 8)));
    let new = waiting.take().unwrap();
    assert_eq!(new["a"], Some(traces(0, 3)));
    assert_eq!(new["b"], Some(traces(7, 8)));
    // A report that arrives while the sums are passed on.
    assert!(!waiting.add("a".into(), traces(9, 10)));
    assert_eq!(waiting.take().unwrap()["a"], Some(traces(9, 10)));
    assert!(waiting.take().is_none());
    assert!(waiting.add("a".into(), traces(0, 1)));
}

#[test]
fn of_very_many_traces_the_latest_runs_are_looked_at() {
    let mut waiting = PendingTraces::default();
    waiting.add("a".into(), traces(0, 1_001));
    waiting.add("a".into(), traces(2_000, 2_001));
    assert_eq!(waiting.take().unwrap()["a"], None);
}
