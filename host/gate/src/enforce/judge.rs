//! Decisions about what people do outside calls.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use tollgate_ledger::{Batch, Payload};
use tollgate_model::{
    decision::Decision,
    entity::Entity,
    ids::{ApprovalId, DecisionId, RunId, StandingId},
    record::{Event, Record},
    request::{Facts, Request, RunFacts},
};

use super::{Draft, Pep, Refusal, Ruleset};

/// A decision outside a call, not recorded yet.
pub(crate) struct UnrecordedDecision {
    pub(crate) request: Request,
    pub(crate) facts: Facts,
    pub(crate) decision: Decision,
    begun: Instant,
}

impl Pep {
    /// Decides a person's request outside a call, without recording it.
    pub(crate) fn judge(
        &self,
        ruleset: &Arc<Ruleset>,
        request: Request,
        entities: Vec<Entity>,
    ) -> UnrecordedDecision {
        let begun = Instant::now();
        let now = self.now();
        let facts = Self::facts(ruleset, now, RunFacts::default(), entities);
        let decision = ruleset.pdp.decide(&request, &facts);
        UnrecordedDecision {
            request,
            facts,
            decision,
            begun,
        }
    }

    /// The record of a decision of [`Pep::judge`].
    pub(crate) fn judged_record(
        &self,
        ruleset: &Ruleset,
        judged: &UnrecordedDecision,
        run: Option<RunId>,
        approval: Option<ApprovalId>,
    ) -> Result<(Record, Payload), Refusal> {
        let (draft, payload) = self.draft_of(ruleset, judged)?;
        let event = Event::from(draft.approval(approval));
        let tenant = ruleset.config.gate.tenant.clone();
        Ok((Record::new(tenant, run, judged.facts.now, event), payload))
    }

    /// The record of a decision of [`Pep::judge`] about what an approver may do with a standing approval.
    pub(crate) fn standing_record(
        &self,
        ruleset: &Ruleset,
        judged: &UnrecordedDecision,
        run: RunId,
        standing: StandingId,
    ) -> Result<(Record, Payload), Refusal> {
        let (draft, payload) = self.draft_of(ruleset, judged)?;
        let event = Event::from(draft.standing(BTreeSet::from([standing])));
        let tenant = ruleset.config.gate.tenant.clone();
        Ok((
            Record::new(tenant, Some(run), judged.facts.now, event),
            payload,
        ))
    }

    fn draft_of(
        &self,
        ruleset: &Ruleset,
        judged: &UnrecordedDecision,
    ) -> Result<(Draft, Payload), Refusal> {
        let UnrecordedDecision {
            request,
            facts,
            decision,
            begun,
        } = judged;
        self.decision_record(ruleset, request, facts, decision, self.span_id(), *begun)
    }

    /// Decides and records a person's request outside a call.
    ///
    /// # Errors
    /// [`Refusal`], recorded if it can be.
    pub(crate) async fn authorize(
        &self,
        ruleset: &Arc<Ruleset>,
        request: Request,
        entities: Vec<Entity>,
        run: Option<RunId>,
    ) -> Result<DecisionId, Refusal> {
        let judged = self.judge(ruleset, request, entities);
        let (record, payload) = self.judged_record(ruleset, &judged, run, None)?;
        let batch = Batch {
            records: vec![record],
            payloads: vec![payload],
            conditions: Vec::new(),
        };
        let decision = DecisionId(self.commit(batch).await?.first());
        match judged.decision {
            Decision::Allow(_) => Ok(decision),
            Decision::Deny(basis) | Decision::Escalate(basis, _) => {
                let basis = Box::new(basis);
                Err(Refusal::Denied { decision, basis })
            }
            Decision::Error(basis) => {
                let basis = Box::new(basis);
                Err(Refusal::Undecidable { decision, basis })
            }
        }
    }
}
