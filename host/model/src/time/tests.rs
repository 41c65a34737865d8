use super::*;

#[test]
fn times_print_as_rfc_3339() {
    assert_eq!(
        Timestamp(1_795_249_800_250_000).to_string(),
        "2026-11-21T08:30:00.250Z"
    );
    assert_eq!(Timestamp(i64::MAX).to_string(), "9223372036854775807us");
}

#[test]
fn no_duration_is_too_long() {
    assert_eq!(micros(Duration::from_millis(2)), 2_000);
    assert_eq!(micros(Duration::MAX), u64::MAX);
    let now = Timestamp(5);
    assert_eq!(now.before(Duration::from_micros(2)), Timestamp(3));
    assert_eq!(now.after(Duration::from_micros(2)), Timestamp(7));
    assert_eq!(now.before(Duration::MAX), Timestamp(5 - i64::MAX));
    assert_eq!(Timestamp(-5).before(Duration::MAX), Timestamp(i64::MIN));
    assert_eq!(now.after(Duration::MAX), Timestamp(i64::MAX));
}

#[test]
fn differences_never_go_below_zero() {
    assert_eq!(Timestamp(5).since(Timestamp(9)), 0);
    assert_eq!(Timestamp(i64::MIN).since(Timestamp(i64::MAX)), 0);
}
