//! How the execution of a call ended, and the resources that it used.

use std::time::Duration;

use super::{BoundedContent, Content, FailureKind, ToolFailure};
use crate::record::Status;

/// How an execution ended, and the resources that it used.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    /// How it ended. `Ok` if and only if there is content; `ToolError` if the tool reported a failure.
    pub status: Status,
    /// What the tool returned, cut to [`Limits::output`](super::Limits::output).
    pub content: Result<Vec<Content>, ToolFailure>,
    /// Whether [`content`](Self::content) is less than the tool returned.
    pub cut: bool,
    /// Time in which the guest ran, including nested calls.
    pub cpu: Duration,
    /// Fuel units that the guest used, including nested calls.
    pub fuel: u64,
    /// Effects of the execution itself, besides those requested from the host: always none in the sandbox;
    /// for an upstream server, the request if it was sent.
    pub effects: u64,
    /// The highest size of linear memory, in bytes.
    pub peak_memory: u64,
    /// Bytes that the tool returned, before cutting.
    pub size: u64,
    /// Whether the tool did its work and returned a result that is not usable, so that the error is not the tool's own.
    pub unusable: bool,
    /// For operators: why the sandbox stopped it. May contain names from the component, never its data.
    pub cause: Option<String>,
}

impl Execution {
    /// A call that executed nothing.
    #[must_use]
    pub fn not_executed() -> Self {
        let failure = ToolFailure {
            kind: FailureKind::Ended,
            message: "nothing was executed".into(),
        };
        let content = BoundedContent {
            content: Err(failure),
            size: 0,
            cut: false,
        };
        Self::of_content(Status::Trap, content, 0)
    }

    /// A call that a halt stopped before it began.
    #[must_use]
    pub fn halted() -> Self {
        Self::ended(Status::Halted, 0, None)
    }

    /// A call that was stopped without a result, after up to `effects` effects of its own. `cause` is for
    /// operators.
    #[must_use]
    pub fn ended(status: Status, effects: u64, cause: Option<String>) -> Self {
        let content = BoundedContent::of_end(status);
        Self {
            cause,
            ..Self::of_content(status, content, effects)
        }
    }

    /// A call that failed with this kind of failure, after up to `effects` effects of its own.
    #[must_use]
    pub fn failed(kind: FailureKind, message: String, effects: u64) -> Self {
        let content = BoundedContent {
            size: message.len() as u64,
            content: Err(ToolFailure { kind, message }),
            cut: false,
        };
        Self::of_content(Status::ToolError, content, effects)
    }

    /// A call that ran, and whose result is not usable: the failure is the gate's word, not the tool's.
    #[must_use]
    pub fn unusable(message: String, effects: u64) -> Self {
        Self {
            unusable: true,
            ..Self::failed(FailureKind::Failed, message, effects)
        }
    }

    /// What an upstream server returned, cut to `max` bytes as what a guest returns. What has happened has happened, so
    /// a part that breaks a rule costs no other.
    #[must_use]
    pub fn returned(parts: Vec<Content>, max: u64) -> Self {
        let parts = parts.into_iter().map(Into::into).collect();
        let content = BoundedContent::of_each_part(parts, max);
        let unusable = content.content.is_err();
        let status = match unusable {
            true => Status::ToolError,
            false => Status::Ok,
        };
        Self {
            unusable,
            ..Self::of_content(status, content, 1)
        }
    }

    /// The same as what the tool says of its own failure: its texts, one after the other, or else its data.
    #[must_use]
    pub fn into_failure(self) -> Self {
        let content = self.content.and_then(|parts| {
            let (mut texts, mut data) = (Vec::new(), Vec::new());
            for part in parts {
                match part {
                    Content::Text { text } => texts.push(text),
                    Content::Structured(value) => data.push(value.to_string()),
                    Content::Image { .. } | Content::Resource { .. } => {}
                }
            }
            if texts.is_empty() {
                texts = data;
            }
            Err(ToolFailure {
                kind: FailureKind::Failed,
                message: texts.join("\n"),
            })
        });
        Self {
            status: Status::ToolError,
            content,
            ..self
        }
    }

    fn of_content(status: Status, content: BoundedContent, effects: u64) -> Self {
        Self {
            status,
            content: content.content,
            cut: content.cut,
            cpu: Duration::ZERO,
            fuel: 0,
            effects,
            peak_memory: 0,
            size: content.size,
            unusable: false,
            cause: None,
        }
    }
}

impl BoundedContent {
    /// No content, because the call was stopped with this status.
    #[must_use]
    pub fn of_end(status: Status) -> Self {
        let failure = ToolFailure {
            kind: FailureKind::Ended,
            message: end_message(status).into(),
        };
        Self {
            content: Err(failure),
            size: 0,
            cut: false,
        }
    }
}

/// The agent's text for a call that was stopped with this status.
#[must_use]
pub fn end_message(status: Status) -> &'static str {
    match status {
        Status::Timeout => "The tool ran out of time.",
        Status::FuelExhausted => "The tool used up its computing budget.",
        Status::MemoryExhausted => "The tool asked for more memory than it may have.",
        Status::Halted => "An operator halted the tool.",
        Status::Trap | Status::Ok | Status::ToolError | Status::Pending | Status::Indeterminate => {
            "The tool crashed."
        }
    }
}
