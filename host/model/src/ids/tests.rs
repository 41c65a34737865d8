use super::*;

#[test]
fn ids_round_trip_as_text() {
    let run = RunId::at(1_795_219_200_000, [0xff; 10]);
    assert_eq!(run.to_string().parse(), Ok(run));
    // The layout of RFC 9562, section 5.7: time, version, random, variant, random.
    assert_eq!(run.to_string(), "01a1fb6718007fffbfffffffffffffff");
    let approval = ApprovalId::from_bytes([7; 8]);
    assert_eq!(approval.to_string(), "apr-0707070707070707");
    assert_eq!(approval.to_string().parse(), Ok(approval));
    assert_eq!("dec-42".parse(), Ok(DecisionId(42)));
}

#[test]
fn malformed_ids_are_refused() {
    for text in ["", "dec-", "dec-+1", "dec-x", "42"] {
        assert!(text.parse::<DecisionId>().is_err(), "{text}");
    }
    for text in [
        "",
        "ABCDEF0123456789",
        "0123456789abcdeg",
        "é123456789abcde",
        "0x0123456789abcd",
        "+123456789abcdef",
    ] {
        assert!(text.parse::<SpanId>().is_err(), "{text}");
    }
}
