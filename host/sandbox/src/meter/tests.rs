use super::*;

#[test]
fn only_time_between_start_and_stop_counts() {
    let stopwatch = Stopwatch::new();
    stopwatch.stop();
    assert_eq!(stopwatch.used(), Duration::ZERO);
    stopwatch.start();
    let since = stopwatch.since.load(Ordering::Relaxed);
    stopwatch.start();
    assert_eq!(
        stopwatch.since.load(Ordering::Relaxed),
        since,
        "it runs already"
    );
    stopwatch.stop();
    let used = stopwatch.used();
    stopwatch.stop();
    assert_eq!(stopwatch.used(), used);
    assert!(used.as_nanos() < u128::from(Stopwatch::now()));
}

#[test]
fn all_memories_and_tables_count_together() {
    let limits = Limits {
        memory: 300,
        ..Limits::default()
    };
    let mut meter = Meter::new(&limits, resources(Size::Standard));
    assert!(meter.memory_growing(0, 100, None).is_ok_and(|may| may));
    assert!(meter.memory_growing(0, 100, Some(100)).is_ok_and(|may| may));
    assert!(
        meter.memory_growing(100, 200, Some(150)).is_err(),
        "beyond its own maximum"
    );
    assert!(meter.memory_growing(100, 201, None).is_err());
    assert!(meter.memory_growing(100, 200, None).is_ok_and(|may| may));
    assert_eq!(meter.peak(), 300);
    assert!(meter.table_growing(0, 6_000, None).is_ok_and(|may| may));
    assert!(meter.table_growing(0, 6_000, None).is_err());
}
