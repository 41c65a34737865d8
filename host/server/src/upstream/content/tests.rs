use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;
use tollgate::secrets::{SecretConfig, SecretSource};

use super::*;

fn none() -> Vault {
    Vault::new(&BTreeMap::new())
}

fn returned(result: Value) -> Value {
    match ending(Feature::Tool, Some(Reply::Answer(result)), None, &none()) {
        CallResult::Returned { content, failed } => {
            json!({"content": content, "failed": failed})
        }
        other => panic!("{other:?}"),
    }
}

fn content(result: Value) -> Value {
    returned(result)["content"].clone()
}

fn line(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

#[test]
fn every_kind_of_content_has_its_place() {
    let read = content(json!({"content": [
        {"type": "text", "text": "a"},
        {"type": "image", "data": "AQI=", "mimeType": "image/png"},
        {"type": "audio", "data": "AQI=", "mimeType": "audio/wav"},
        {"type": "resource", "resource": {"uri": "a:b", "text": "x", "mimeType": "pdf"}},
        {"type": "resource", "resource": {"uri": "ab:b", "blob": "AQI="}},
        {"type": "resource_link", "uri": "https://x/a b", "name": "n"},
        {"type": "chart", "points": [1]},
    ], "structuredContent": {"n": 1}}));
    assert_eq!(
        read,
        json!([
            line("a"),
            {"type": "image", "data": "AQI=", "mimeType": "image/png"},
            line("[left out: audio, which this gate does not carry]"),
            line("[the name `a:b` of this resource is not a URI]"),
            {"type": "resource", "resource": {"uri": "unknown:a:b", "text": "x"}},
            {"type": "resource", "resource": {"uri": "ab:b", "blob": "AQI="}},
            line("[resource n: https://x/a b]"),
            line("[left out: a part of the kind `chart`, which this gate does not carry]"),
            {"type": "structured", "value": {"n": 1}},
        ])
    );
}

#[test]
fn every_shape_that_can_be_understood_is_carried() {
    for (result, expected) in [
        (json!({"content": "just text"}), json!([line("just text")])),
        (
            json!({"content": {"type": "text", "text": "one"}}),
            json!([line("one")]),
        ),
        (
            json!({"content": [{"text": "no kind"}, "plain", 7, null]}),
            json!([line("no kind"), line("plain"), line("7")]),
        ),
        (
            json!({"content": [{"type": "text", "text": null}]}),
            json!([]),
        ),
        (
            json!({"content": null, "structuredContent": null}),
            json!([]),
        ),
        (json!({}), json!([])),
        (
            json!({"toolResult": {"a": 1}, "_meta": {}}),
            json!([line(r#"{"toolResult":{"a":1}}"#)]),
        ),
        (json!("bare"), json!([line("bare")])),
        (
            json!({"structuredContent": [1]}),
            json!([{"type": "structured", "value": [1]}]),
        ),
    ] {
        assert_eq!(content(result.clone()), expected, "{result}");
    }
    assert_eq!(returned(json!({"isError": "true"}))["failed"], true);
    assert_eq!(returned(json!({"isError": null}))["failed"], false);
    let asks = ending(
        Feature::Tool,
        Some(Reply::Answer(json!({"resultType": "input_required"}))),
        None,
        &none(),
    );
    assert!(matches!(asks, CallResult::Unusable(_)));
}

fn of(feature: Feature, result: Value) -> CallResult {
    ending(feature, Some(Reply::Answer(result)), None, &none())
}

#[test]
fn a_prompt_has_a_part_for_each_message_and_their_roles_before_them() {
    let prompt = json!({"description": "How to greet.", "messages": [
        {"role": "user", "content": {"type": "text", "text": "Hello"}},
        {"role": "assistant", "content": [{"type": "text", "text": "Hi"}, {"type": "audio"}]},
        {"role": 7, "content": {"type": "resource", "resource": {"uri": "a b", "text": "x"}}},
        {"role": "user"},
    ]});
    let CallResult::Returned { content, failed } = of(Feature::Prompt, prompt) else {
        panic!()
    };
    assert!(!failed);
    let roles = ["user", "assistant", "assistant", "user"];
    let about = json!({"type": "structured",
        "value": {"roles": roles, "description": "How to greet."}});
    assert_eq!(
        json!(content),
        json!([
            about,
            line("Hello"),
            line("Hi"),
            line("[left out: audio, which this gate does not carry]"),
            {"type": "resource", "resource": {"uri": "unknown:a%20b", "text": "x"}},
        ])
    );
    let many = json!({"messages": vec![json!({"content": "x"}); 3 * MAX_PARTS]});
    let CallResult::Returned { content, .. } = of(Feature::Prompt, many) else {
        panic!()
    };
    assert_eq!(content.len(), MAX_PARTS + 2);
}

#[test]
fn what_is_neither_messages_nor_contents_is_unusable() {
    for (feature, result) in [
        (Feature::Prompt, json!({})),
        (Feature::Prompt, json!({"messages": "x"})),
        (Feature::Prompt, json!({"contents": []})),
        (Feature::Prompt, Value::Null),
        (Feature::Resources, json!({"contents": {}})),
        (Feature::Resources, json!([])),
        (Feature::Resources, json!({"resultType": "input_required"})),
    ] {
        let ended = of(feature, result.clone());
        assert!(
            matches!(ended, CallResult::Unusable(_)),
            "{result}: {ended:?}"
        );
    }
    let read = of(
        Feature::Resources,
        json!({"contents": [{"uri": "ab:b", "text": "x"}, 7]}),
    );
    let CallResult::Returned { content, .. } = read else {
        panic!()
    };
    assert_eq!(content.len(), 2);
}

#[test]
fn there_is_an_end_to_parts() {
    let many = vec![json!("x"); 3 * MAX_PARTS];
    let read = content(json!({"content": many}));
    assert_eq!(read.as_array().unwrap().len(), MAX_PARTS + 1);
}

#[tokio::test]
async fn no_name_ends_within_a_secret() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let secret = "S3cr3tValue-0123456789";
    std::fs::write(file.path(), secret).unwrap();
    let config = SecretConfig {
        source: SecretSource::File(file.path().into()),
        labels: None,
    };
    let secrets = Vault::new(&BTreeMap::from([("token".to_owned(), config)]));
    secrets.secret("token").await.unwrap();
    let long = format!("{}{secret}", "x".repeat(MAX_NAME - 10));
    let result = json!({"content": [
        {"type": long, "a": 1},
        {"type": "resource_link", "name": long, "uri": long},
    ]});
    let read = ending(Feature::Tool, Some(Reply::Answer(result)), None, &secrets);
    assert!(!format!("{read:?}").contains("S3c"), "{read:?}");
}

#[test]
fn an_empty_list_is_an_empty_object_where_one_is_promised() {
    let schema = json!({"type": "object"});
    let empty = Some(json!([]));
    assert_eq!(structured(empty.clone(), Some(&schema)), Some(json!({})));
    assert_eq!(structured(empty.clone(), None), empty);
}

#[test]
fn base64_and_uris_are_read_as_servers_write_them() {
    for written in [
        "-_8=",
        "+/8",
        "+/8=",
        "+\n/8=\r\n",
        "data:image/png;base64,+/8=",
    ] {
        assert_eq!(bytes(written), Some(vec![0xFB, 0xFF]), "{written}");
    }
    assert_eq!(bytes("?"), None);
    for (given, expected, is_uri) in [
        (
            "paperless://documents/7/annual report.pdf",
            "paperless://documents/7/annual%20report.pdf",
            true,
        ),
        ("file:///srv/ü.txt", "file:///srv/%C3%BC.txt", true),
        ("doc://{id}", "doc://%7Bid%7D", true),
        ("my_app://item/1", "unknown:my_app://item/1", false),
        ("invoice.pdf", "unknown:invoice.pdf", false),
        ("C:\\docs\\a.txt", "unknown:C:%5Cdocs%5Ca.txt", false),
        ("", "unknown:", false),
    ] {
        assert_eq!(uri(given), (expected.to_owned(), is_uri));
    }
    let image = content(json!({"content": [{"type": "image", "data": "iVBORw0="}]}));
    assert_eq!(image[0]["mimeType"], "image/png");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z:/ =é]{0,8}".prop_map(Value::from),
        prop_oneof![Just("text"), Just("image"), Just("resource"), Just("chart")]
            .prop_map(Value::from),
    ];
    let key = prop_oneof![
        Just("content"),
        Just("type"),
        Just("text"),
        Just("data"),
        Just("mimeType"),
        Just("resource"),
        Just("uri"),
        Just("blob"),
        Just("structuredContent"),
        Just("isError"),
        Just("x")
    ];
    leaf.prop_recursive(4, 48, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((key.clone(), inner), 0..5).prop_map(|members| {
                Value::Object(
                    members
                        .into_iter()
                        .map(|(k, v)| (k.to_owned(), v))
                        .collect(),
                )
            }),
        ]
    })
}

proptest! {
    /// A healthy part arrives among parts of any form.
    #[test]
    fn no_part_costs_another(before in any_json(), after in any_json(), structured in any_json()) {
        let result = json!({"content": [before, {"type": "text", "text": "healthy"}, after],
            "structuredContent": structured});
        let read = content(result);
        prop_assert!(read.as_array().unwrap().contains(&line("healthy")));
    }

    /// No answer makes it panic.
    #[test]
    fn any_result_is_taken(result in any_json()) {
        let _ = ending(Feature::Tool, Some(Reply::Answer(result)), None, &none());
    }
}
