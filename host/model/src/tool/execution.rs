//! Outcomes of calls that no guest had, or not to the end.

use std::time::Duration;

use tollgate_model::record::Status;

use super::{
    Content, Execution, FailureKind, ToolFailure,
    content::{self, Bounded},
    guest::no_result,
};

impl Execution {
    /// Ended before there was a place for it.
    pub(crate) fn halted() -> Self {
        Self::ended(Status::Halted, 0, None)
    }

    /// Ended without a result, after `effects` of its own may have happened.
    pub(crate) fn ended(status: Status, effects: u64, cause: Option<String>) -> Self {
        Self::of(status, no_result(status), effects, cause)
    }

    /// What an upstream server returned, checked and cut to `max` bytes as what a guest returns.
    pub(crate) fn returned(parts: Vec<Content>, max: u64) -> Self {
        let bounded = content::bounded(parts.into_iter().map(content::unchecked).collect(), max);
        let status = match bounded.content {
            Ok(_) => Status::Ok,
            Err(_) => Status::ToolError,
        };
        Self::of(status, bounded, 1, None)
    }

    /// The same as what the tool says of its own failure: its texts, one after the other.
    pub(crate) fn into_failure(self) -> Self {
        let content = self.content.and_then(|parts| {
            let texts = parts.into_iter().filter_map(|part| match part {
                Content::Text { text } => Some(text),
                _ => None,
            });
            let texts: Vec<String> = texts.collect();
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

    fn of(status: Status, bounded: Bounded, effects: u64, cause: Option<String>) -> Self {
        Self {
            status,
            content: bounded.content,
            cut: bounded.cut,
            cpu: Duration::ZERO,
            fuel: 0,
            effects,
            peak_memory: 0,
            size: bounded.size,
            cause,
        }
    }
}
