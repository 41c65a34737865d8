use super::*;

#[test]
fn times_are_typed_in_many_ways() {
    let now = Timestamp(1_795_249_800_000_000);
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let at = |text: &str| TimeArg::parse(text).unwrap().at(now, &zone).to_string();
    assert_eq!(at("2h"), "2026-11-21T06:30:00.000Z");
    assert_eq!(at("7d"), "2026-11-14T08:30:00.000Z");
    assert_eq!(at("2026-11-21"), "2026-11-20T23:00:00.000Z");
    assert_eq!(at("2026-11-21T08:30:00"), "2026-11-21T07:30:00.000Z");
    assert_eq!(at("2026-11-21T08:30:00Z"), "2026-11-21T08:30:00.000Z");
    assert!(TimeArg::parse("yesterday").is_err());
    assert!(duration("soon").is_err());
}
