//! Timeouts: approvals and runs expire, approvals escalate, old payloads are destroyed.

use tollgate_ledger::{Batch, CommitError, Condition};
use tollgate_model::{
    entity::Uid,
    record::{AdminAction, AdministrativeAct, ApprovalEscalated, Event, Record},
    time::Timestamp,
};

use super::{Gate, OperateError};
use crate::{capture::CaptureConfig, enforce::Refusal, text::printable};

/// The effects of timeouts on approvals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ApprovalTimeouts {
    /// Approvals that have expired.
    pub expired: usize,
    /// Approvals that were escalated to other roles.
    pub escalated: usize,
}

impl Gate {
    /// Records timeouts: expired approvals and runs, and unanswered approvals, for which other roles are
    /// asked.
    ///
    /// # Errors
    /// [`OperateError::Store`].
    pub async fn pass_time(&self) -> Result<ApprovalTimeouts, OperateError> {
        let (ruleset, now) = (self.ruleset(), self.now());
        let swept = self.ledger().sweep(now, ruleset.config.idle()).await?;
        let mut overdue = ApprovalTimeouts {
            expired: swept.expired.len(),
            escalated: 0,
        };
        if let Some(group) = &ruleset.config.approvals.second_group {
            let before = now.before(group.after);
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
                    // It was answered just now. If that is not enough, the next round finds it again.
                    Err(CommitError::ApprovalChanged) => {}
                    Err(error) => return Err(Refusal::from(error).into()),
                }
            }
        }
        self.retain(&ruleset.config.capture, now).await?;
        self.expire_unreported().await;
        if overdue != ApprovalTimeouts::default() {
            self.approvals_changed();
        }
        Ok(overdue)
    }

    /// Records an action of the gate itself other than a decision.
    ///
    /// # Errors
    /// [`OperateError::Store`].
    pub async fn record_act(&self, action: AdminAction, target: &str) -> Result<(), OperateError> {
        let event = Event::Administered(AdministrativeAct {
            action,
            by: "gate".into(),
            target: printable(target, 200),
        });
        self.record_event(event).await
    }

    /// Destroys payload keys that are older than each tenant's retention.
    async fn retain(&self, capture: &CaptureConfig, now: Timestamp) -> Result<(), OperateError> {
        if capture.all.retention.is_none() && capture.tenants.is_empty() {
            return Ok(());
        }
        for tenant in self.ledger().reader().sealing_tenants()? {
            if let Some(retention) = capture.of(&tenant).retention {
                let before = now.before(retention);
                self.forget(&tenant, before, "gate").await?;
            }
        }
        Ok(())
    }

    /// Destroys the keys of the tenant's days before `before`: payloads sealed with them can never be read
    /// again, except from backups that still contain the keys. It is recorded first. Days with a pending
    /// approval stay.
    async fn forget(
        &self,
        tenant: &str,
        before: Timestamp,
        by: &str,
    ) -> Result<Vec<i64>, OperateError> {
        // Today's key is needed for today's decisions.
        let before = before.min(self.now());
        let days = self.ledger().reader().days_to_forget(tenant, before)?;
        for day in &days {
            let forgotten = Event::Administered(AdministrativeAct {
                action: AdminAction::PayloadKeysDestroyed,
                by: by.into(),
                target: format!("{tenant} day {day}"),
            });
            self.record_event(forgotten).await?;
            let (keys, tenant, day) = (self.ledger().keys().clone(), tenant.to_owned(), *day);
            let destroyed =
                tokio::task::spawn_blocking(move || keys.destroy_day(&tenant, day)).await;
            destroyed.map_err(|e| OperateError::Store(e.to_string()))??;
        }
        Ok(days)
    }

    /// As `user`, destroys the keys of all days before `before`: of one tenant, or of all.
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
}
