use super::*;

#[test]
fn a_release_costs_what_its_model_does_and_no_other_model_does() {
    let mut prices = PricesConfig::default();
    prices.models.insert("claude-3".into(), Price::default());
    prices.models.insert("gpt-4o".into(), Price::default());
    for known in [
        "gpt-4o",
        "gpt-4o-2024-08-06",
        "gpt-4o-20240806",
        "claude-3@20240229",
    ] {
        assert!(prices.of(known).is_some(), "{known}");
    }
    for unknown in [
        "gpt-4o-mini",
        "gpt-4",
        "claude-3-5",
        "gpt-4o-mini-2024-07-18",
        "",
    ] {
        assert!(prices.of(unknown).is_none(), "{unknown}");
    }
}
