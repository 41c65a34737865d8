//! Errors of decoding.

/// Why a message cannot be decoded. Contains no data of the sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// It has too many parts.
    #[error("the message has too many parts; send less at once")]
    TooMany,
    /// It is not a message of this signal.
    #[error("the body is not an OTLP message in {0}: {1}")]
    Malformed(&'static str, String),
    /// It is a JSON message of another signal.
    #[error("the message has no `{expected}`, but `{found}`{}", hint(found))]
    Unexpected {
        /// The outermost member of this signal.
        expected: &'static str,
        /// The member that was found.
        found: String,
    },
}

/// The path for a message with this member.
fn hint(member: &str) -> &'static str {
    match member {
        "resourceSpans" => "; send it to /v1/traces",
        "resourceLogs" => "; send it to /v1/logs",
        "resourceMetrics" => "; send it to /v1/metrics",
        _ => "",
    }
}
