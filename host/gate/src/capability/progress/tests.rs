use super::*;

#[test]
fn only_what_goes_on_is_taken_and_no_more_than_some() {
    let mut reported = ReportCount::default();
    assert!(reported.take(5.0) && reported.take(5.5));
    assert!(!reported.take(5.5) && !reported.take(4.0));
    let taken = (6..1_000).filter(|n| reported.take(f64::from(*n))).count();
    assert_eq!(taken as u32, MAX_REPORTS - 2);
}
