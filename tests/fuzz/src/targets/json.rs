//! RFC 8785.

use serde_json::Value;
use tollgate_model::canonical::{parse, parse_with_any_number, to_canonical};

use super::{PACKAGE, is_readable, texts};
use crate::Target;

pub(super) const CANONICAL_JSON: Target = Target {
    name: "canonical_json",
    package: PACKAGE,
    corpus: || {
        texts(&[
            r#"{"b":[1,2.50,-0,1e2],"a":{"é":"ü","€":"\u20ac\n"}}"#,
            r#"{"key":1,"k\u0065y":2}"#,
            "[9007199254740991,-9007199254740991,9007199254740992]",
            "[1e-7,1E21,0.1,123456789.125,5.0,-0.0]",
            "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
            r#""\ud83d\ude00 \ud83d \u0000""#,
            " { } ",
            "nul",
        ])
    },
    variants: 3_000,
    check: canonical_json,
};

/// What is read has one canonical form, which reads back as the same; a refusal says where.
fn canonical_json(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match parse(&text) {
        Ok(value) => {
            let form = to_canonical(&value).unwrap();
            let form = String::from_utf8(form).unwrap();
            let again = parse(&form).expect("a canonical form is read");
            assert_eq!(again, value);
            assert_eq!(to_canonical(&again).unwrap(), form.as_bytes());
            assert_eq!(parse_with_any_number(&text).as_ref(), Ok(&value));
            assert!(
                serde_json::from_str::<Value>(&text).is_ok(),
                "others read it, too"
            );
        }
        Err(error) => {
            is_readable(&error.to_string(), 600);
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
}
