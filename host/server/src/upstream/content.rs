//! Content of MCP as content of the gate, each part by itself. What cannot be carried becomes a line of text that says
//! so: the call has been made, and what it brought must not be lost for one odd part.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::{Map, Value};
use tollgate::{
    secrets::Vault,
    text::printable,
    tool::{Content, EmbeddedResource, ResourceBody},
    upstream::CallResult,
};

use super::wire::Reply;

/// Parts of a result that are kept.
const MAX_PARTS: usize = 1_000;
/// Characters of a name or a URI in a line of text.
const MAX_NAME: usize = 200;
/// Bytes of a URI that is carried.
const MAX_URI: usize = 8_000;
/// Members of a result that are not its content.
const ENVELOPE: &[&str] = &["_meta", "isError", "resultType", "structuredContent"];
/// Base64 as servers write it.
const LOOSE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How a call ended that was answered. `output` is the tool's output schema; what is cut here is first rid of
/// `secrets`.
pub(super) fn ending(reply: Option<Reply>, output: Option<&Value>, secrets: &Vault) -> CallResult {
    match reply {
        Some(Reply::Answer(result)) => answered(result, output, secrets),
        Some(Reply::Unusable(why)) => CallResult::Unusable(why),
        Some(Reply::Lost(why)) => CallResult::Lost(why),
        None => CallResult::Unusable("the server's answer is not the result of a call".into()),
    }
}

fn answered(result: Value, output: Option<&Value>, secrets: &Vault) -> CallResult {
    let mut result = match result {
        Value::Object(result) => result,
        Value::Null => return CallResult::Unusable("the server's answer is empty".into()),
        content => Map::from_iter([("content".to_owned(), content)]),
    };
    match result.get("resultType").and_then(Value::as_str) {
        None | Some("complete") => {}
        Some("input_required") => {
            let why = "the server asks for input in the middle of the call, which this gate does not pass on";
            return CallResult::Unusable(why.into());
        }
        Some(_) => {
            let why = "the server's answer is of a kind that this gate does not know";
            return CallResult::Unusable(why.into());
        }
    }
    let failed = match result.get("isError") {
        Some(Value::Bool(failed)) => *failed,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    };
    let structured = structured(result.remove("structuredContent"), output);
    let mut content = match result.remove("content") {
        Some(content) => parts(content, secrets),
        None => {
            // By any name that the server uses.
            result.retain(|key, value| !ENVELOPE.contains(&key.as_str()) && !value.is_null());
            match result.is_empty() {
                true => Vec::new(),
                false => vec![text(Value::Object(result).to_string())],
            }
        }
    };
    content.extend(structured.map(Content::Structured));
    CallResult::Returned { content, failed }
}

/// Structured content. An empty list is an empty object where the tool promises objects: some languages have one form
/// for both.
fn structured(value: Option<Value>, output: Option<&Value>) -> Option<Value> {
    let value = value.filter(|value| !value.is_null())?;
    let kind = output.and_then(|schema| schema.get("type"));
    let is_empty_list = value.as_array().is_some_and(Vec::is_empty);
    match is_empty_list && kind.is_some_and(|kind| kind == "object") {
        true => Some(Value::Object(Map::new())),
        false => Some(value),
    }
}

/// The parts, and one more where they are too many: that shows that some are missing.
fn parts(content: Value, secrets: &Vault) -> Vec<Content> {
    match content {
        Value::Null => Vec::new(),
        Value::Array(items) => {
            let parts = items.into_iter().flat_map(|item| part(item, secrets));
            parts.take(MAX_PARTS + 1).collect()
        }
        one => part(one, secrets),
    }
}

/// A part, and perhaps a line about it.
fn part(part: Value, secrets: &Vault) -> Vec<Content> {
    let mut part = match part {
        Value::Object(part) => part,
        Value::Null => return Vec::new(),
        Value::String(plain) => return vec![text(plain)],
        other => return vec![text(other.to_string())],
    };
    let kind = part.get("type").and_then(Value::as_str).unwrap_or("text");
    match kind {
        "text" => match part.remove("text") {
            Some(Value::String(plain)) => vec![text(plain)],
            Some(Value::Null) => Vec::new(),
            Some(other) => vec![text(other.to_string())],
            None => vec![text(Value::Object(part).to_string())],
        },
        "image" => vec![image(&part)],
        "resource" => match part.get("resource") {
            Some(Value::Object(resource)) => embedded(resource, secrets),
            // Some put its members next to the kind.
            _ => embedded(&part, secrets),
        },
        "resource_link" => vec![link(&part, secrets)],
        "audio" => vec![left_out("audio, which this gate does not carry")],
        other => {
            let kind = name(other, secrets);
            vec![left_out(&format!(
                "a part of the kind `{kind}`, which this gate does not carry"
            ))]
        }
    }
}

fn text(text: String) -> Content {
    Content::Text { text }
}

/// A name or a URI of the server's. A secret that is cut would be known no more, so it is taken out before.
fn name(text: &str, secrets: &Vault) -> String {
    printable(&secrets.clean(text), MAX_NAME)
}

fn left_out(what: &str) -> Content {
    text(format!("[left out: {what}]"))
}

fn member<'p>(part: &'p Map<String, Value>, key: &str) -> Option<&'p str> {
    part.get(key).and_then(Value::as_str)
}

fn image(part: &Map<String, Value>) -> Content {
    let Some(data) = member(part, "data").and_then(bytes) else {
        return left_out("an image whose data is not base64");
    };
    let media_type = media_type(part)
        .or_else(|| of_magic(&data).map(str::to_owned))
        .unwrap_or_else(|| "application/octet-stream".into());
    Content::Image { data, media_type }
}

/// An embedded resource, with a line where its URI is none.
fn embedded(resource: &Map<String, Value>, secrets: &Vault) -> Vec<Content> {
    let given = member(resource, "uri").unwrap_or_default();
    let (uri, is_uri) = uri(given);
    let body = match (member(resource, "text"), member(resource, "blob")) {
        (Some(plain), _) => ResourceBody::Text(plain.to_owned()),
        (None, Some(blob)) => match bytes(blob) {
            Some(data) => ResourceBody::Blob(data),
            None => return vec![left_out("a resource whose data is not base64")],
        },
        (None, None) => return vec![left_out("a resource without content")],
    };
    let mut content = Vec::new();
    if !is_uri {
        let given = name(given, secrets);
        content.push(text(format!(
            "[the name `{given}` of this resource is not a URI]"
        )));
    }
    content.push(Content::Resource {
        resource: EmbeddedResource {
            uri,
            media_type: media_type(resource),
            body,
        },
    });
    content
}

fn link(part: &Map<String, Value>, secrets: &Vault) -> Content {
    let shown = |key: &str| member(part, key).map(|text| name(text, secrets));
    let uri = shown("uri").unwrap_or_default();
    let link = match shown("title").or_else(|| shown("name")) {
        Some(name) => format!("[resource {name}: {uri}]"),
        None => format!("[resource {uri}]"),
    };
    text(link)
}

/// A URI in which everything that has no place in one is escaped, and whether it was one with a scheme. One without gets
/// the scheme `unknown`.
fn uri(text: &str) -> (String, bool) {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
        if escaped.len() > MAX_URI {
            return ("unknown:".into(), false);
        }
    }
    let scheme = escaped.split_once(':').is_some_and(|(scheme, _)| {
        scheme.len() > 1
            && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    });
    match scheme {
        true => (escaped, true),
        false => (format!("unknown:{escaped}"), false),
    }
}

/// The media type, if it is one.
fn media_type(part: &Map<String, Value>) -> Option<String> {
    let text = member(part, "mimeType")?.trim();
    let (kind, rest) = text.split_once('/')?;
    let plain = text.len() <= 255 && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    (plain && !kind.is_empty() && !rest.is_empty()).then(|| text.to_owned())
}

/// The type of a picture by its first bytes.
fn of_magic(data: &[u8]) -> Option<&'static str> {
    const KNOWN: &[(&[u8], &str)] = &[
        (b"\x89PNG", "image/png"),
        (b"\xFF\xD8\xFF", "image/jpeg"),
        (b"GIF8", "image/gif"),
        (b"RIFF", "image/webp"),
    ];
    let known = KNOWN.iter().find(|(magic, _)| data.starts_with(magic));
    known.map(|(_, kind)| *kind)
}

/// Base64 with line ends, without padding, in the alphabet for URLs, or in a `data:` URL.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let text = match text.trim_start().strip_prefix("data:") {
        Some(url) => url.split_once(";base64,")?.1,
        None => text,
    };
    let plain: Vec<u8> = text
        .bytes()
        .filter(|b| !b.is_ascii_whitespace())
        .map(|b| match b {
            b'-' => b'+',
            b'_' => b'/',
            b => b,
        })
        .collect();
    LOOSE.decode(plain).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;
    use tollgate::secrets::{SecretConfig, SecretSource};

    use super::*;

    fn none() -> Vault {
        Vault::new(&BTreeMap::new())
    }

    fn returned(result: Value) -> Value {
        match ending(Some(Reply::Answer(result)), None, &none()) {
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
            Some(Reply::Answer(json!({"resultType": "input_required"}))),
            None,
            &none(),
        );
        assert!(matches!(asks, CallResult::Unusable(_)));
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
        let read = ending(Some(Reply::Answer(result)), None, &secrets);
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
            let _ = ending(Some(Reply::Answer(result)), None, &none());
        }
    }
}
