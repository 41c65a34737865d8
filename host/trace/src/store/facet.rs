//! In what respect values describe traces.

use serde::{Deserialize, Serialize};

/// In what respect a value describes a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Facet {
    /// The agent, as the gate knows it or as it calls itself.
    Agent,
    /// A tool that was called.
    Tool,
    /// A policy that determined a decision.
    Policy,
    /// What was decided: `allow`, `deny`, ..
    Decision,
    /// How the run ended.
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
    /// Other words that it is searched by.
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
