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
fn differences_never_go_below_zero() {
    assert_eq!(Timestamp(5).since(Timestamp(9)), 0);
    assert_eq!(Timestamp(i64::MIN).since(Timestamp(i64::MAX)), 0);
}
