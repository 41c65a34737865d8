//! One request against one policy set: the four outcomes.

use std::collections::BTreeSet;

use cedar_policy::{Effect, EvaluationError};
use cedar_policy_core::{
    ast::{Literal, ValueKind},
    entities::Entities,
    evaluator::Evaluator,
    extensions::Extensions,
};

use super::{ErrorBasis, Pdp, RequestError, cedar_request::TypedRequest, redaction::Arguments};
use crate::policy::LoadedPolicy;
use tollgate_model::{
    decision::{
        Approvers, Decision, DecisionError, DeterminingPolicy, PolicyRef, Redaction, Requirement,
    },
    request::{Facts, PriorApproval},
};

/// Probes for the minimal approvals that lift an escalation. Beyond that, all roles are required.
const MAX_PROBES: usize = 64;

/// One request against one policy set.
#[derive(Clone, Copy)]
pub(super) struct PolicyEvaluation<'a> {
    pdp: &'a Pdp,
    /// The policies to evaluate, in the order of their ids.
    policies: &'a [&'a LoadedPolicy],
    facts: &'a Facts,
    entities: &'a Entities,
    /// The request without any approval.
    plain: &'a TypedRequest,
    /// Those of a call.
    arguments: Option<Arguments<'a>>,
}

/// Policies that determine a decision.
type Reasons<'a> = Vec<&'a LoadedPolicy>;

/// The result of one evaluation.
struct Evaluation<'a> {
    allowed: bool,
    reasons: Reasons<'a>,
    /// Errors, without the values that caused them.
    errors: Vec<(&'a LoadedPolicy, &'static str)>,
}

fn determining(reasons: &[&LoadedPolicy]) -> Vec<DeterminingPolicy> {
    reasons.iter().map(|p| p.determining.clone()).collect()
}

impl<'a> PolicyEvaluation<'a> {
    pub(super) fn new(
        pdp: &'a Pdp,
        policies: &'a [&'a LoadedPolicy],
        facts: &'a Facts,
        entities: &'a Entities,
        plain: &'a TypedRequest,
    ) -> Self {
        Self {
            pdp,
            policies,
            facts,
            entities,
            plain,
            arguments: None,
        }
    }

    /// The same for a call with these arguments.
    pub(super) fn with_arguments(self, arguments: Option<Arguments<'a>>) -> Self {
        Self { arguments, ..self }
    }

    /// The same request against other policies.
    pub(super) fn of(self, policies: &'a [&'a LoadedPolicy]) -> Self {
        Self { policies, ..self }
    }

    fn compares_untyped(&self, policy: &LoadedPolicy) -> bool {
        !self.plain.untyped.is_empty() && self.plain.compares_untyped(&policy.condition)
    }

    fn reads_approval(&self) -> bool {
        self.policies.iter().any(|p| p.approval.reads())
    }

    /// Roles that any of the policies asks for.
    fn roles(&self) -> BTreeSet<String> {
        let named = self.policies.iter().flat_map(|p| &p.approval.roles);
        named.cloned().collect()
    }

    /// Numbers of approvers that any of the policies asks for.
    fn counts(&self) -> BTreeSet<u64> {
        let named = self.policies.iter().flat_map(|p| &p.approval.counts);
        named.copied().collect()
    }

    /// Like Cedar's authorizer: a satisfied forbid denies; otherwise a satisfied permit allows; otherwise
    /// the request is denied. Policies come in the order of their ids, and so do reasons and errors.
    fn evaluate(
        &self,
        policies: impl Iterator<Item = &'a LoadedPolicy>,
        approval: Option<&PriorApproval>,
    ) -> Result<Evaluation<'a>, RequestError> {
        let request = match approval {
            None => self.plain.clone(),
            Some(granted) => self.pdp.approved(self.plain, granted)?,
        };
        let evaluator = Evaluator::new(
            request.cedar.clone(),
            self.entities,
            Extensions::all_available(),
        );
        let (mut permits, mut forbids, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for policy in policies {
            let env = policy.cedar.as_ref().env();
            let satisfied = evaluator
                .interpret(&policy.condition, env)
                .map_err(|error| message(&error))
                .and_then(|value| match value.value_kind() {
                    ValueKind::Lit(Literal::Bool(satisfied)) => Ok(*satisfied),
                    _ => Err("its condition is not a truth value"),
                })
                .and_then(|satisfied| match self.compares_untyped(policy) {
                    true => Err("it compares an argument whose value does not have its type"),
                    false => Ok(satisfied),
                });
            match (satisfied, policy.effect) {
                (Ok(true), Effect::Permit) => permits.push(policy),
                (Ok(true), Effect::Forbid) => forbids.push(policy),
                (Ok(false), _) => {}
                (Err(message), _) => errors.push((policy, message)),
            }
        }
        let allowed = forbids.is_empty() && !permits.is_empty();
        Ok(Evaluation {
            allowed,
            reasons: if allowed { permits } else { forbids },
            errors,
        })
    }

    /// Like `evaluate`, but every error becomes the outcome *error*.
    fn sound(&self, approval: Option<&PriorApproval>) -> Result<Evaluation<'a>, ErrorBasis> {
        let evaluation = self
            .evaluate(self.policies.iter().copied(), approval)
            .map_err(|error| Box::new(self.pdp.basis(Vec::new(), vec![error])))?;
        if evaluation.errors.is_empty() {
            return Ok(evaluation);
        }
        let policies: Reasons<'_> = evaluation.errors.iter().map(|(p, _)| *p).collect();
        let errors = evaluation.errors.iter().map(|(p, message)| DecisionError {
            message: (*message).into(),
            policy: Some(p.determining.policy.id.clone()),
        });
        let errors = errors.collect();
        Err(Box::new(self.pdp.basis(determining(&policies), errors)))
    }

    fn basis(&self, reasons: &[&LoadedPolicy]) -> tollgate_model::decision::Basis {
        self.pdp.basis(determining(reasons), Vec::new())
    }

    /// Decides. A forbid of a call does not apply if the arguments are redacted as it asks.
    pub(super) fn decide(&self) -> Decision {
        let is_met = |policy: &&&LoadedPolicy| {
            let redact = &policy.redact;
            !redact.is_empty() && self.arguments.is_some_and(|a| a.are_redacted(redact))
        };
        let (met, others): (Reasons<'a>, Reasons<'a>) = self.policies.iter().partition(is_met);
        let decision = self.of(&others).try_decide();
        let mut decision = decision.unwrap_or_else(|basis| Decision::Error(*basis));
        if !met.is_empty() {
            decision.basis_mut().redacted = self.redaction(&met);
        }
        decision
    }

    /// What these forbids ask for, as far as they would apply otherwise.
    fn redaction(&self, met: &[&'a LoadedPolicy]) -> Redaction {
        let applies: Reasons<'a> = match self.evaluate(met.iter().copied(), None) {
            Ok(evaluation) => {
                let errors = evaluation.errors.iter().map(|(policy, _)| *policy);
                evaluation.reasons.iter().copied().chain(errors).collect()
            }
            Err(_) => met.to_vec(),
        };
        let mut redaction = Redaction::default();
        for policy in applies {
            redaction.policies.insert(policy.determining.policy.clone());
            redaction.pointers.extend(policy.redact.iter().cloned());
        }
        redaction
    }

    fn try_decide(&self) -> Result<Decision, ErrorBasis> {
        let empty = self.sound(None)?;
        if empty.allowed {
            return Ok(Decision::Allow(self.basis(&empty.reasons)));
        }
        if !self.reads_approval() {
            return Ok(self.deny(&empty.reasons));
        }
        if let Some(granted) = &self.facts.approval {
            let approved = self.sound(Some(granted))?;
            let lifted = self.lifted(&empty, &approved);
            if approved.allowed && lifted.is_subset(&granted.lifts) {
                return Ok(Decision::Allow(self.basis(&approved.reasons)));
            }
        }
        self.escalate(&empty)
    }

    /// Denies, and names what would have to be redacted: this applies if every satisfied forbid only redacts,
    /// and the request would be permitted without them. A call may also need an approval then.
    fn deny(&self, reasons: &[&LoadedPolicy]) -> Decision {
        let mut basis = self.basis(reasons);
        let redacts = |p: &LoadedPolicy| !p.redact.is_empty();
        if !reasons.is_empty() && reasons.iter().all(|p| redacts(p)) {
            let pointers = reasons
                .iter()
                .flat_map(|p| p.redact.iter().cloned())
                .collect();
            let others = self.policies.iter().copied().filter(|p| !redacts(p));
            let others: Reasons<'_> = others.collect();
            let possible = match (self.of(&others).try_decide(), self.arguments) {
                (Ok(Decision::Allow(_)), None) => true,
                (Ok(Decision::Allow(_) | Decision::Escalate(..)), Some(arguments)) => {
                    arguments.can_be_redacted(&pointers)
                }
                _ => false,
            };
            if possible {
                basis.redact = pointers;
            }
        }
        Decision::Deny(basis)
    }

    /// Decides again as if approved: first by everyone, then by the fewest approvers that suffice.
    fn escalate(&self, empty: &Evaluation<'a>) -> Result<Decision, ErrorBasis> {
        let all = |count| self.granted(self.roles(), count);
        let most = self.counts().last().copied().unwrap_or(1);
        let full = self.sound(Some(&all(most)))?;
        if !full.allowed {
            // The policies that deny even with a full approval. If there are none, nothing permits it, and an approval
            // would not help.
            return Ok(self.deny(&full.reasons));
        }
        let lifts = self.lifted(empty, &full);
        let alternatives = self.alternatives(most)?;
        let severity = lifts
            .iter()
            .filter_map(|p| self.pdp.policies.get(&p.id))
            .map(|p| p.severity)
            .max()
            .unwrap_or_default();
        let lifted = |p: &&LoadedPolicy| lifts.contains(&p.determining.policy);
        let lifted: Reasons<'_> = self.policies.iter().copied().filter(lifted).collect();
        Ok(Decision::Escalate(
            self.basis(&lifted),
            Requirement {
                alternatives,
                lifts,
                severity,
            },
        ))
    }

    fn granted(&self, roles: BTreeSet<String>, count: u64) -> PriorApproval {
        PriorApproval {
            count,
            lifts: BTreeSet::new(),
            roles,
        }
    }

    /// The policies that an approval lifts: forbids that apply without it and, if no permit is satisfied
    /// without it, the permits that need it.
    fn lifted(&self, empty: &Evaluation<'a>, approved: &Evaluation<'a>) -> BTreeSet<PolicyRef> {
        let with = |evaluation: &Evaluation<'a>, effect| -> Reasons<'a> {
            let reasons = evaluation.reasons.iter().copied();
            reasons.filter(|p| p.effect == effect).collect()
        };
        let permits = with(approved, Effect::Permit);
        let unconditional = permits.iter().any(|p| !p.approval.reads());
        let needed = permits.into_iter().filter(|_| !unconditional);
        with(empty, Effect::Forbid)
            .into_iter()
            .chain(needed)
            .map(|p| p.determining.policy.clone())
            .collect()
    }

    /// Minimal approvals that lift the policies, smallest first. `most` is the greatest number that any
    /// policy asks for.
    fn alternatives(&self, most: u64) -> Result<Vec<Approvers>, ErrorBasis> {
        let named = self.roles();
        let roles: Vec<&String> = named.iter().collect();
        let everything = || {
            vec![Approvers {
                count: most,
                roles: named.clone(),
            }]
        };
        let mut counts = self.counts();
        counts.insert(1);
        // Bounded: a bit mask of that many roles would overflow.
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

/// The kind of an error, without the values that caused it.
pub(super) fn message(error: &EvaluationError) -> &'static str {
    match error {
        EvaluationError::EntityDoesNotExist(_) => "an entity does not exist",
        EvaluationError::EntityAttrDoesNotExist(_) | EvaluationError::RecordAttrDoesNotExist(_) => {
            "an attribute does not exist"
        }
        EvaluationError::TypeError(_) => "a value has the wrong type",
        EvaluationError::IntegerOverflow(_) => "an integer overflows",
        EvaluationError::FailedExtensionFunctionExecution(_) => "an extension function failed",
        EvaluationError::RecursionLimit(_) => "it recurses too deep",
        _ => "it does not evaluate",
    }
}
