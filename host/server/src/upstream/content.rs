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
    tool::{Content, EmbeddedResource, Feature, ResourceBody},
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
pub(super) fn ending(
    feature: Feature,
    reply: Option<Reply>,
    output: Option<&Value>,
    secrets: &Vault,
) -> CallResult {
    match reply {
        Some(Reply::Answer(result)) => answered(feature, result, output, secrets),
        Some(Reply::Unusable(why)) => CallResult::Unusable(why),
        Some(Reply::Lost(why)) => CallResult::Lost(why),
        None => CallResult::Unusable("the server's answer is not the result of a call".into()),
    }
}

fn answered(
    feature: Feature,
    result: Value,
    output: Option<&Value>,
    secrets: &Vault,
) -> CallResult {
    let mut result = match result {
        Value::Object(result) => result,
        Value::Null => return CallResult::Unusable("the server's answer is empty".into()),
        content => Map::from_iter([("content".to_owned(), content)]),
    };
    match result.get("resultType").and_then(Value::as_str) {
        None | Some("complete") => {}
        Some("input_required") => {
            let why = "the server asks for input in the middle of the call, which is not carried: an operator may set \
                       `elicitation` under [upstream.NAME]";
            return CallResult::Unusable(why.into());
        }
        Some(_) => {
            let why = "the server's answer is of a kind that this gate does not know";
            return CallResult::Unusable(why.into());
        }
    }
    let content = match feature {
        Feature::Tool | Feature::Preview => return tool_result(result, output, secrets),
        Feature::Prompt => messages(&mut result, secrets),
        Feature::Resources => contents(result.get("contents"), secrets),
    };
    match content {
        Some(content) => CallResult::Returned {
            content,
            failed: false,
        },
        None => CallResult::Unusable("the server's answer does not have what was asked for".into()),
    }
}

/// The messages of a prompt, each as one part. Before them is structured data with the prompt's description and the
/// messages' roles, in order.
fn messages(result: &mut Map<String, Value>, secrets: &Vault) -> Option<Vec<Content>> {
    let Some(Value::Array(messages)) = result.remove("messages") else {
        return None;
    };
    let (mut roles, mut content) = (Vec::new(), Vec::new());
    for mut message in messages {
        let role = match message.get("role").and_then(Value::as_str) {
            Some("assistant") => "assistant",
            _ => "user",
        };
        let parts = match message.get_mut("content").map(Value::take) {
            Some(Value::Array(parts)) => parts,
            Some(one) => vec![one],
            None => Vec::new(),
        };
        // Of two, the first is a line about the other.
        let parts = parts.into_iter().filter_map(|one| part(one, secrets).pop());
        let room = (MAX_PARTS + 1).saturating_sub(content.len());
        for part in parts.take(room) {
            roles.push(role);
            content.push(part);
        }
    }
    let mut about = Map::from_iter([("roles".to_owned(), Value::from(roles))]);
    if let Some(Value::String(description)) = result.remove("description") {
        about.insert("description".into(), description.into());
    }
    content.insert(0, Content::Structured(Value::Object(about)));
    Some(content)
}

/// The contents of a resource.
fn contents(contents: Option<&Value>, secrets: &Vault) -> Option<Vec<Content>> {
    let Some(Value::Array(contents)) = contents else {
        return None;
    };
    let parts = contents.iter().flat_map(|one| match one {
        Value::Object(resource) => embedded(resource, secrets),
        _ => vec![left_out("a resource without content")],
    });
    Some(parts.take(MAX_PARTS + 1).collect())
}

fn tool_result(
    mut result: Map<String, Value>,
    output: Option<&Value>,
    secrets: &Vault,
) -> CallResult {
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
mod tests;
