//! What is recorded of acts of operators.

use crate::canonical::Sha256Digest;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeMap;

/// A bundle was put into force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BundleActivated {
    /// Its digest.
    pub bundle: Sha256Digest,
    /// Who did it.
    pub by: String,
    /// Components by name, with the digests of their files.
    pub components: BTreeMap<String, Sha256Digest>,
    /// How many policies it holds.
    pub policies: u64,
    /// How many tools it types.
    pub tools: u64,
}

/// What is halted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Halt {
    /// Who did it.
    pub by: String,
    /// Its name; empty for everything.
    pub name: String,
    /// Why.
    pub reason: String,
    /// What kind of thing.
    pub scope: HaltScope,
}

/// What kind of thing is halted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HaltScope {
    /// An agent or user.
    Agent,
    /// A tool.
    Tool,
    /// A component.
    Component,
    /// A tenant.
    Tenant,
    /// Everything.
    All,
}

impl HaltScope {
    /// As columns spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Tool => "tool",
            Self::Component => "component",
            Self::Tenant => "tenant",
            Self::All => "all",
        }
    }

    /// The scope that a column spells.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::Agent,
            Self::Tool,
            Self::Component,
            Self::Tenant,
            Self::All,
        ]
        .into_iter()
        .find(|s| s.as_str() == name)
    }
}

/// Another act of an operator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Administered {
    /// What, such as `user_token_created`.
    pub act: String,
    /// Who.
    pub by: String,
    /// On what; no secrets.
    pub target: String,
}
