//! One request against one policy set: the four outcomes.

use std::collections::BTreeSet;

use cedar_policy::{
    Authorizer, Effect, Entities, EvaluationError, PolicySet, Request as CedarRequest,
};

use super::{Evaluation, Pdp, Undecided, Unfit, View};
use crate::{
    decision::{Approvers, Decision, DecisionError, PolicyRef, Requirement},
    policy::LoadedPolicy,
    request::{Facts, Granted, Request},
};

/// Probes for the minimal approvals that lift an escalation; past that, everything is asked for.
const MAX_PROBES: usize = 64;

/// One request against one policy set.
#[derive(Clone, Copy)]
pub(super) struct Trial<'a> {
    pub(super) pdp: &'a Pdp,
    pub(super) view: &'a View,
    pub(super) request: &'a Request,
    pub(super) facts: &'a Facts,
    pub(super) entities: &'a Entities,
    /// The request without any approval: what most decisions are, and costly to build.
    pub(super) plain: &'a CedarRequest,
}

impl Trial<'_> {
    fn evaluate(&self, set: &PolicySet, approval: Option<&Granted>) -> Result<Evaluation, Unfit> {
        let built;
        let request = match approval {
            None => self.plain,
            approval => {
                built = self.pdp.cedar_request(self.request, self.facts, approval)?;
                &built
            }
        };
        let response = Authorizer::new().is_authorized(request, set, self.entities);
        let ids = |id: &cedar_policy::PolicyId| AsRef::<str>::as_ref(id).to_owned();
        Ok(Evaluation {
            allowed: response.decision() == cedar_policy::Decision::Allow,
            reasons: response.diagnostics().reason().map(ids).collect(),
            errors: response
                .diagnostics()
                .errors()
                .map(evaluation_error)
                .collect(),
        })
    }

    /// As `evaluate`, with every error an answer of its own.
    fn sound(&self, approval: Option<&Granted>) -> Result<Evaluation, Undecided> {
        let evaluation = self
            .evaluate(&self.view.set, approval)
            .map_err(|error| Box::new(self.pdp.basis(Vec::new(), vec![error])))?;
        if evaluation.errors.is_empty() {
            return Ok(evaluation);
        }
        let mut errors = evaluation.errors;
        errors.sort_by(|a, b| a.policy.cmp(&b.policy));
        let policies = errors.iter().filter_map(|e| e.policy.clone()).collect();
        Err(Box::new(
            self.pdp.basis(self.pdp.determining(&policies), errors),
        ))
    }

    pub(super) fn decide(&self) -> Decision {
        self.try_decide()
            .unwrap_or_else(|basis| Decision::Error(*basis))
    }

    fn try_decide(&self) -> Result<Decision, Undecided> {
        let empty = self.sound(None)?;
        let basis = |ids: &BTreeSet<String>| self.pdp.basis(self.pdp.determining(ids), Vec::new());
        if empty.allowed {
            return Ok(Decision::Allow(basis(&empty.reasons)));
        }
        if !self.view.reads_approval() {
            return Ok(self.deny(&empty.reasons));
        }
        if let Some(granted) = &self.facts.approval {
            let approved = self.sound(Some(granted))?;
            let lifted = self.lifted(&empty, &approved);
            if approved.allowed && lifted.is_subset(&granted.lifts) {
                return Ok(Decision::Allow(basis(&approved.reasons)));
            }
        }
        self.escalate(&empty)
    }

    /// Deny, naming what may be released all the same: where every policy that forbids only redacts,
    /// and without them it would be permitted.
    fn deny(&self, reasons: &BTreeSet<String>) -> Decision {
        let mut basis = self.pdp.basis(self.pdp.determining(reasons), Vec::new());
        let forbids = || reasons.iter().filter_map(|id| self.pdp.policies.get(id));
        if let Some(set) = &self.view.unredacted
            && forbids().all(|p| !p.redact.is_empty())
            && self.evaluate(set, None).is_ok_and(|e| e.allowed)
        {
            basis.redact = forbids().flat_map(|p| p.redact.iter().cloned()).collect();
        }
        Decision::Deny(basis)
    }

    /// Decide again as if approved: by everyone first, then by as few as suffice.
    fn escalate(&self, empty: &Evaluation) -> Result<Decision, Undecided> {
        let basis = |ids: &BTreeSet<String>| self.pdp.basis(self.pdp.determining(ids), Vec::new());
        let all = |count| self.granted(self.view.roles.clone(), count);
        let most = self.view.counts.last().copied().unwrap_or(1);
        let full = self.sound(Some(&all(most)))?;
        if !full.allowed {
            // Name what stands in the way even of a full approval.
            let reasons = if full.reasons.is_empty() {
                &empty.reasons
            } else {
                &full.reasons
            };
            return Ok(self.deny(reasons));
        }
        let lifts = self.lifted(empty, &full);
        let alternatives = self.alternatives(most)?;
        let severity = lifts
            .iter()
            .filter_map(|p| self.pdp.policies.get(&p.id))
            .map(|p| p.severity)
            .max()
            .unwrap_or_default();
        let ids = lifts.iter().map(|p| p.id.clone()).collect();
        Ok(Decision::Escalate(
            basis(&ids),
            Requirement {
                alternatives,
                lifts,
                severity,
            },
        ))
    }

    fn granted(&self, roles: BTreeSet<String>, count: u64) -> Granted {
        Granted {
            count,
            lifts: BTreeSet::new(),
            roles,
        }
    }

    /// The policies that an approval lifts: forbids that apply without it, and, where no permit stands
    /// on its own, the permits that need it.
    fn lifted(&self, empty: &Evaluation, approved: &Evaluation) -> BTreeSet<PolicyRef> {
        let policy = |id: &String| self.pdp.policies.get(id);
        let forbids = empty
            .reasons
            .iter()
            .filter_map(policy)
            .filter(|p| p.effect == Effect::Forbid);
        let permits: Vec<&LoadedPolicy> = approved
            .reasons
            .iter()
            .filter_map(policy)
            .filter(|p| p.effect == Effect::Permit)
            .collect();
        let unconditional = permits.iter().any(|p| !p.approval.reads());
        let needed = permits.into_iter().filter(|_| !unconditional);
        forbids
            .chain(needed)
            .map(|p| p.determining.policy.clone())
            .collect()
    }

    /// Minimal approvals that lift it, smallest first. `most` is the greatest number that any policy
    /// asks for.
    fn alternatives(&self, most: u64) -> Result<Vec<Approvers>, Undecided> {
        let roles: Vec<&String> = self.view.roles.iter().collect();
        let everything = || {
            vec![Approvers {
                count: most,
                roles: self.view.roles.clone(),
            }]
        };
        let counts: BTreeSet<u64> = self.view.counts.iter().copied().chain([1]).collect();
        // Bounded, because with as many roles as a word has bits it would overflow.
        let subsets = 1_usize << roles.len().min(16);
        if subsets * counts.len() > MAX_PROBES {
            return Ok(everything());
        }
        let mut candidates: Vec<Approvers> = Vec::new();
        for mask in 0..(1_usize << roles.len()) {
            let chosen: BTreeSet<String> = roles
                .iter()
                .enumerate()
                .filter(|(i, _)| mask & (1 << i) != 0)
                .map(|(_, role)| (*role).clone())
                .collect();
            candidates.extend(counts.iter().map(|&count| Approvers {
                count,
                roles: chosen.clone(),
            }));
        }
        candidates.sort_by_key(|a| (a.roles.len(), a.count));
        let mut minimal: Vec<Approvers> = Vec::new();
        for candidate in candidates {
            let implied =
                |m: &Approvers| m.count <= candidate.count && m.roles.is_subset(&candidate.roles);
            if minimal.iter().any(implied) {
                continue;
            }
            if self
                .sound(Some(
                    &self.granted(candidate.roles.clone(), candidate.count),
                ))?
                .allowed
            {
                minimal.push(candidate);
            }
        }
        Ok(if minimal.is_empty() {
            everything()
        } else {
            minimal
        })
    }
}

/// What went wrong, without the values it went wrong on.
pub(super) fn evaluation_error(error: &cedar_policy::AuthorizationError) -> DecisionError {
    let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
    let message = match error.inner() {
        EvaluationError::EntityDoesNotExist(_) => "an entity does not exist",
        EvaluationError::EntityAttrDoesNotExist(_) | EvaluationError::RecordAttrDoesNotExist(_) => {
            "an attribute does not exist"
        }
        EvaluationError::TypeError(_) => "a value has the wrong type",
        EvaluationError::IntegerOverflow(_) => "an integer overflows",
        EvaluationError::FailedExtensionFunctionExecution(_) => "an extension function failed",
        EvaluationError::RecursionLimit(_) => "it recurses too deep",
        _ => "it does not evaluate",
    };
    DecisionError {
        message: message.into(),
        policy: Some(AsRef::<str>::as_ref(error.policy_id()).to_owned()),
    }
}
