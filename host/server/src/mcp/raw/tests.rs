use proptest::prelude::*;

use super::*;

fn read(text: &str) -> (Option<String>, Option<String>) {
    let raw = RawMessage::read(text.as_bytes());
    let arguments = raw.arguments.map(|raw| raw.0.to_string());
    (arguments, raw.problem)
}

#[test]
fn arguments_are_kept_as_they_were_written() {
    for (text, expected) in [
        (r#"{"a":1,"a":2}"#, Some(r#"{"a":1,"a":2}"#)),
        (r#" {"a": 1e2} "#, Some(r#"{"a": 1e2}"#)),
        ("null", None),
        ("[]", None),
        (r#""{}""#, None),
    ] {
        let call = format!(
            r#"{{"id":1,"method":"tools\/call","params":{{"name":"t","arguments":{text}}}}}"#
        );
        let (arguments, problem) = read(&call);
        assert_eq!(arguments.as_deref(), expected, "{call}");
        assert_eq!(problem, None);
    }
}

#[test]
fn what_readers_understand_differently_is_not_taken() {
    for (text, words) in [
        (
            r#"{"id":1,"method":"tools/call","params":{"name":"a","name":"b"}}"#,
            "/params/name",
        ),
        (
            r#"{"id":1,"method":"ping","method":"tools/call"}"#,
            "/method",
        ),
        (
            r#"{"id":1,"method":"tools/call","params":{},"par\u0061ms":{}}"#,
            "/params",
        ),
        (
            r#"{"id":1,"method":"resources/read","params":{"uri":"a:b","uri":"c:d"}}"#,
            "/params/uri",
        ),
        (r#"{"id":1.5,"method":"ping"}"#, "text or an integer"),
        (r#"{"id":null,"method":"ping"}"#, "text or an integer"),
    ] {
        let problem = read(text).1.unwrap();
        assert!(problem.contains(words), "{problem}");
    }
    for fine in [
        r#"{"id":9007199254740993,"method":"ping"}"#,
        r#"{"method":"notifications/x","params":{"a":1,"a":2}}"#,
        r#"{"id":null,"method":"notifications/initialized"}"#,
        "[1]",
        "{",
    ] {
        assert_eq!(read(fine).1, None, "{fine}");
    }
}

#[test]
fn one_of_the_two_types_is_enough() {
    let of = |method: Method, values: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::ACCEPT, HeaderValue::from_str(value).unwrap());
        }
        accepted(&method, &headers)
    };
    for values in [
        &[][..],
        &["*/*"],
        &["application/json"],
        &["text/event-stream"],
        &["application/*, text/*"],
        &["text/event-stream;q=0.9 , Application/JSON;q=1"],
        &["application/json", "text/event-stream"],
    ] {
        let accepted = of(Method::POST, values);
        assert_eq!(
            accepted,
            Some("application/json, text/event-stream"),
            "{values:?}"
        );
    }
    for values in [&["text/html"][..], &["*/*;q=0"], &[""]] {
        assert_eq!(of(Method::POST, values), None, "{values:?}");
    }
    assert_eq!(of(Method::GET, &["*/*"]), Some("text/event-stream"));
    assert_eq!(of(Method::GET, &["application/json"]), None);
    assert_eq!(of(Method::GET, &[]), None);
}

#[test]
fn a_model_is_told_what_arguments_are() {
    assert!(
        no_object(&json!("{}"))
            .unwrap()
            .contains("is a string and must be an object")
    );
    for fine in [json!(null), json!([]), json!({"a": 1})] {
        assert_eq!(no_object(&fine), None);
    }
}

proptest! {
    /// No message makes it panic, and arguments come out as they went in.
    #[test]
    fn any_message_is_taken(text in ".{0,60}", key in "[a-z]{1,4}", n in any::<i32>()) {
        let _ = RawMessage::read(text.as_bytes());
        let arguments = format!("{{\"{key}\":{n},\"{key}\":{n}}}");
        let call = format!("{{\"id\":{n},\"method\":\"tools/call\",\"params\":{{\"arguments\":{arguments}}}}}");
        prop_assert_eq!(read(&call).0, Some(arguments));
    }
}
