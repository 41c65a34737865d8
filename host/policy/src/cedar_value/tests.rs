use proptest::prelude::*;

use super::*;

proptest! {
    /// Times and durations have the values that their texts say.
    #[test]
    fn times_are_those_that_their_texts_say(milliseconds in 0_u64..253_402_300_800_000) {
        let time = jiff::Timestamp::from_millisecond(i64::try_from(milliseconds).unwrap()).unwrap();
        prop_assert_eq!(datetime(milliseconds).unwrap(), datetime_from(&format!("{time:.3}")).unwrap());
        let text = format!("{milliseconds}ms");
        prop_assert_eq!(duration(milliseconds).unwrap(), DURATION.call(&[text.into()]).unwrap());
    }
}

#[test]
fn what_has_no_value_has_none() {
    assert_eq!(duration(u64::MAX), None);
    assert_eq!(decimal("0.00001"), None);
    assert_eq!(ip("10.0.0.256"), None);
    assert_eq!(datetime_from("yesterday"), None);
    assert_eq!(decimal("0.0"), DECIMAL.call(&["0.00".into()]));
}
