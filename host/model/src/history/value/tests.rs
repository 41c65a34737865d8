//! Tests of values of facts.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: Timestamp = Timestamp(1_795_249_800_000_000);

#[test]
fn decimals_are_exact_or_refused() {
    for (text, amount) in [
        ("0", Some(0)),
        ("12.5", Some(125_000)),
        ("-0.0001", Some(-1)),
        ("1.50000", Some(15_000)),
        ("1.00001", None),
        ("1e3", None),
        ("1,000.00", None),
        (".5", None),
        ("5.", None),
        ("", None),
        ("-", None),
        ("+1", None),
        ("1000000000000000", None),
        ("922337203685477.5807", Some(i64::MAX)),
        ("922337203685477.5808", None),
    ] {
        assert_eq!(decimal_amount(text), amount, "{text}");
    }
}

#[test]
fn what_people_write_is_read_by_the_type_of_the_fact() {
    let read = |written, ty| FactValue::parse(&written, ty, NOW);
    assert_eq!(read(json!(3), FactType::Long), Ok(FactValue::Long(3)));
    assert_eq!(
        read(json!(12.5), FactType::Decimal),
        Ok(FactValue::Decimal(125_000))
    );
    assert_eq!(
        read(json!("10m ago"), FactType::Datetime),
        Ok(FactValue::Datetime(Timestamp(NOW.0 - 600_000_000)))
    );
    for (written, ty) in [
        (json!("3"), FactType::Long),
        (json!(1.5), FactType::Long),
        (json!("ten"), FactType::Decimal),
        (json!("yesterday"), FactType::Datetime),
        (json!(null), FactType::Datetime),
    ] {
        assert!(read(written.clone(), ty).is_err(), "{written}");
    }
}

proptest! {
    #[test]
    fn what_is_shown_is_read_again(amount: i64) {
        let shown = FactValue::Decimal(amount).to_string();
        prop_assert_eq!(decimal_amount(&shown), Some(amount).filter(|a| *a != i64::MIN));
    }
}
