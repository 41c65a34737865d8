//! Why a server gave no answer, without a word of the server's.

use rmcp::ServiceError;

use super::http::HttpError;

/// An error without a word of the server's.
pub(super) fn told(error: &ServiceError) -> String {
    match error {
        ServiceError::McpError(error) => format!("it answered with error {}", error.code.0),
        ServiceError::TransportSend(sending) => match http_error(sending.error.as_ref()) {
            Some(error) => error.why.clone(),
            None => "the request could not be sent".into(),
        },
        ServiceError::TransportClosed => "the connection is closed".into(),
        ServiceError::UnexpectedResponse => "its answer does not fit the request".into(),
        ServiceError::Cancelled { .. } => "it was cancelled".into(),
        ServiceError::Timeout { .. } => "it did not answer in time".into(),
        _ => "the connection failed".into(),
    }
}

/// What went wrong over HTTP, if that is how the server is reached.
pub(super) fn http_error<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> Option<&'e HttpError> {
    error.downcast_ref()
}
