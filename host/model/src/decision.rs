//! Decisions and their basis.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use crate::canonical::Sha256Digest;

/// A version of a policy: its id and the digest of its contents.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PolicyRef {
    /// SHA-256 of the policy in Cedar's JSON form, canonical.
    pub digest: Sha256Digest,
    /// Its `@id`.
    pub id: String,
}

/// A policy that determined a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeterminingPolicy {
    /// The budget that it guards: its `@budget`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<String>,
    /// Its `@owner`.
    pub owner: String,
    /// Its id and version.
    #[serde(flatten)]
    pub policy: PolicyRef,
    /// Its `@reason`, or empty.
    pub reason: String,
}

/// The basis of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// The bundle: policies, schema, label and role configuration, Cedar's version.
    pub bundle: Sha256Digest,
    /// Policies that determined it, by id. Empty if no policy permitted the request.
    pub determining: Vec<DeterminingPolicy>,
    /// Errors. Empty unless the outcome is error.
    pub errors: Vec<DecisionError>,
    /// Whether there are no policies at all.
    pub no_policies: bool,
    /// JSON pointers that the determining policies redact, if they all only do that: in the result, or in the
    /// arguments of a call.
    pub redact: BTreeSet<String>,
    /// Forbids of a call that do not apply because the arguments are redacted as they ask.
    pub redacted: Redaction,
    /// What shadow policies would have changed.
    pub shadow: Option<ShadowFlip>,
}

impl Basis {
    /// The explanation for the caller: the reasons of the determining policies, or what is missing.
    #[must_use]
    pub fn reason(&self) -> String {
        let mut reasons: Vec<&str> = Vec::new();
        for policy in &self.determining {
            let reason = policy.reason.as_str();
            if !reason.is_empty() && !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        if !reasons.is_empty() {
            return reasons.join(" ");
        }
        if let Some(error) = self.errors.first() {
            return format!("It could not be decided, so it is denied: {error}.");
        }
        match self.determining.first() {
            Some(policy) => format!("Policy `{}` decided it.", policy.policy.id),
            None if self.no_policies => {
                "There are no policies, so nothing is permitted until you write one.".into()
            }
            None => "No policy permits it.".into(),
        }
    }

    /// Ids of the determining policies.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.determining.iter().map(|d| d.policy.id.as_str())
    }
}

/// What policy has removed from the arguments of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redaction {
    /// JSON pointers whose values must be redacted.
    pub pointers: BTreeSet<String>,
    /// The forbids that ask for it. They would deny the call with other values there.
    pub policies: BTreeSet<PolicyRef>,
    /// How many values the gate has replaced. 0 if the caller sent the placeholders itself.
    pub values: u64,
}

impl Redaction {
    /// Whether no policy asks for anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    /// Ids of the policies.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.policies.iter().map(|policy| policy.id.as_str())
    }

    /// Adds what another one asks for.
    pub fn extend(&mut self, other: Self) {
        self.pointers.extend(other.pointers);
        self.policies.extend(other.policies);
        self.values += other.values;
    }
}

/// Why a request could not be decided. Contains names of policies, entities and fields, never values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionError {
    /// What is wrong.
    pub message: String,
    /// The policy whose evaluation failed; absent if the request itself is invalid.
    pub policy: Option<String>,
}

impl fmt::Display for DecisionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.policy {
            Some(policy) => write!(f, "policy `{policy}`: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// What the outcome would have been with the shadow policies in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowFlip {
    /// Whether it comes from the candidate set; otherwise from single policies in shadow mode.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub candidate: bool,
    /// The outcome under these policies.
    pub outcome: Outcome,
    /// Policies that would have determined it.
    pub policies: Vec<String>,
}

/// Approvals that would lift an escalation: any one of the alternatives is enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// Minimal ways to lift it.
    pub alternatives: Vec<Approvers>,
    /// The policies that an approval lifts.
    pub lifts: BTreeSet<PolicyRef>,
    /// The most severe `@severity` among them.
    pub severity: Severity,
}

impl Requirement {
    /// Every role of any alternative.
    #[must_use]
    pub fn roles(&self) -> BTreeSet<String> {
        self.alternatives
            .iter()
            .flat_map(|a| a.roles.iter().cloned())
            .collect()
    }

    /// The requirement that lifts both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut both: Vec<Approvers> = Vec::new();
        for (a, b) in self
            .alternatives
            .iter()
            .flat_map(|a| other.alternatives.iter().map(move |b| (a, b)))
        {
            let needed = Approvers {
                count: a.count.max(b.count),
                roles: a.roles.union(&b.roles).cloned().collect(),
            };
            let within =
                |x: &Approvers, y: &Approvers| x.count <= y.count && x.roles.is_subset(&y.roles);
            if !both.iter().any(|other| within(other, &needed)) {
                both.retain(|other| !within(&needed, other));
                both.push(needed);
            }
        }
        Self {
            alternatives: both,
            lifts: self.lifts.union(&other.lifts).cloned().collect(),
            severity: self.severity.max(other.severity),
        }
    }

    /// Whether approvals of `count` users, who together hold `roles`, are enough.
    #[must_use]
    pub fn met_by(&self, roles: &BTreeSet<String>, count: u64) -> bool {
        self.alternatives
            .iter()
            .any(|a| count >= a.count && a.roles.is_subset(roles))
    }
}

impl fmt::Display for Requirement {
    /// For people, such as `approval by security, or by 2 people of whom one is finance`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let alternatives: Vec<String> = self.alternatives.iter().map(ToString::to_string).collect();
        write!(f, "approval by {}", alternatives.join(", or by "))
    }
}

/// One way to lift an escalation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Approvers {
    /// Distinct users, at least 1.
    pub count: u64,
    /// Roles that they must hold together.
    pub roles: BTreeSet<String>,
}

impl fmt::Display for Approvers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roles = self.roles.iter().cloned().collect::<Vec<_>>().join(" and ");
        match (self.count, roles.is_empty()) {
            (0 | 1, false) => f.write_str(&roles),
            (0 | 1, true) => f.write_str("one person"),
            (n, true) => write!(f, "{n} people"),
            (n, false) => write!(f, "{n} people who between them are {roles}"),
        }
    }
}

/// How much a policy matters to approvers (`@severity`).
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "lowercase")]
pub enum Severity {
    /// `@severity("low")`.
    Low,
    /// `@severity("medium")`, and the default.
    #[default]
    Medium,
    /// `@severity("high")`.
    High,
    /// `@severity("critical")`.
    Critical,
}

named!(Severity);

/// The answer to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// It may happen.
    Allow(Basis),
    /// It may not.
    Deny(Basis),
    /// It may happen after an approval.
    Escalate(Basis, Requirement),
    /// It could not be decided, which denies.
    Error(Basis),
}

impl Decision {
    /// Its basis.
    #[must_use]
    pub fn basis(&self) -> &Basis {
        match self {
            Self::Allow(basis)
            | Self::Deny(basis)
            | Self::Escalate(basis, _)
            | Self::Error(basis) => basis,
        }
    }

    /// Its basis, to be completed.
    pub fn basis_mut(&mut self) -> &mut Basis {
        match self {
            Self::Allow(basis)
            | Self::Deny(basis)
            | Self::Escalate(basis, _)
            | Self::Error(basis) => basis,
        }
    }

    /// Its outcome.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Allow(_) => Outcome::Allow,
            Self::Deny(_) => Outcome::Deny,
            Self::Escalate(..) => Outcome::Escalate,
            Self::Error(_) => Outcome::Error,
        }
    }
}

/// Which of the four answers was given.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// It may happen.
    Allow,
    /// It may not.
    Deny,
    /// It may happen after an approval.
    Escalate,
    /// It could not be decided, which denies.
    Error,
}

impl Outcome {
    /// Whether the request may happen now.
    #[must_use]
    pub fn allows(self) -> bool {
        self == Self::Allow
    }
}

named!(Outcome);
