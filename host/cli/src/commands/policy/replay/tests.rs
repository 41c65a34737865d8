use super::*;

#[test]
fn a_threshold_is_a_number_or_a_share() {
    let replayed = |flipped, compared| ReplayReport {
        flipped,
        compared,
        ..ReplayReport::default()
    };
    let exceeded = |text: &str, flipped| {
        Threshold::parse(text)
            .unwrap()
            .exceeded(&replayed(flipped, 1000))
    };
    assert!(exceeded("0", 1) && !exceeded("0", 0) && !exceeded("1", 1));
    assert!(exceeded("0.5%", 6) && !exceeded("0.5%", 5));
    assert!(!Threshold::parse("0%").unwrap().exceeded(&replayed(0, 0)));
    for wrong in ["", "-1", "101%", "x%", "NaN%"] {
        assert!(Threshold::parse(wrong).is_err(), "{wrong}");
    }
}
