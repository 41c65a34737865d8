use super::*;

#[test]
fn the_mean_begins_with_the_first_and_forgets() {
    let pace = LatencyEwma::default();
    assert!(pace.is_unknown());
    pace.took(Duration::from_nanos(400));
    assert_eq!(pace.recent_mean(), Duration::from_nanos(400));
    pace.took(Duration::from_nanos(800));
    assert_eq!(pace.recent_mean(), Duration::from_nanos(500));
    for _ in 0..40 {
        pace.took(Duration::ZERO);
    }
    assert!(pace.recent_mean() < Duration::from_nanos(5));
}
