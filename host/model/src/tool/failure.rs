//! Why a call of a tool has no content.

use serde::{Deserialize, Serialize};

/// Why a call has no content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolFailure {
    /// The kind of failure.
    pub kind: FailureKind,
    /// The text for the agent. It is the tool's own and so untrusted, except for [`FailureKind::Ended`].
    pub message: String,
}

/// The kinds of [`ToolFailure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The component has no such tool.
    UnknownTool,
    /// The arguments are wrong for the tool.
    InvalidArguments,
    /// The tool could not do its work.
    Failed,
    /// The host refused something that the tool needed.
    Denied,
    /// The sandbox stopped the call; [`Execution::status`](super::Execution::status) says how.
    Ended,
}
