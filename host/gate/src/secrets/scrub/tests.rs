use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE};
use proptest::prelude::*;

use super::*;

const VALUE: &str = r#"pa$$/w"ord+&<~ü>!"#;

fn without(text: &str) -> String {
    String::from_utf8(scrub(
        text.as_bytes().to_vec(),
        [Forms::of(VALUE.as_bytes())].iter(),
    ))
    .unwrap()
}

#[test]
fn every_way_to_write_it_is_found() {
    let form: String = url::form_urlencoded::byte_serialize(VALUE.as_bytes()).collect();
    let hex: String = VALUE.bytes().map(|b| format!("{b:02x}")).collect();
    for written in [
        VALUE.to_owned(),
        serde_json::to_string(VALUE)
            .unwrap()
            .trim_matches('"')
            .to_owned(),
        form,
        "pa%24%24%2Fw%22ord%2B%26%3C~%C3%BC%3E!".into(),
        "pa%24%24%2fw%22ord%2b%26%3c~%c3%bc%3e%21".into(),
        "pa$$/w&quot;ord+&amp;&lt;~ü&gt;!".into(),
        hex.to_uppercase(),
        hex,
    ] {
        assert_eq!(
            without(&format!("<{written}>")),
            format!("<{REMOVED}>"),
            "{written}"
        );
    }
}

#[test]
fn each_character_may_be_escaped_in_its_own_way() {
    let forms = [Forms::of(b"S3cr3tValue")];
    let clean =
        |text: &str| String::from_utf8(scrub(text.as_bytes().to_vec(), forms.iter())).unwrap();
    for written in [
        r"\u0053\u0033cr3tValue",
        r"\x533cr3tValue",
        "%533cr3tValu%65",
        "&#83;3cr3t&#x56;alue",
        r"S%33cr3t&#86;alue",
        r"\123\063cr3tValue",
    ] {
        assert_eq!(
            clean(&format!("<{written}>")),
            format!("<{REMOVED}>"),
            "{written}"
        );
    }
    assert_eq!(clean(r"\u0053 3cr3tValue"), r"\u0053 3cr3tValue");
}

#[test]
fn matches_that_touch_or_overlap_leave_nothing() {
    assert_eq!(
        without(&format!("{VALUE}{VALUE}")),
        format!("{REMOVED}{REMOVED}")
    );
    let both = [Forms::of(b"abcdefgh"), Forms::of(b"efghijkl")];
    assert_eq!(
        scrub(b"abcdefghijkl".to_vec(), both.iter()),
        REMOVED.as_bytes()
    );
    assert_eq!(without("nothing here"), "nothing here");
}

proptest! {
    #[test]
    fn no_neighbours_hide_it(
        value in "[ -~]{8,40}", before in "[ -~]{0,20}", after in "[ -~]{0,20}",
    ) {
        let forms = [Forms::of(value.as_bytes())];
        let whole = format!("{before}{value}{after}");
        for coded in [
            whole.clone(),
            BASE64_STANDARD.encode(&whole),
            BASE64_STANDARD_NO_PAD.encode(&whole),
            BASE64_URL_SAFE.encode(&whole),
        ] {
            let clean = String::from_utf8(scrub(coded.clone().into_bytes(), forms.iter())).unwrap();
            prop_assert!(clean.contains(REMOVED), "{} is still {}", coded, clean);
        }
    }
}
