//! What callers and people may do with runs and approvals by right of whose they are, and what takes a
//! decision.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tollgate_model::{
    canonical::Sha256Digest,
    entity::{Kind, Uid},
    ids::{DecisionId, RunId},
    record::{AdminAction, Administered, ApprovalEscalated, Event, Record, RunOutcome},
    request::Action,
    time::Timestamp,
};

use crate::{
    config::CaptureConfig,
    enforce::Refusal,
    gate::{Gate, OperateError},
    load::LoadError,
    pip::{Caller, RunKey, on_behalf_of},
};
use tollgate_ledger::{ApprovalRow, Batch, CommitError, Condition, RunRow};

/// What a decision was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FactsView {
    /// The request: principal, action, resource, context.
    pub request: Value,
    /// What was known.
    pub facts: Value,
}

/// What the passing of time did to approvals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overdue {
    /// Approvals that have expired.
    pub expired: usize,
    /// Approvals that a second group was asked for.
    pub escalated: usize,
}

impl Gate {
    /// The user for whom `caller` acts; nobody if the configuration does not know the caller.
    #[must_use]
    pub fn on_behalf_of(&self, caller: &Caller) -> Option<Uid> {
        on_behalf_of(&self.snapshot(), caller)
    }

    /// Whether the run is one that `caller` makes calls in: its own, for the same user.
    #[must_use]
    pub fn is_own_run(&self, caller: &Caller, run: &RunRow) -> bool {
        run.tenant == self.snapshot().config.gate.tenant
            && run.principal == caller.principal()
            && self.on_behalf_of(caller).as_ref() == Some(&run.on_behalf_of)
    }

    /// Whether `caller` may know of an approval: whoever asked, those for whom it was asked, and people who
    /// may answer it or read its run. Without a record.
    #[must_use]
    pub fn sees_approval(&self, caller: &Caller, row: &ApprovalRow) -> bool {
        if self.is_own_approval(caller, row) {
            return true;
        }
        let Caller::User(name) = caller else {
            return false;
        };
        let user = Uid::new(Kind::User, name);
        row.tenant == self.snapshot().config.gate.tenant
            && (row.on_behalf_of == user
                || self.could_answer(&user, row)
                || self.could_with_run(&user, Action::ViewRun, row.run, &row.tenant))
    }

    /// Whether the approval was asked for by a call of `caller`, for the same user.
    #[must_use]
    pub fn is_own_approval(&self, caller: &Caller, row: &ApprovalRow) -> bool {
        row.tenant == self.snapshot().config.gate.tenant
            && row.principal == caller.principal()
            && self.on_behalf_of(caller).as_ref() == Some(&row.on_behalf_of)
    }

    /// The run that the caller names: by a key, or one of the caller's own by its id.
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

    /// End a run that is over: for those who make calls in it, those for whom it acts, and whoever runs
    /// the agent. Without an outcome it is what its last call was refused for, or success.
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
        let snapshot = self.snapshot();
        let operator = match row.principal.kind {
            Kind::Agent => snapshot.config.agents.get(&row.principal.id),
            _ => None,
        };
        let operates = operator.is_some_and(|agent| agent.operator == by.id);
        let here = row.tenant == snapshot.config.gate.tenant;
        let concerns = here && by.kind == Kind::User && (by == row.on_behalf_of || operates);
        if !concerns && !self.is_own_run(caller, row) {
            return Err(OperateError::Unknown(format!(
                "run {} is not yours to end",
                row.id
            )));
        }
        self.end_run(&by, row, outcome, reason).await
    }

    /// Whether `user` may answer an approval as things are, without a record: for lists.
    #[must_use]
    pub fn could_answer(&self, user: &Uid, row: &ApprovalRow) -> bool {
        self.pep().could_answer(&self.snapshot(), user, row)
    }

    /// What a decision was made from. Who may see it is decided, and recorded.
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
        let Event::Decision(decided) = record.event else {
            return Err(nothing());
        };
        let Some(digest) = decided.facts_digest else {
            let problem = format!("the facts of {decision} were not kept");
            return Err(OperateError::Unknown(problem));
        };
        match record.run {
            Some(run) => {
                let row = self.ledger().reader().run(&run.to_string())?;
                self.may_with_run(user, Action::ViewPayload, &row).await?;
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

    /// What each decision of a run was made from, as far as that is still kept. Who may see it is decided,
    /// and recorded, once.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn facts_of_run(
        &self,
        user: &Uid,
        run: &RunRow,
    ) -> Result<Vec<(DecisionId, FactsView)>, OperateError> {
        self.may_with_run(user, Action::ViewPayload, run).await?;
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

    /// Decide whether `user` may put policies into force, and load the configuration again.
    ///
    /// # Errors
    /// [`OperateError`] if they may not; within, [`LoadError`] if it does not load, and the old one stays.
    pub async fn reload_as(&self, user: &Uid) -> Result<Result<(), LoadError>, OperateError> {
        self.operate(user, Action::ActivatePolicies).await?;
        Ok(self.reload(&user.id).await)
    }

    /// Record what the gate itself did beside deciding.
    ///
    /// # Errors
    /// [`OperateError::Store`].
    pub async fn record_act(&self, action: AdminAction, target: &str) -> Result<(), OperateError> {
        let event = Event::Administered(Administered {
            action,
            by: "gate".into(),
            target: crate::text::printable(target, 200),
        });
        self.note(event).await
    }

    /// Forget what is older than each tenant's retention.
    async fn retain(&self, capture: &CaptureConfig, now: Timestamp) -> Result<(), OperateError> {
        if capture.all.retention.is_none() && capture.tenants.is_empty() {
            return Ok(());
        }
        for tenant in self.ledger().reader().sealing_tenants()? {
            if let Some(retention) = capture.of(&tenant).retention {
                let micros = i64::try_from(retention.as_micros()).unwrap_or(i64::MAX);
                let before = Timestamp(now.0.saturating_sub(micros));
                self.forget(&tenant, before, "gate").await?;
            }
        }
        Ok(())
    }

    /// Destroy the keys of the tenant's days before `before`: what was sealed on them can never be read
    /// again, by anybody, except from backups that hold the keys still. It is recorded first. Days of
    /// which something still waits for an approval stay.
    async fn forget(
        &self,
        tenant: &str,
        before: Timestamp,
        by: &str,
    ) -> Result<Vec<i64>, OperateError> {
        // Today's key seals what is decided today.
        let before = before.min(self.now());
        let days = self.ledger().reader().days_to_forget(tenant, before)?;
        for day in &days {
            let forgotten = Event::Administered(Administered {
                action: AdminAction::PayloadKeysDestroyed,
                by: by.into(),
                target: format!("{tenant} day {day}"),
            });
            self.note(forgotten).await?;
            let (keys, tenant, day) = (self.ledger().keys().clone(), tenant.to_owned(), *day);
            let destroyed =
                tokio::task::spawn_blocking(move || keys.destroy_day(&tenant, day)).await;
            destroyed.map_err(|e| OperateError::Store(e.to_string()))??;
        }
        Ok(days)
    }

    /// As `user`, destroy the keys of all days before `before`: of one tenant, or of all.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn forget_payloads(
        &self,
        user: &Uid,
        tenant: Option<&str>,
        before: Timestamp,
    ) -> Result<u64, OperateError> {
        let whose = tenant.unwrap_or("all tenants");
        self.administer(user, AdminAction::PayloadDestructionRequested, whose)
            .await?;
        let mut forgotten = 0;
        for of in self.ledger().reader().sealing_tenants()? {
            if tenant.is_none_or(|tenant| tenant == of) {
                forgotten += self.forget(&of, before, &user.id).await?.len() as u64;
            }
        }
        Ok(forgotten)
    }

    /// Record what time has done: approvals and runs that are over, and approvals that nobody answered
    /// in time, for which the second group is asked.
    ///
    /// # Errors
    /// [`OperateError::Store`].
    pub async fn pass_time(&self) -> Result<Overdue, OperateError> {
        let (snapshot, now) = (self.snapshot(), self.now());
        let swept = self.ledger().sweep(now, snapshot.config.idle()).await?;
        let mut overdue = Overdue {
            expired: swept.expired.len(),
            escalated: 0,
        };
        if let Some(group) = &snapshot.config.approvals.second_group {
            let after = i64::try_from(group.after.as_micros()).unwrap_or(i64::MAX);
            let before = Timestamp(now.0.saturating_sub(after));
            for row in self.ledger().reader().unanswered(before)? {
                let escalated = Event::ApprovalEscalated(ApprovalEscalated {
                    id: row.id,
                    roles: group.roles.clone(),
                });
                let batch = Batch {
                    records: vec![Record::new(row.tenant, Some(row.run), now, escalated)],
                    conditions: vec![Condition::ApprovalUnchanged(row.id, row.version)],
                    ..Batch::default()
                };
                match self.pep().commit(batch).await {
                    Ok(_) => overdue.escalated += 1,
                    // Somebody answered just now; if not enough, the next round finds it again.
                    Err(CommitError::ApprovalChanged) => {}
                    Err(error) => return Err(Refusal::from(error).into()),
                }
            }
        }
        self.retain(&snapshot.config.capture, now).await?;
        self.close_untold().await;
        if overdue != Overdue::default() {
            self.approvals_changed();
        }
        Ok(overdue)
    }
}
