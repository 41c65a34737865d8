//! Why a tool failed.

use core::fmt::{self, Display, Formatter};

use crate::{calls, config, files, http, state};

/// Why a tool failed. The text is for the agent: say what was wrong and what to do instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolError {
    /// The arguments match the schema but are wrong for the tool; the text says which and why.
    InvalidArguments(String),
    /// The tool could not do its work.
    Failed(String),
    /// The host refused something that the tool needed. Comes from [`files::Error`], [`http::Error`] and
    /// the like; pass the host's reason on instead of writing your own.
    Denied(String),
}

impl ToolError {
    /// The arguments are wrong for the tool.
    pub fn invalid(text: impl Display) -> Self {
        Self::InvalidArguments(text.to_string())
    }

    /// The tool could not do its work.
    pub fn failed(text: impl Display) -> Self {
        Self::Failed(text.to_string())
    }
}

impl Display for ToolError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidArguments(text) => write!(f, "invalid arguments: {text}"),
            Self::Failed(text) => write!(f, "failed: {text}"),
            Self::Denied(text) => write!(f, "denied: {text}"),
        }
    }
}

impl core::error::Error for ToolError {}

impl From<files::Error> for ToolError {
    fn from(error: files::Error) -> Self {
        let text = error.to_string();
        match error.kind() {
            files::ErrorKind::Denied(_) => Self::Denied(text),
            _ => Self::Failed(text),
        }
    }
}

impl From<state::Error> for ToolError {
    fn from(error: state::Error) -> Self {
        let text = error.to_string();
        match error.kind() {
            state::ErrorKind::Denied(_) => Self::Denied(text),
            _ => Self::Failed(text),
        }
    }
}

impl From<config::Error> for ToolError {
    fn from(error: config::Error) -> Self {
        let text = error.to_string();
        match error.kind() {
            config::ErrorKind::Denied(_) => Self::Denied(text),
            _ => Self::Failed(text),
        }
    }
}

impl From<calls::Error> for ToolError {
    fn from(error: calls::Error) -> Self {
        let text = error.to_string();
        match error.kind() {
            calls::ErrorKind::Denied(_) => Self::Denied(text),
            _ => Self::Failed(text),
        }
    }
}

impl From<http::Error> for ToolError {
    fn from(error: http::Error) -> Self {
        let text = error.to_string();
        match error.kind() {
            http::ErrorKind::Denied(_) | http::ErrorKind::NoSuchSecret(_) => Self::Denied(text),
            _ => Self::Failed(text),
        }
    }
}
