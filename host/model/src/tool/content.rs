//! The content that a tool returned, in the form of MCP's content blocks, cut to a size.
//!
//! All of it is untrusted. Text is cut between characters; other content (pictures, resources, structured
//! data) is dropped as a whole.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{FailureKind, ToolFailure};
use crate::canonical;

/// The most parts of one result; further ones are dropped.
const MAX_PARTS: usize = 1_000;
/// The most parts with structured data, and texts, that are compared with each other.
const MAX_PAIRS: usize = 4;
/// The most bytes of each of them.
const MAX_COMPARED: usize = 4 << 20;
/// The most bytes of a media type.
const MAX_MEDIA_TYPE: usize = 255;
/// The most bytes of a resource's URI.
const MAX_URI: usize = 8_192;

/// One part of a result. As JSON, it is a content block of MCP (2025-06-18), except structured data, which
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

/// A resource embedded in a result. The gate does not fetch its URI.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbeddedResource {
    /// Its URI.
    pub uri: String,
    /// Its media type, if known.
    #[serde(rename = "mimeType", default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Its contents.
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
    struct StructuredContent<T> {
        value: T,
    }

    pub(super) fn serialize<S: Serializer>(value: &Value, s: S) -> Result<S::Ok, S::Error> {
        StructuredContent { value }.serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Value, D::Error> {
        StructuredContent::deserialize(d).map(|s| s.value)
    }
}

/// One part of a result as a tool returned it, before [`BoundedContent::of_parts`] checked it.
#[derive(Debug, Clone, PartialEq)]
pub enum RawContent {
    /// Text.
    Text(String),
    /// A picture.
    Image {
        /// The file's bytes.
        data: Vec<u8>,
        /// Its media type.
        media_type: String,
    },
    /// An embedded resource.
    Resource(EmbeddedResource),
    /// The JSON text of structured data.
    Structured(String),
}

/// A result within its bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundedContent {
    /// The content, or the reason why it cannot be used.
    pub content: Result<Vec<Content>, ToolFailure>,
    /// Bytes before cutting.
    pub size: u64,
    /// Whether [`content`](Self::content) is less than the tool returned.
    pub cut: bool,
}

impl BoundedContent {
    /// At most `max` bytes of `parts`. A part that breaks a rule (a media type, a URI, structured data that
    /// [`canonical::parse`] refuses) makes the whole result a failure of the tool.
    #[must_use]
    pub fn of_parts(parts: Vec<RawContent>, max: u64) -> Self {
        Self::bounded(parts, max, RawContent::checked)
    }

    /// At most `max` bytes of `parts`. A part that breaks a rule becomes a line of text that says so, and costs no
    /// other. Structured data may have any number.
    #[must_use]
    pub fn of_each_part(parts: Vec<RawContent>, max: u64) -> Self {
        Self::bounded(parts, max, |part| {
            let checked = match part {
                RawContent::Structured(json) => canonical::parse_with_any_number(&json)
                    .map(Content::Structured)
                    .map_err(|e| format!("structured data is refused: {e}")),
                part => part.checked(),
            };
            Ok(checked.unwrap_or_else(|problem| Content::Text {
                text: format!("[left out: {problem}]"),
            }))
        })
    }

    fn bounded(
        parts: Vec<RawContent>,
        max: u64,
        check: impl Fn(RawContent) -> Result<Content, String>,
    ) -> Self {
        let mut room = usize::try_from(max).unwrap_or(usize::MAX);
        let repeated = repetitions(&parts);
        let saved = |n: usize| repeated.get(&n).map_or(0, |(_, bytes)| *bytes);
        let size = { parts.iter().enumerate() }
            .map(|(n, part)| part.size().saturating_sub(saved(n)) as u64)
            .fold(0, u64::saturating_add);
        let mut cut = parts.len() > MAX_PARTS;
        let mut content = Vec::new();
        let mut whole = BTreeSet::new();
        for (n, part) in parts.into_iter().enumerate().take(MAX_PARTS) {
            // A repetition of what is not there is no repetition.
            let saved = match repeated.get(&n) {
                Some((first, bytes)) if whole.contains(first) => *bytes,
                _ => 0,
            };
            let needed = part.size().saturating_sub(saved);
            let part = match part {
                RawContent::Text(mut text) if needed > room => {
                    cut = true;
                    text.truncate(text.floor_char_boundary(room));
                    RawContent::Text(text)
                }
                _ if needed > room => {
                    cut = true;
                    continue;
                }
                part => {
                    whole.insert(n);
                    part
                }
            };
            room = room.saturating_sub(needed);
            match check(part) {
                Ok(part) => content.push(part),
                Err(problem) => {
                    return Self {
                        content: Err(unusable(&problem)),
                        size,
                        cut,
                    };
                }
            }
        }
        Self {
            content: Ok(content),
            size,
            cut,
        }
    }

    /// A tool's own failure, with at most `max` bytes of its text.
    #[must_use]
    pub fn of_failure(kind: FailureKind, mut message: String, max: u64) -> Self {
        let size = message.len() as u64;
        let end = message.floor_char_boundary(usize::try_from(max).unwrap_or(usize::MAX));
        message.truncate(end);
        Self {
            cut: (end as u64) < size,
            content: Err(ToolFailure { kind, message }),
            size,
        }
    }
}

/// Parts that say again what an earlier one says: for the position of each, that of the earlier one, and the bytes that
/// both need only once. Each part is compared with one other.
fn repetitions(parts: &[RawContent]) -> BTreeMap<usize, (usize, usize)> {
    let fits = |part: &RawContent| part.size() <= MAX_COMPARED;
    let mut found = BTreeMap::new();
    let mut texts: Vec<(usize, &String)> = { parts.iter().enumerate().take(MAX_PARTS) }
        .filter_map(|(n, part)| match part {
            RawContent::Text(text) if fits(part) => Some((n, text)),
            _ => None,
        })
        .collect();
    let structured =
        { parts.iter().enumerate().take(MAX_PARTS) }.filter_map(|(n, part)| match part {
            RawContent::Structured(json) if fits(part) => Some((n, json)),
            _ => None,
        });
    for (n, json) in structured.take(MAX_PAIRS) {
        let Ok(value) = canonical::parse_with_any_number(json) else {
            continue;
        };
        let pair = texts
            .iter()
            .take(MAX_PAIRS)
            .position(|(_, text)| *text == json || repeats(text, &value));
        if let Some(place) = pair {
            let (text, words) = texts.remove(place);
            found.insert(n.max(text), (n.min(text), words.len().min(json.len())));
        }
    }
    found
}

/// Whether `text` says what structured data says: its JSON, or its only member `result`, as tools that return one value
/// write it.
#[must_use]
pub fn repeats(text: &str, value: &Value) -> bool {
    let only = match value {
        Value::Object(members) if members.len() == 1 => members.get("result"),
        _ => None,
    };
    if only.and_then(Value::as_str) == Some(text) {
        return true;
    }
    canonical::parse_with_any_number(text)
        .is_ok_and(|said| said == *value || only.is_some_and(|only| said == *only))
}

impl From<Content> for RawContent {
    fn from(content: Content) -> Self {
        match content {
            Content::Text { text } => Self::Text(text),
            Content::Image { data, media_type } => Self::Image { data, media_type },
            Content::Resource { resource } => Self::Resource(resource),
            Content::Structured(value) => Self::Structured(value.to_string()),
        }
    }
}

impl RawContent {
    /// Bytes that count towards [`Limits::output`](super::Limits::output).
    fn size(&self) -> usize {
        match self {
            Self::Text(text) | Self::Structured(text) => text.len(),
            Self::Image { data, media_type } => media_type.len() + data.len(),
            Self::Resource(resource) => {
                let body = match &resource.body {
                    ResourceBody::Text(text) => text.len(),
                    ResourceBody::Blob(bytes) => bytes.len(),
                };
                resource.uri.len() + resource.media_type.as_ref().map_or(0, String::len) + body
            }
        }
    }

    fn checked(self) -> Result<Content, String> {
        Ok(match self {
            Self::Text(text) => Content::Text { text },
            Self::Image { data, media_type } => {
                check_media_type(&media_type)?;
                Content::Image { data, media_type }
            }
            Self::Resource(resource) => {
                check_uri(&resource.uri)?;
                if let Some(media_type) = &resource.media_type {
                    check_media_type(media_type)?;
                }
                Content::Resource { resource }
            }
            Self::Structured(json) => canonical::parse(&json)
                .map(Content::Structured)
                .map_err(|e| format!("its structured data is refused: {e}"))?,
        })
    }
}

fn unusable(problem: &str) -> ToolFailure {
    ToolFailure {
        kind: FailureKind::Failed,
        message: format!("The tool's result is not usable: {problem}."),
    }
}

/// `type/subtype`, optionally with parameters (RFC 6838, section 4.2). Checked only for what matters here:
/// visible ASCII, and not too long.
fn check_media_type(text: &str) -> Result<(), String> {
    let plain =
        text.len() <= MAX_MEDIA_TYPE && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    let names = text
        .split_once('/')
        .is_some_and(|(kind, rest)| !kind.is_empty() && !rest.is_empty());
    if plain && names {
        Ok(())
    } else {
        Err("a media type is not valid".into())
    }
}

/// A URI has no spaces, control characters or anything beyond ASCII (RFC 3986, section 2), and a scheme.
fn check_uri(text: &str) -> Result<(), String> {
    let plain = text.len() <= MAX_URI && text.bytes().all(|b| b.is_ascii_graphic());
    let scheme = text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    });
    if plain && scheme {
        Ok(())
    } else {
        Err("a resource's URI is not valid".into())
    }
}

#[cfg(test)]
mod tests;
