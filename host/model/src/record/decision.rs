//! Decisions.

use std::{borrow::Cow, collections::BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Arrival, FactEntry, KeyedDigest, PayloadRef};
use crate::{
    canonical::Sha256Digest,
    decision::{DecisionError, DeterminingPolicy, Outcome, Redaction, Requirement, ShadowFlip},
    entity::Uid,
    ids::{ApprovalId, SpanId, StandingId},
    provenance::ProvenanceSummary,
    request::{self, Action},
};

/// A request was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// The action.
    pub action: Action,
    /// The approval that was asked for, or that allowed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalId>,
    /// What is kept of the arguments; absent without arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<PayloadRef>,
    /// Digest of the arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<KeyedDigest>,
    /// Bytes of the arguments' canonical form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments_size: Option<u64>,
    /// For an agent's call: how it reached the gate.
    #[serde(default, skip_serializing_if = "Arrival::is_empty")]
    pub arrival: Arrival,
    /// Whether another decision in the same batch determines the outcome of the call. A nested call is
    /// decided for the agent and for the component; one of the two is secondary.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_secondary: bool,
    /// The bundle that decided.
    pub bundle: Sha256Digest,
    /// The tool span of the call; absent outside a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<SpanId>,
    /// For an agent's call: the caller's own parent span; unverified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller_span: Option<SpanId>,
    /// SHA-256 of the component's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Sha256Digest>,
    /// Policies that determined it.
    pub determining: Vec<DeterminingPolicy>,
    /// Errors, if it could not be decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<DecisionError>,
    /// SHA-256 of the sealed payload with the Cedar request and the facts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts_digest: Option<Sha256Digest>,
    /// What the call adds to history facts from this decision on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<FactEntry>,
    /// Time that deciding took, in microseconds.
    pub decide_micros: u64,
    /// The user the principal acts for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<Uid>,
    /// Labels that the written resource takes on: those of the run and of what the call has read.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub propagated_labels: BTreeSet<String>,
    /// Canonical id of the resource that takes them on, if it has more ids than `resource`: a file that
    /// several grants reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_target: Option<String>,
    /// The outcome.
    pub outcome: Outcome,
    /// The parent span; absent: the root span.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SpanId>,
    /// The agent, user or component that acts.
    pub principal: Uid,
    /// What policy has removed from the arguments: `arguments`, `capture` and the facts are those of the call
    /// without it. Absent for other actions.
    #[serde(default, skip_serializing_if = "Redaction::is_empty")]
    pub redaction: Redaction,
    /// The approvals that would lift the escalation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<Requirement>,
    /// For a call: where its values came from. Absent where nothing was known or found, and in records from
    /// before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Box<ProvenanceSummary>>,
    /// The resource.
    pub resource: Uid,
    /// Whether it resumes a call that waited for an approval, and so does not count as a new one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resumption: bool,
    /// What shadow policies would have changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowFlip>,
    /// Its `authorize` span.
    pub span: SpanId,
    /// The standing approvals that allowed a call, or the one for which its approver's right was decided.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub standing: BTreeSet<StandingId>,
}

impl DecisionRecord {
    /// The name of what is called: a tool's, [`request::prompt_call`]'s, [`request::preview_call`]'s or
    /// [`request::resource_call`]'s. Absent if
    /// this decides about something else than a call.
    #[must_use]
    pub fn called(&self) -> Option<Cow<'_, str>> {
        match &self.action {
            Action::Call(tool) => Some(tool.into()),
            Action::GetPrompt => Some(request::prompt_call(&self.resource.id).into()),
            Action::PreviewCall => Some(request::preview_call(&self.resource.id).into()),
            Action::ReadResource => {
                let server = self.resource.id.split('/').next().unwrap_or_default();
                Some(request::resource_call(server).into())
            }
            _ => None,
        }
    }

    /// The reason in a few words: the error, or the reasons of the determining policies.
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

    /// The exhausted budget, if this denies because of one: `calls`, `denials`, `errors`, `elapsed`,
    /// `tokens` or `cost`.
    #[must_use]
    pub fn exhausted(&self) -> Option<&str> {
        let denied = self.outcome == Outcome::Deny;
        let mut budgets = self.determining.iter().filter_map(|p| p.budget.as_deref());
        budgets.next().filter(|_| denied)
    }
}
