//! Operators' actions: each is decided and recorded before it happens.

use std::collections::BTreeSet;

use tollgate_ledger::{Batch, RunRow};
use tollgate_model::{
    decision::Outcome,
    entity::{Kind, Uid},
    ids::{DecisionId, RunId},
    record::{AdminAction, AdministrativeAct, Event, Halt, HaltScope, Record, RunOutcome},
    request::Action,
    standing::StandingScope,
};
use tollgate_policy::policy;

use super::{Gate, OperateError};
use crate::{
    enforce::{OperatorAct, Refusal, RunAct},
    text::printable,
};

/// The immediate effects of a halt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HaltReport {
    /// Running calls that were signalled to stop.
    pub calls: usize,
    /// Approvals that were cancelled.
    pub approvals: usize,
    /// Standing approvals that were voided.
    pub standing: usize,
}

impl Gate {
    pub(super) async fn operate(&self, user: &Uid, action: Action) -> Result<DecisionId, Refusal> {
        let (request, entities) = OperatorAct::new(action, user).parts();
        self.pep()
            .authorize(&self.ruleset(), request, entities, None)
            .await
    }

    /// Halts a target: new calls of it do not start, running ones are stopped, its approvals are cancelled.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn halt(
        &self,
        user: &Uid,
        scope: HaltScope,
        name: &str,
        reason: &str,
    ) -> Result<HaltReport, OperateError> {
        self.check_halt_name(scope, name)?;
        self.halt_unchecked(user, scope, name, reason).await
    }

    /// Like [`Gate::halt`], also for a target that is not loaded or configured now.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn halt_unchecked(
        &self,
        user: &Uid,
        scope: HaltScope,
        name: &str,
        reason: &str,
    ) -> Result<HaltReport, OperateError> {
        self.operate(user, Action::Halt).await?;
        let halt = Halt {
            by: user.id.clone(),
            name: name.into(),
            reason: printable(reason, 200),
            scope,
        };
        // The halt is in force, even if cancelling the approvals fails.
        self.record_event(Event::Halted(halt)).await?;
        let calls = self.0.halts.halt(|call| match scope {
            HaltScope::All => true,
            HaltScope::Agent => call.principal == name,
            HaltScope::Tool => call.tool == name,
            HaltScope::Component => call.component == name,
            HaltScope::Tenant => call.tenant == name,
        });
        let ruleset = self.ruleset();
        let component_of = |tool: &str| ruleset.callable(tool).map(|t| t.source.name.clone());
        let approvals = self
            .cancel_approvals(|row| match scope {
                HaltScope::All => true,
                HaltScope::Agent => row.principal.id == name,
                HaltScope::Tool => row.tool == name,
                HaltScope::Component => component_of(&row.tool).as_deref() == Some(name),
                HaltScope::Tenant => row.tenant == name,
            })
            .await?;
        let reason = format!("halted {} {name}", scope.as_str());
        let standing = self
            .void_standing(user, reason.trim_end(), |row| {
                let granted = &row.granted;
                match scope {
                    HaltScope::All => true,
                    HaltScope::Agent => granted.principal.id == name,
                    HaltScope::Tool => granted.tool == name,
                    HaltScope::Component => component_of(&granted.tool).as_deref() == Some(name),
                    HaltScope::Tenant => row.tenant == name,
                }
            })
            .await?;
        Ok(HaltReport {
            calls,
            approvals,
            standing,
        })
    }

    /// Requires that the target of a halt exists.
    fn check_halt_name(&self, scope: HaltScope, name: &str) -> Result<(), OperateError> {
        let ruleset = self.ruleset();
        let config = &ruleset.config;
        let known: BTreeSet<&str> = match scope {
            HaltScope::All => return Ok(()),
            HaltScope::Agent => {
                let names = config.agents.keys().chain(config.users.keys());
                names.map(String::as_str).collect()
            }
            HaltScope::Tool => ruleset.callables().map(|t| t.name.as_str()).collect(),
            HaltScope::Component => {
                let upstreams = config.upstreams.keys().chain(config.external.keys());
                let names = config.components.keys().chain(upstreams);
                names.map(String::as_str).collect()
            }
            HaltScope::Tenant => BTreeSet::from([config.gate.tenant.as_str()]),
        };
        if known.contains(name) {
            return Ok(());
        }
        let near = policy::nearest(name, known.iter().copied());
        let near = near.map(|near| format!("; did you mean `{near}`?"));
        Err(OperateError::Unknown(format!(
            "nothing was halted: there is no {} `{}`{}",
            scope.as_str(),
            printable(name, 80),
            near.unwrap_or_default()
        )))
    }

    /// Lift a halt.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn resume(
        &self,
        user: &Uid,
        scope: HaltScope,
        name: &str,
    ) -> Result<(), OperateError> {
        let halts = self.ledger().reader().halts()?;
        let Some(halt) = halts
            .into_iter()
            .find(|h| h.scope == scope && h.name == name)
        else {
            return Err(OperateError::Unknown(format!(
                "no halt of {} {name} is in force; see `tollgate halt --list`",
                scope.as_str()
            )));
        };
        self.operate(user, Action::Halt).await?;
        let event = Event::Resumed(Halt {
            by: user.id.clone(),
            ..halt
        });
        self.record_event(event).await
    }

    /// Ends a run. Without an outcome, it follows from the refusal of the last call, or is success.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn end_run(
        &self,
        user: &Uid,
        row: &RunRow,
        outcome: Option<RunOutcome>,
        reason: &str,
    ) -> Result<(), OperateError> {
        self.pep().end_run(row, &user.id, outcome, reason).await?;
        self.void_approvals_of_run(user, row).await
    }

    /// No one is asked, and no one has answered, about what cannot happen any more.
    async fn void_approvals_of_run(&self, user: &Uid, row: &RunRow) -> Result<(), OperateError> {
        self.cancel_approvals(|approval| approval.run == row.id)
            .await?;
        self.void_standing(user, "its run has ended", |standing| {
            standing.granted.scope == StandingScope::Run && standing.run == row.id
        })
        .await?;
        Ok(())
    }

    /// Stops a run: new calls of it do not start, running guests are stopped, its approvals are voided.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn cancel_run(
        &self,
        user: &Uid,
        row: &RunRow,
        reason: &str,
    ) -> Result<(), OperateError> {
        if row.tenant != self.ruleset().config.gate.tenant {
            let problem = format!("run {} is of another tenant", row.id);
            return Err(OperateError::Unknown(problem));
        }
        self.operate(user, Action::CancelRun).await?;
        self.pep()
            .end_run(row, &user.id, Some(RunOutcome::Cancelled), reason)
            .await?;
        self.0.halts.halt(|call| call.run == row.id);
        self.void_approvals_of_run(user, row).await
    }

    /// Decides, and records, whether `user` may do `action` with a run.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn authorize_on_run(
        &self,
        user: &Uid,
        action: Action,
        run: &RunRow,
    ) -> Result<DecisionId, OperateError> {
        let (request, entities) = RunAct::new(action, user, run.id, &run.tenant).parts();
        Ok(self
            .0
            .pep
            .authorize(&self.ruleset(), request, entities, Some(run.id))
            .await?)
    }

    /// Whether `user` may do `action` with a run, without a record: for lists.
    #[must_use]
    pub fn is_allowed_on_run(&self, user: &Uid, action: Action, run: RunId, tenant: &str) -> bool {
        let (request, entities) = RunAct::new(action, user, run, tenant).parts();
        self.pep()
            .judge(&self.ruleset(), request, entities)
            .decision
            .outcome()
            == Outcome::Allow
    }

    /// Whether `user` may do `action` with the gate itself, without a record.
    #[must_use]
    pub fn is_allowed(&self, user: &Uid, action: Action) -> bool {
        let (request, entities) = OperatorAct::new(action, user).parts();
        self.pep()
            .judge(&self.ruleset(), request, entities)
            .decision
            .outcome()
            == Outcome::Allow
    }

    /// Decides and records an administrative action, such as making a token.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn administer(
        &self,
        user: &Uid,
        action: AdminAction,
        target: &str,
    ) -> Result<(), OperateError> {
        self.operate(user, Action::Administer).await?;
        self.record_administration(user, action, target).await
    }

    /// Records an administrative action that was decided.
    pub(super) async fn record_administration(
        &self,
        user: &Uid,
        action: AdminAction,
        target: &str,
    ) -> Result<(), OperateError> {
        let event = Event::Administered(AdministrativeAct {
            action,
            by: user.id.clone(),
            target: printable(target, 200),
        });
        self.record_event(event).await
    }

    /// Records an action on the gate itself.
    pub(super) async fn record_event(&self, event: Event) -> Result<(), OperateError> {
        let tenant = self.ruleset().config.gate.tenant.clone();
        let record = Record::new(tenant, None, self.pep().now(), event);
        let batch = Batch {
            records: vec![record],
            ..Batch::default()
        };
        self.pep().commit(batch).await.map_err(Refusal::from)?;
        Ok(())
    }

    /// The configured user with this name.
    ///
    /// # Errors
    /// [`OperateError::Unknown`].
    pub fn user(&self, name: &str) -> Result<Uid, OperateError> {
        if self.ruleset().config.users.contains_key(name) {
            return Ok(Uid::new(Kind::User, name));
        }
        Err(OperateError::Unknown(format!(
            "there is no user `{name}`; add [users.{name}] to tollgate.toml"
        )))
    }
}
