//! What is recorded of a decision.

use super::Arrival;
use super::KeyedDigest;
use crate::canonical::Sha256Digest;
use crate::decision::DecisionError;
use crate::decision::Determining;
use crate::decision::Outcome;
use crate::decision::Requirement;
use crate::decision::ShadowFlip;
use crate::entity::Uid;
use crate::ids::ApprovalId;
use crate::ids::SpanId;
use crate::request::Action;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeSet;

/// What is kept of arguments or of content, beside digest and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What kind of payload it is.
    pub class: Class,
    /// Digest of the sealed payload, as far as it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Sha256Digest>,
}

/// How delicate a payload is, as far as anybody can tell; the later ones more so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Nothing speaks for more.
    Ordinary,
    /// It comes from where private data was read.
    Private,
    /// There is something in it that looks like a secret, or is one.
    Secret,
}

impl Class {
    /// As attributes and columns spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary",
            Self::Private => "private",
            Self::Secret => "secret",
        }
    }
}

/// A request was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// What was to be done.
    pub action: Action,
    /// The approval that was asked for, or that allowed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalId>,
    /// What is kept of the arguments; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured: Option<Kept>,
    /// Digest of the arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<KeyedDigest>,
    /// Bytes of the arguments' canonical form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments_size: Option<u64>,
    /// For an agent's call: how it reached the gate.
    #[serde(default, skip_serializing_if = "Arrival::is_empty")]
    pub arrival: Arrival,
    /// Whether another decision, recorded with it, says what becomes of the call: one that a component
    /// makes is decided for the agent and for the component.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub beside: bool,
    /// The bundle that decided.
    pub bundle: Sha256Digest,
    /// The tool span that it belongs to; absent outside a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<SpanId>,
    /// For an agent's call: the span of the caller's own that it stands under; unproven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<SpanId>,
    /// The component's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Sha256Digest>,
    /// Policies that determined it.
    pub determining: Vec<Determining>,
    /// Why there is no answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<DecisionError>,
    /// Digest of the sealed request and facts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Sha256Digest>,
    /// Microseconds that deciding took.
    pub micros: u64,
    /// On whose behalf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<Uid>,
    /// Labels that what is written takes on: those of the run, and of what the call has read.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub marks: BTreeSet<String>,
    /// What takes them on, if that is known under other names as well: files, wherever they are granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marked: Option<String>,
    /// The answer.
    pub outcome: Outcome,
    /// The span above; the root span where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SpanId>,
    /// Who.
    pub principal: Uid,
    /// What would lift it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<Requirement>,
    /// On what.
    pub resource: Uid,
    /// Whether it continues a call that waited for an approval, and so is no new call.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resumption: bool,
    /// What shadow policies would have changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowFlip>,
    /// Its `authorize` span.
    pub span: SpanId,
}

impl DecisionRecord {
    /// Why, in a few words: what could not be decided, or what the determining policies say.
    #[must_use]
    pub fn reason(&self) -> String {
        if let Some(error) = self.errors.first() {
            return error.to_string();
        }
        let mut reasons: Vec<&str> = Vec::new();
        for policy in &self.determining {
            if !policy.reason.is_empty() && !reasons.contains(&policy.reason.as_str()) {
                reasons.push(&policy.reason);
            }
        }
        if reasons.is_empty() && self.outcome != Outcome::Allow && self.determining.is_empty() {
            return "No policy permits it.".into();
        }
        reasons.join(" ")
    }

    /// The budget that is used up, if this denies for one: `calls`, `denials`, `errors`, `elapsed`,
    /// `tokens` or `cost`.
    #[must_use]
    pub fn exhausted(&self) -> Option<&str> {
        let denied = self.outcome == Outcome::Deny;
        let mut budgets = self.determining.iter().filter_map(|p| p.budget.as_deref());
        budgets.next().filter(|_| denied)
    }
}
