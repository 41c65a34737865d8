use super::*;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(60);

#[test]
fn pauses_double_up_to_the_longest_and_begin_again_after_a_success() {
    let mut backoff = Backoff::new(FIRST, LONGEST);
    let millis: Vec<u128> = (0..9).map(|_| backoff.fail().as_millis()).collect();
    assert_eq!(
        millis,
        [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]
    );
    for _ in 0..100 {
        assert_eq!(backoff.fail(), LONGEST);
    }
    assert_eq!(backoff.failures(), 109);
    backoff.reset();
    assert_eq!((backoff.failures(), backoff.fail()), (0, FIRST));
}

#[test]
fn jitter_is_between_half_of_the_pause_and_all_of_it() {
    for (random, pause) in [
        (0, Duration::from_millis(250)),
        (250_000, FIRST),
        (250_001, Duration::from_millis(250)),
    ] {
        let mut backoff = Backoff::new(FIRST, LONGEST);
        assert_eq!(backoff.fail_with_jitter(random), pause, "{random}");
    }
    let mut longest = Backoff::new(Duration::MAX, Duration::MAX);
    assert!(longest.fail_with_jitter(u64::MAX) >= Duration::MAX / 2);
}
