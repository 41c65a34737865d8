use super::*;

#[test]
fn pauses_grow_to_a_minute_and_end_with_a_success() {
    let now = Timestamp(1_000_000_000);
    let mut backoff = Backoff::new();
    assert!(backoff.allows(now));
    for _ in 0..20 {
        backoff.failed(now, u64::MAX, None);
        assert!(!backoff.allows(now));
    }
    assert!(!backoff.allows(now.after(LONGEST / 2 - Duration::from_micros(1))));
    assert!(backoff.allows(now.after(LONGEST)));
    backoff.succeeded();
    assert!(backoff.allows(now));
    backoff.failed(now, 0, Some(Duration::from_secs(30)));
    assert_eq!(backoff.not_before, now.plus(30_000_000));
    backoff.failed(now, 0, Some(Duration::from_secs(86_400)));
    assert_eq!(backoff.not_before, now.after(LONGEST));
}
