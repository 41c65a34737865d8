//! Access to runs and approvals: what callers and people may do because they own them, and what needs a
//! decision.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tollgate_ledger::{ApprovalRow, RunRow};
use tollgate_model::{
    canonical::Sha256Digest,
    entity::{Kind, Uid},
    ids::{DecisionId, RunId},
    record::{AdminAction, Event, RunOutcome},
    request::Action,
};

use super::{Gate, OperateError};
use crate::{
    enforce::{CLI, REST},
    identity::{Caller, RunKey, on_behalf_of},
};

/// The request and facts of a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FactsView {
    /// The request: principal, action, resource, context.
    pub request: Value,
    /// The facts.
    pub facts: Value,
}

impl Gate {
    /// The user for whom `caller` acts; `None` if the caller is not configured.
    #[must_use]
    pub fn on_behalf_of(&self, caller: &Caller) -> Option<Uid> {
        on_behalf_of(&self.ruleset().config, caller)
    }

    /// Whether `caller` makes calls in the run: it is its own, for the same user.
    #[must_use]
    pub fn is_own_run(&self, caller: &Caller, run: &RunRow) -> bool {
        run.tenant == self.ruleset().config.gate.tenant
            && run.principal == caller.principal()
            && self.on_behalf_of(caller).as_ref() == Some(&run.on_behalf_of)
    }

    /// Whether `caller` may know of an approval: its requester, the user for whom it was requested, and
    /// people who may answer it or read its run. Not recorded.
    #[must_use]
    pub fn sees_approval(&self, caller: &Caller, row: &ApprovalRow) -> bool {
        if self.is_own_approval(caller, row) {
            return true;
        }
        let Caller::User(name) = caller else {
            return false;
        };
        let user = Uid::new(Kind::User, name);
        row.tenant == self.ruleset().config.gate.tenant
            && (row.on_behalf_of == user
                || self.can_answer(&user, row)
                || self.is_allowed_on_run(&user, Action::ViewRun, row.run, &row.tenant))
    }

    /// Whether a call of `caller` requested the approval, for the same user.
    #[must_use]
    pub fn is_own_approval(&self, caller: &Caller, row: &ApprovalRow) -> bool {
        row.tenant == self.ruleset().config.gate.tenant
            && row.principal == caller.principal()
            && self.on_behalf_of(caller).as_ref() == Some(&row.on_behalf_of)
    }

    /// The run that the caller names: by a key, or by the id of one of its own runs.
    ///
    /// # Errors
    /// [`OperateError::Unknown`] for a run that is not the caller's or has ended.
    pub fn run_key(&self, caller: &Caller, named: Option<String>) -> Result<RunKey, OperateError> {
        let Some(name) = named else {
            return Ok(RunKey::Ambient);
        };
        let Ok(id) = name.parse::<RunId>() else {
            return Ok(RunKey::Named(name));
        };
        let row = self.ledger().reader().run(&name);
        let Some(row) = row.ok().filter(|row| self.is_own_run(caller, row)) else {
            return Err(OperateError::Unknown(format!(
                "run {id} is not yours, so you cannot add calls to it; leave the run out, or choose a name"
            )));
        };
        match row.key {
            Some(key) => Ok(RunKey::Named(key)),
            None if row.ended.is_some() => Err(OperateError::Unknown(format!(
                "run {id} has ended; leave the run out to begin another"
            ))),
            None => Ok(RunKey::Id(id)),
        }
    }

    /// Ends a run: allowed for its principal, the user for whom it acts, and the agent's operator. Without
    /// an outcome, it follows from the refusal of the last call, or is success.
    ///
    /// # Errors
    /// [`OperateError`]
    pub async fn end_own_run(
        &self,
        caller: &Caller,
        row: &RunRow,
        outcome: Option<RunOutcome>,
        reason: &str,
    ) -> Result<(), OperateError> {
        let by = caller.principal();
        let ruleset = self.ruleset();
        let operator = match row.principal.kind {
            Kind::Agent => ruleset.config.agents.get(&row.principal.id),
            _ => None,
        };
        let operates = operator.is_some_and(|agent| agent.operator == by.id);
        let here = row.tenant == ruleset.config.gate.tenant;
        let concerns = here && by.kind == Kind::User && (by == row.on_behalf_of || operates);
        if !concerns && !self.is_own_run(caller, row) {
            return Err(OperateError::Unknown(format!(
                "run {} is not yours to end",
                row.id
            )));
        }
        self.end_run(&by, row, outcome, reason).await
    }

    /// Whether `user` may answer an approval now by the API or at the command line, without a record: for lists.
    #[must_use]
    pub fn can_answer(&self, user: &Uid, row: &ApprovalRow) -> bool {
        let mut channels = [REST, CLI].into_iter();
        channels.any(|channel| self.can_answer_by(user, row, channel))
    }

    /// As [`Gate::can_answer`], by another channel.
    #[must_use]
    pub fn can_answer_by(&self, user: &Uid, row: &ApprovalRow, channel: &str) -> bool {
        self.pep().can_answer(&self.ruleset(), user, row, channel)
    }

    /// The request and facts of a decision. Reading them is decided and recorded.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn facts(&self, user: &Uid, decision: DecisionId) -> Result<FactsView, OperateError> {
        let nothing = || OperateError::Unknown(format!("there is no decision `{decision}`"));
        let record = self
            .ledger()
            .reader()
            .record(decision.0)?
            .ok_or_else(nothing)?;
        let own = record.tenant == self.ruleset().config.gate.tenant;
        let Event::Decision(decided) = record.event else {
            return Err(nothing());
        };
        if record.run.is_none() && !own {
            return Err(nothing());
        }
        let Some(digest) = decided.facts_digest else {
            let problem = format!("the facts of {decision} were not kept");
            return Err(OperateError::Unknown(problem));
        };
        match record.run {
            Some(run) => {
                let row = self.ledger().reader().run(&run.to_string())?;
                self.authorize_on_run(user, Action::ViewPayload, &row)
                    .await?;
            }
            None => {
                self.administer(user, AdminAction::FactsViewed, &decision.to_string())
                    .await?;
            }
        }
        self.unsealed(decision, digest)
    }

    fn unsealed(
        &self,
        decision: DecisionId,
        digest: Sha256Digest,
    ) -> Result<FactsView, OperateError> {
        let plain = self.ledger().unseal(decision.0, digest, "facts")?;
        let (request, facts) =
            serde_json::from_slice(&plain).map_err(|e| OperateError::Store(e.to_string()))?;
        Ok(FactsView { request, facts })
    }

    /// The requests and facts of a run's decisions, as far as they are kept. Reading them is decided and
    /// recorded, once.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn facts_of_run(
        &self,
        user: &Uid,
        run: &RunRow,
    ) -> Result<Vec<(DecisionId, FactsView)>, OperateError> {
        self.authorize_on_run(user, Action::ViewPayload, run)
            .await?;
        let mut found = Vec::new();
        for (index, record) in self.ledger().reader().records_of_run(run.id)? {
            let Event::Decision(decided) = record.event else {
                continue;
            };
            let decision = DecisionId(index);
            if let Some(digest) = decided.facts_digest
                && let Ok(view) = self.unsealed(decision, digest)
            {
                found.push((decision, view));
            }
        }
        Ok(found)
    }
}
