//! What an upstream server asks a person for, and what the person gives.

use serde_json::Value;
use tollgate::elicitation::{Elicitation, ElicitationView};

use super::{PACKAGE, is_readable, texts};
use crate::Target;

pub(super) const QUESTION: Target = Target {
    name: "question",
    package: PACKAGE,
    corpus: || {
        texts(&[
            r#"[{"message":"Which seat?","requestedSchema":{"type":"object","properties":{"seat":{"type":"string","enum":["aisle","window"],"default":"aisle"},"bags":{"type":"integer","minimum":0,"maximum":3}},"required":["bags"]}},{"bags":1}]"#,
            r#"[{"mode":"form","message":"When?","requestedSchema":{"type":"object","properties":{"day":{"type":"string","format":"date"},"mail":{"type":"string","format":"email","title":"Mail"},"all":{"type":"boolean","default":false},"meals":{"type":"array","minItems":1,"items":{"type":"string","enum":["a","b"]}},"n":{"type":"number","minimum":-1.5}}}},{"day":"2026-11-29","meals":["a","b"],"n":1e2}]"#,
            r#"[{"message":"Size?","requestedSchema":{"type":"object","properties":{"size":{"type":"string","oneOf":[{"const":"s","title":"Small"},{"const":"l","title":"Large"}]}}}},{"size":"l"}]"#,
            r#"[{"mode":"url","message":"Sign in","url":"https://login.example/start?for=1","elicitationId":"e-1"},{}]"#,
        ])
    },
    variants: 2_000,
    check: ask_and_answer,
};

/// A question that is read is read the same from its own form, shows nothing that moves a cursor, and takes content
/// that it takes again unchanged.
fn ask_and_answer(input: &[u8]) {
    let Ok(Value::Array(parts)) = serde_json::from_slice(input) else {
        return;
    };
    let Some(params) = parts.first() else {
        return;
    };
    let elicitation = match Elicitation::parse(params) {
        Ok(elicitation) => elicitation,
        Err(error) => return is_readable(&error.to_string(), 2_000),
    };
    let written = elicitation.to_json();
    let again = Elicitation::parse(&written).expect("what was read can be read");
    assert_eq!(again.to_json(), written);
    shows_everything(&elicitation.view());
    let (Some(form), Some(Value::Object(given))) = (elicitation.form(), parts.get(1)) else {
        return;
    };
    match form.check(given) {
        Ok(content) => assert_eq!(form.check(&content), Ok(content)),
        Err(error) => is_readable(&error.to_string(), 2_000),
    }
}

fn shows_everything(view: &ElicitationView) {
    let fields = view.fields.iter().flat_map(|field| {
        let texts = [&field.title, &field.description].into_iter().flatten();
        texts.chain([&field.name, &field.limits])
    });
    for text in fields.chain([&view.message]).chain(&view.url) {
        let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
        assert!(!text.contains(odd), "{text:?}");
    }
}
