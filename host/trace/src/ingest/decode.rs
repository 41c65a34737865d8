//! Decodes the message of a request. Its memory use is bounded before anything is allocated.

use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest,
};
use prost::Message;
use serde::de::DeserializeOwned;

use super::{
    DecodeError, lenient,
    weight_limit::{self, MAX_GROUPS, MessageKind},
};

/// The most objects and lists in a JSON message: three bytes of text become about a hundred in memory.
const MAX_OBJECTS: usize = 600_000;
/// The most elements of those, each of which may take as much memory as a value.
const MAX_ELEMENTS: usize = 4_000_000;

/// The format of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Protocol Buffers.
    Protobuf,
    /// The JSON of OTLP, with ids in hexadecimal digits.
    Json,
}

impl Format {
    /// The format of a `Content-Type`.
    #[must_use]
    pub fn from_content_type(name: &str) -> Option<Self> {
        let name = name.split(';').next().unwrap_or_default().trim();
        match name.to_ascii_lowercase().as_str() {
            "application/x-protobuf" | "application/protobuf" => Some(Self::Protobuf),
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// A signal of OTLP: the message type of a request.
pub trait Signal: Message + DeserializeOwned + Default {
    /// The type of the outermost message.
    #[doc(hidden)]
    const KIND: MessageKind;

    /// The outermost JSON member.
    #[doc(hidden)]
    const MEMBER: &'static str;

    /// The number of resources and scopes.
    #[doc(hidden)]
    fn groups(&self) -> usize;
}

impl Signal for ExportTraceServiceRequest {
    const KIND: MessageKind = MessageKind::Traces;
    const MEMBER: &'static str = "resourceSpans";

    fn groups(&self) -> usize {
        let each = self.resource_spans.iter();
        each.map(|r| r.scope_spans.len().saturating_add(1)).sum()
    }
}

impl Signal for ExportLogsServiceRequest {
    const KIND: MessageKind = MessageKind::Logs;
    const MEMBER: &'static str = "resourceLogs";

    fn groups(&self) -> usize {
        let each = self.resource_logs.iter();
        each.map(|r| r.scope_logs.len().saturating_add(1)).sum()
    }
}

/// Decodes a message.
///
/// # Errors
/// [`DecodeError`], which is final: a retry has the same result.
pub fn decode<S: Signal>(message: &[u8], format: Format) -> Result<S, DecodeError> {
    match format {
        Format::Protobuf => {
            let hint = |error| match message.trim_ascii_start().first() {
                Some(b'{') => DecodeError::Malformed(
                    "protobuf",
                    "it looks like JSON; send it with `Content-Type: application/json`".into(),
                ),
                _ => error,
            };
            weight_limit::measure(message, S::KIND).map_err(hint)?;
            S::decode(message).map_err(|e| hint(DecodeError::Malformed("protobuf", e.to_string())))
        }
        Format::Json => {
            let spelling = measure(message)?;
            let read = match (spelling, serde_json::from_slice::<S>(message)) {
                // A message without groups may be one of another signal.
                (Spelling::AsSpecified, Ok(read)) if read.groups() > 0 => read,
                _ => mended(message)?,
            };
            match read.groups() > MAX_GROUPS {
                true => Err(DecodeError::TooMany),
                false => Ok(read),
            }
        }
    }
}

/// Decodes a JSON message that deviates from the specification.
fn mended<S: Signal>(message: &[u8]) -> Result<S, DecodeError> {
    let mended = lenient::read::<S>(message).map_err(|why| DecodeError::Malformed("JSON", why))?;
    let is_known = mended.members.iter().any(|member| member == S::MEMBER);
    match mended.members.into_iter().next() {
        Some(found) if !is_known => Err(DecodeError::Unexpected {
            expected: S::MEMBER,
            found: tollgate_model::text::printable(&found, 80),
        }),
        _ => Ok(mended.message),
    }
}

/// The spelling of members in a JSON message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// `lowerCamelCase`, with current names.
    AsSpecified,
    /// Any other spelling, which the decoder would skip.
    Otherwise,
}

/// Checks that a JSON message does not have too many parts, including those that the decoder would skip.
fn measure(message: &[u8]) -> Result<Spelling, DecodeError> {
    let (mut objects, mut elements) = (0_usize, 0_usize);
    let mut spelling = Spelling::AsSpecified;
    let mut rest = message;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => {
                let (text, after) = string(rest);
                rest = after;
                let is_member = rest.trim_ascii_start().first() == Some(&b':');
                if is_member && (text.contains(&b'_') || text.starts_with(b"instrumentation")) {
                    spelling = Spelling::Otherwise;
                }
            }
            b'{' | b'[' => objects += 1,
            b',' => elements += 1,
            _ => {}
        }
    }
    match objects > MAX_OBJECTS || elements > MAX_ELEMENTS {
        true => Err(DecodeError::TooMany),
        false => Ok(spelling),
    }
}

/// The contents of a string after its opening quote, and the rest after its closing quote.
fn string(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut end = 0;
    while let Some(byte) = bytes.get(end) {
        match byte {
            b'"' => break,
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
    let end = end.min(bytes.len());
    let (text, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
    (text, rest.get(1..).unwrap_or_default())
}

#[cfg(test)]
mod tests;
