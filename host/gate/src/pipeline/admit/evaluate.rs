//! Evaluate: build the request and the facts, and let policy decide.

use std::time::Instant;

use tollgate_model::{
    admission::{ApprovalStatus, Phase},
    decision::{Decision, Outcome},
    entity::{Kind, Uid},
    request::{Facts, Request},
    run::RunState,
};

use super::{Attempt, Position};
use crate::enforce::{Act as _, CallHistory, Pep, Refusal, grant_from_row};

/// A request with its decision.
#[derive(Debug)]
pub(super) struct EvaluatedRequest {
    pub(super) request: Request,
    pub(super) decision: Decision,
}

/// An evaluated call that is not recorded yet.
pub(super) struct Evaluation {
    pub(super) phase: Phase,
    /// Whether it resumes an earlier call, which is counted once.
    pub(super) is_resumption: bool,
    pub(super) decision: Decision,
    pub(super) request: Request,
    pub(super) facts: Facts,
    /// The history facts among them, with what they depend on.
    pub(super) history: CallHistory,
    /// For a nested call: the other of its two decisions.
    pub(super) secondary: Option<EvaluatedRequest>,
    /// The version of the run from which the facts are.
    pub(super) version: u64,
    pub(super) begun: Instant,
}

impl Attempt<'_> {
    /// # Errors
    /// [`Refusal::Unrecorded`] if the ledger cannot be read.
    pub(super) fn evaluate(
        &self,
        state: &RunState,
        position: &Position,
    ) -> Result<Evaluation, Refusal> {
        let begun = Instant::now();
        let (pep, cx, call) = (self.pep, &*self.cx, self.call());
        let now = pep.now();
        let is_resumption = position.is_resumption;
        let grant = match (position.phase, position.status(now), &position.approval) {
            (Phase::Asked | Phase::SuspendedAndAsked, ApprovalStatus::Granted, Some(row)) => {
                Some(grant_from_row(row, &cx.ruleset.config))
            }
            (Phase::Standing, _, _) => position.standing.as_ref().map(|cover| cover.prior.clone()),
            _ => None,
        };
        let run = Pep::run_facts(cx, state, Some(call.digest()), is_resumption, now);
        let history = pep.history(cx, call, now)?;
        let mut facts = Pep::facts(&cx.ruleset, now, run, call.entities());
        facts.approval = grant;
        facts.provenance = pep.reads.provenance(cx, call);
        facts.history.clone_from(&history.facts);
        facts.run.labels.extend(cx.inherited_labels.iter().cloned());
        let request = call.request(cx);
        let decision = cx.ruleset.pdp.decide(&request, &facts);
        let agent = EvaluatedRequest { request, decision };
        let (primary, secondary) = match cx.enclosing.last() {
            None => (agent, None),
            // A component can never do more through another component's tool than it may do itself.
            Some(calling) => {
                let request = Request {
                    principal: Uid::new(Kind::Component, &calling.component),
                    ..agent.request.clone()
                };
                let decision = cx.ruleset.pdp.decide(&request, &facts);
                let (primary, secondary) =
                    combine_decisions(agent, EvaluatedRequest { request, decision });
                (primary, Some(secondary))
            }
        };
        Ok(Evaluation {
            phase: position.phase,
            is_resumption,
            decision: primary.decision,
            request: primary.request,
            facts,
            history,
            secondary,
            version: state.version,
            begun,
        })
    }
}

/// Combines the decisions for the agent and for the component: both must allow. The first one returned
/// decides the call; the second is recorded with it.
fn combine_decisions(
    agent: EvaluatedRequest,
    component: EvaluatedRequest,
) -> (EvaluatedRequest, EvaluatedRequest) {
    let rank = |decision: &Decision| match decision.outcome() {
        Outcome::Allow => 0,
        Outcome::Escalate => 1,
        Outcome::Deny => 2,
        Outcome::Error => 3,
    };
    if rank(&component.decision) > rank(&agent.decision) {
        return (component, agent);
    }
    let mut agent = agent;
    if let (Decision::Escalate(basis, requirement), Decision::Escalate(theirs, also)) =
        (&mut agent.decision, &component.decision)
    {
        // One approval for both.
        *requirement = requirement.and(also);
        for determining in &theirs.determining {
            if !basis.determining.contains(determining) {
                basis.determining.push(determining.clone());
            }
        }
    }
    (agent, component)
}
