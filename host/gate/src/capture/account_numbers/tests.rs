use proptest::prelude::*;

use super::*;

fn kinds(text: &str) -> Vec<(&str, &'static str)> {
    let found = find(text).into_iter();
    found
        .map(|number| (&text[number.place], number.kind))
        .collect()
}

/// Numbers that networks and banks publish for tests.
#[test]
fn test_numbers_of_each_network_are_found() {
    for card in [
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111111111111111",
        "5555555555554444",
        "2223003122003222",
        "378282246310005",
        "3782 822463 10005",
        "30569309025904",
        "6011111111111117",
        "3530111333300000",
        "4222222222222",
    ] {
        let text = format!("card {card}, expires 12/27");
        assert_eq!(kinds(&text), [(card, "card-number")], "{text}");
    }
    for iban in [
        "DE89370400440532013000",
        "DE89 3704 0044 0532 0130 00",
        "GB29 NWBK 6016 1331 9268 19",
        "fr1420041010050500013m02606",
        "NO9386011117947",
    ] {
        let text = format!("from \"{iban}\".");
        assert_eq!(kinds(&text), [(iban, "iban")], "{text}");
    }
}

#[test]
fn other_numbers_stay() {
    for text in [
        "4111 1111 1111 1112",
        "1795428000000000",
        "order 4111 1111",
        "x4111111111111111",
        "4111111111111111x",
        "DE88370400440532013000",
        "DE89 3704",
        "hmac:v1:90873f994111111111111111",
        "ß4",
    ] {
        assert_eq!(kinds(text), [], "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_searched(text in "(?s).{0,200}") {
        let found = find(&text);
        for number in &found {
            prop_assert!(text.get(number.place.clone()).is_some());
        }
        for pair in found.windows(2) {
            prop_assert!(pair[0].place.end <= pair[1].place.start);
        }
    }

    #[test]
    fn a_changed_digit_is_no_card(place in 0_usize..16, by in 1_u8..10) {
        let mut digits: Vec<u8> = b"4111111111111111".iter().map(|d| d - b'0').collect();
        digits[place] = (digits[place] + by) % 10;
        prop_assert!(!is_card(&digits));
    }
}
