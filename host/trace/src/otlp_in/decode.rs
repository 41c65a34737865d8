//! A request's message, read: how much memory it takes is known before any of it is taken.

use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest,
};
use prost::Message;
use serde::de::DeserializeOwned;

use super::scan::{self, Kind};

/// Objects that a JSON message has at most: three bytes of text become some hundred in memory.
const MAX_OBJECTS: usize = 600_000;

/// How a message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Protocol Buffers.
    Protobuf,
    /// The JSON of OTLP, with ids in hexadecimal digits.
    Json,
}

impl Format {
    /// As `Content-Type` names it.
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

/// Why a message is not read. Without what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// More than anybody needs at once.
    #[error("the message has too many parts; send less at once")]
    TooMany,
    /// It is no message of this kind.
    #[error("the body is no {0} message of OTLP: {1}")]
    Malformed(&'static str, String),
}

/// What is sent in a request.
pub trait Signal: Message + DeserializeOwned + Default {
    /// What the outermost message is.
    #[doc(hidden)]
    const KIND: Kind;
}

impl Signal for ExportTraceServiceRequest {
    const KIND: Kind = Kind::Traces;
}

impl Signal for ExportLogsServiceRequest {
    const KIND: Kind = Kind::Logs;
}

/// Read a message.
///
/// # Errors
/// [`DecodeError`]: it will never be read, so trying again is of no use.
pub fn decode<S: Signal>(message: &[u8], format: Format) -> Result<S, DecodeError> {
    match format {
        Format::Protobuf => {
            scan::measure(message, S::KIND)?;
            S::decode(message).map_err(|e| DecodeError::Malformed("protobuf", e.to_string()))
        }
        Format::Json => {
            if message.iter().filter(|b| **b == b'{').count() > MAX_OBJECTS {
                return Err(DecodeError::TooMany);
            }
            serde_json::from_slice(message).map_err(|error| {
                let place = format!("line {}, column {}", error.line(), error.column());
                DecodeError::Malformed("JSON", place)
            })
        }
    }
}
