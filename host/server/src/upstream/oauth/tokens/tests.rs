use super::*;

#[test]
fn a_token_is_renewed_a_quarter_of_its_life_before_its_end_and_at_most_half_a_minute() {
    let second = 1_000_000;
    for (life, due) in [(8, 6), (60, 45), (120, 90), (3600, 3570)] {
        let expires = Timestamp(life * second);
        let renewal = Renewal::of(Timestamp(0), Some(expires));
        assert_eq!(renewal, Renewal::At(Timestamp(due * second)), "{life}");
        assert!(!renewal.is_due(Timestamp(due * second - 1)));
        assert!(renewal.is_due(Timestamp(due * second)));
    }
    assert!(!Renewal::of(Timestamp(0), None).is_due(Timestamp(i64::MAX)));
    // The clock was set back: it is as good as expired.
    let past = Renewal::of(Timestamp(second), Some(Timestamp(0)));
    assert!(past.is_due(Timestamp(second)));
}
