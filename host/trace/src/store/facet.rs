//! The kinds of searchable values of traces.

use serde::{Deserialize, Serialize};

/// The kind of a searchable value of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Facet {
    /// The agent: the principal, or a reported name.
    Agent,
    /// A tool that was called.
    Tool,
    /// A policy that determined a decision.
    Policy,
    /// The outcome of a decision: `allow`, `deny`, ..
    Decision,
    /// The outcome of the run.
    Outcome,
    /// An `error.type`.
    Error,
    /// A model that was called.
    Model,
    /// A service that reported.
    Service,
    /// A version: `prompt:3`, `workflow:2`, `tool:…`.
    Version,
    /// The name of a span.
    Name,
    /// Other searchable text.
    Text,
    /// The label of a note.
    Label,
}

impl Facet {
    pub(super) fn column(self) -> i64 {
        match self {
            Self::Agent => 1,
            Self::Tool => 2,
            Self::Policy => 3,
            Self::Decision => 4,
            Self::Outcome => 5,
            Self::Error => 6,
            Self::Model => 7,
            Self::Service => 8,
            Self::Version => 9,
            Self::Name => 10,
            Self::Text => 11,
            Self::Label => 12,
        }
    }
}
