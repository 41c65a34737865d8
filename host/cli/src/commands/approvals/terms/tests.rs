use super::*;

#[test]
fn an_argument_may_differ_in_four_ways() {
    for (text, pointer, allowance) in [
        ("/reason=any", "/reason", json!("any")),
        ("/amount=at-most:5.5", "/amount", json!({ "at_most": 5.5 })),
        (
            "/path=prefix:/a=b:c/",
            "/path",
            json!({ "prefix": "/a=b:c/" }),
        ),
        (
            "/a~1b=one-of:[\"x\",1]",
            "/a~1b",
            json!({ "one_of": ["x", 1] }),
        ),
    ] {
        let parsed = difference(text).unwrap();
        assert_eq!(parsed, (pointer.to_owned(), allowance), "{text}");
    }
}

#[test]
fn anything_else_names_the_form() {
    for text in [
        "reason=any",
        "/reason",
        "/reason=",
        "/reason=some",
        "/amount=at-most:much",
        "/currency=one-of:EUR",
        "/currency=one-of:{}",
    ] {
        assert!(
            difference(text).unwrap_err().contains("write it as"),
            "{text}"
        );
    }
}
