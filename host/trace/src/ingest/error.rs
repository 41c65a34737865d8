//! Why a message is not read.

/// Why a message is not read. Without what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// More than any sender needs at once.
    #[error("the message has too many parts; send less at once")]
    TooMany,
    /// It is not a message of this signal.
    #[error("the body is not an OTLP message in {0}: {1}")]
    Malformed(&'static str, String),
    /// It is a JSON message of another kind.
    #[error("the message has no `{expected}`, but `{found}`{}", hint(found))]
    Unexpected {
        /// The member that a message of this kind has.
        expected: &'static str,
        /// A member that it has.
        found: String,
    },
}

/// Where a message with this member belongs.
fn hint(member: &str) -> &'static str {
    match member {
        "resourceSpans" => "; send it to /v1/traces",
        "resourceLogs" => "; send it to /v1/logs",
        "resourceMetrics" => "; send it to /v1/metrics",
        _ => "",
    }
}
