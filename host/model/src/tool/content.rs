//! What a tool returned, in the shape of MCP's content blocks, and cut to a size.
//!
//! All of it is untrusted. Text is cut between characters; what cannot be cut (pictures, resources,
//! structured data) is left out whole.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tollgate_model::canonical;

use super::{FailureKind, ToolFailure, bindings::types};

/// Parts of one result; what is beyond is cut.
const MAX_PARTS: usize = 1_000;

/// One part of a result. As JSON, a content block of MCP (2025-06-18), except for structured data, which
/// MCP keeps outside the list: `{"type":"structured","value":..}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content {
    /// Text for the model.
    Text {
        /// The text.
        text: String,
    },
    /// A picture.
    Image {
        /// The file's bytes; base64 in JSON.
        #[serde(with = "base64_text")]
        data: Vec<u8>,
        /// Its media type, such as `image/png`.
        #[serde(rename = "mimeType")]
        media_type: String,
    },
    /// An embedded resource.
    Resource {
        /// The resource.
        resource: EmbeddedResource,
    },
    /// Structured data.
    #[serde(with = "structured")]
    Structured(Value),
}

/// A resource embedded in a result. Nobody fetches its URI.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbeddedResource {
    /// Its URI.
    pub uri: String,
    /// Its media type, if known.
    #[serde(rename = "mimeType", default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What it contains.
    #[serde(flatten)]
    pub body: ResourceBody,
}

/// The contents of an embedded resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceBody {
    /// Text.
    Text(String),
    /// Any bytes; base64 in JSON.
    #[serde(with = "base64_text")]
    Blob(Vec<u8>),
}

mod base64_text {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        STANDARD
            .decode(String::deserialize(d)?)
            .map_err(|_| D::Error::custom("not base64"))
    }
}

mod structured {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;

    #[derive(Serialize, Deserialize)]
    struct Structured<T> {
        value: T,
    }

    pub(super) fn serialize<S: Serializer>(value: &Value, s: S) -> Result<S::Ok, S::Error> {
        Structured { value }.serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Value, D::Error> {
        Structured::deserialize(d).map(|s| s.value)
    }
}

/// A result within its bounds.
#[derive(Debug)]
pub(super) struct Bounded {
    pub(super) content: Result<Vec<Content>, ToolFailure>,
    /// Bytes before anything was cut.
    pub(super) size: u64,
    pub(super) cut: bool,
}

/// At most `max` bytes of what a tool returned. Structured data that is no JSON is the tool's failure.
pub(super) fn bounded(parts: Vec<types::Content>, max: u64) -> Bounded {
    let size = parts.iter().map(size_of_part).fold(0, u64::saturating_add);
    let mut room = usize::try_from(max).unwrap_or(usize::MAX);
    let mut cut = parts.len() > MAX_PARTS;
    let mut content = Vec::new();
    for part in parts.into_iter().take(MAX_PARTS) {
        let needed = usize::try_from(size_of_part(&part)).unwrap_or(usize::MAX);
        let part = match part {
            types::Content::Text(mut text) if needed > room => {
                cut = true;
                text.truncate(text.floor_char_boundary(room));
                types::Content::Text(text)
            }
            _ if needed > room => {
                cut = true;
                continue;
            }
            part => part,
        };
        room = room.saturating_sub(needed);
        match converted(part) {
            Ok(part) => content.push(part),
            Err(problem) => {
                return Bounded {
                    content: Err(failed(problem)),
                    size,
                    cut,
                };
            }
        }
    }
    Bounded {
        content: Ok(content),
        size,
        cut,
    }
}

/// Content that somebody else than a guest returned, as that of a guest: to be [`bounded`].
pub(super) fn unchecked(content: Content) -> types::Content {
    match content {
        Content::Text { text } => types::Content::Text(text),
        Content::Image { data, media_type } => {
            types::Content::Image(types::Image { data, media_type })
        }
        Content::Resource { resource } => types::Content::Resource(types::EmbeddedResource {
            uri: resource.uri,
            media_type: resource.media_type,
            body: match resource.body {
                ResourceBody::Text(text) => types::ResourceBody::Text(text),
                ResourceBody::Blob(bytes) => types::ResourceBody::Blob(bytes),
            },
        }),
        Content::Structured(value) => types::Content::Structured(value.to_string()),
    }
}

/// A tool's own failure, with at most `max` bytes of its words.
pub(super) fn bounded_failure(kind: FailureKind, mut message: String, max: u64) -> Bounded {
    let size = message.len() as u64;
    let end = message.floor_char_boundary(usize::try_from(max).unwrap_or(usize::MAX));
    message.truncate(end);
    Bounded {
        cut: (end as u64) < size,
        content: Err(ToolFailure { kind, message }),
        size,
    }
}

fn failed(problem: String) -> ToolFailure {
    ToolFailure {
        kind: FailureKind::Failed,
        message: format!("The tool's result is not usable: {problem}."),
    }
}

fn size_of_part(part: &types::Content) -> u64 {
    let bytes = match part {
        types::Content::Text(text) | types::Content::Structured(text) => text.len(),
        types::Content::Image(image) => image.media_type.len() + image.data.len(),
        types::Content::Resource(resource) => {
            let body = match &resource.body {
                types::ResourceBody::Text(text) => text.len(),
                types::ResourceBody::Blob(bytes) => bytes.len(),
            };
            resource.uri.len() + resource.media_type.as_ref().map_or(0, String::len) + body
        }
    };
    bytes as u64
}

fn converted(part: types::Content) -> Result<Content, String> {
    Ok(match part {
        types::Content::Text(text) => Content::Text { text },
        types::Content::Image(image) => Content::Image {
            media_type: media_type(image.media_type)?,
            data: image.data,
        },
        types::Content::Resource(resource) => Content::Resource {
            resource: EmbeddedResource {
                uri: uri(resource.uri)?,
                media_type: resource.media_type.map(media_type).transpose()?,
                body: match resource.body {
                    types::ResourceBody::Text(text) => ResourceBody::Text(text),
                    types::ResourceBody::Blob(bytes) => ResourceBody::Blob(bytes),
                },
            },
        },
        types::Content::Structured(json) => {
            let value = canonical::parse(&json)
                .map_err(|e| format!("its structured data is refused: {e}"))?;
            Content::Structured(value)
        }
    })
}

/// `type/subtype`, perhaps with parameters (RFC 6838, section 4.2), as far as it matters here: visible
/// ASCII, and not long.
fn media_type(text: String) -> Result<String, String> {
    let plain = text.len() <= 255 && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    let names = text
        .split_once('/')
        .is_some_and(|(kind, rest)| !kind.is_empty() && !rest.is_empty());
    if plain && names {
        Ok(text)
    } else {
        Err("a media type is none".into())
    }
}

/// A URI has no spaces, control characters or anything beyond ASCII (RFC 3986, section 2), and a scheme.
fn uri(text: String) -> Result<String, String> {
    let plain = text.len() <= 8_192 && text.bytes().all(|b| b.is_ascii_graphic());
    let scheme = text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    });
    if plain && scheme {
        Ok(text)
    } else {
        Err("a resource's URI is none".into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn content_has_the_shape_of_mcp() {
        let resource = |body| Content::Resource {
            resource: EmbeddedResource {
                uri: "a:b".into(),
                media_type: None,
                body,
            },
        };
        for (content, expected) in [
            (
                Content::Text { text: "x".into() },
                json!({"type": "text", "text": "x"}),
            ),
            (
                Content::Image {
                    data: vec![1, 2, 3],
                    media_type: "image/png".into(),
                },
                json!({"type": "image", "data": "AQID", "mimeType": "image/png"}),
            ),
            (
                resource(ResourceBody::Text("x".into())),
                json!({"type": "resource", "resource": {"uri": "a:b", "text": "x"}}),
            ),
            (
                resource(ResourceBody::Blob(vec![1, 2, 3])),
                json!({"type": "resource", "resource": {"uri": "a:b", "blob": "AQID"}}),
            ),
            (
                Content::Structured(json!([1])),
                json!({"type": "structured", "value": [1]}),
            ),
        ] {
            let json = serde_json::to_value(&content).unwrap();
            assert_eq!(json, expected);
            assert_eq!(serde_json::from_value::<Content>(json).unwrap(), content);
        }
    }

    #[test]
    fn what_only_looks_like_content_is_the_tools_failure() {
        let image = |media_type: &str| {
            types::Content::Image(types::Image {
                media_type: media_type.into(),
                data: vec![1],
            })
        };
        let resource = |uri: &str| {
            types::Content::Resource(types::EmbeddedResource {
                uri: uri.into(),
                media_type: None,
                body: types::ResourceBody::Text(String::new()),
            })
        };
        for good in [
            image("image/png"),
            image("text/plain; charset=utf-8"),
            resource("file:///a%20b"),
        ] {
            assert!(bounded(vec![good], 100).content.is_ok());
        }
        for bad in [
            image("png"),
            image("a/b\n"),
            image("/"),
            resource("none"),
            resource("a b:c"),
            resource(":x"),
        ] {
            let failure = bounded(vec![bad], 100).content.unwrap_err();
            assert_eq!(failure.kind, FailureKind::Failed);
        }
    }

    #[test]
    fn there_is_an_end_to_parts_and_words() {
        let parts = vec![types::Content::Text(String::new()); MAX_PARTS + 1];
        let bounded = bounded(parts, 100);
        assert!(bounded.cut && bounded.content.is_ok_and(|parts| parts.len() == MAX_PARTS));
        let failure = bounded_failure(FailureKind::Failed, "üü".into(), 3);
        assert!(failure.cut && failure.size == 4);
        assert_eq!(failure.content.unwrap_err().message, "ü");
    }
}
