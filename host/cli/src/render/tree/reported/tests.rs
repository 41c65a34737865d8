use super::*;

#[test]
fn costs_are_told_to_a_hundredth_of_a_cent() {
    let told = |nano| {
        let usage = Usage {
            cost_nano: nano,
            ..Usage::default()
        };
        cost(&usage, "USD")
    };
    assert_eq!(told(None), "");
    assert_eq!(told(Some(0)), "0.0000 USD");
    assert_eq!(told(Some(1)), "< 0.0001 USD");
    assert_eq!(told(Some(12_345_678)), "0.0123 USD");
    assert_eq!(told(Some(2_000_000_000)), "2.0000 USD");
    assert_eq!(told(Some(u64::MAX)), "18446744073.7095 USD");
}
