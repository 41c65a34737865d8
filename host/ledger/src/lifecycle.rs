//! Records after a crash or a timeout. This module uses only the ledger's public interface: the writer
//! decides nothing.

use tollgate_model::{
    ids::{ApprovalId, RunId, SpanId, StandingId},
    life::{ApprovalState, StandingState},
    record::{Event, OutcomeRecord, Record, RunEnded, RunOutcome, Status},
    time::Timestamp,
};

use crate::{Batch, CommitError, Condition, Ledger, LedgerError, writer::Maintenance};

/// A call that was recorded as indeterminate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoveredCall {
    /// Its run.
    pub run: RunId,
    /// Its span.
    pub call: SpanId,
}

/// After how many microseconds without activity a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdleLimits {
    /// A run without a name.
    pub unnamed: u64,
    /// A run with a name, session or trace, to which its caller may return.
    pub named: u64,
}

/// What [`Ledger::sweep`] ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Approvals that expired.
    pub expired: Vec<ApprovalId>,
    /// Standing approvals that expired.
    pub expired_standing: Vec<StandingId>,
    /// Runs that were idle for too long.
    pub abandoned: Vec<RunId>,
}

impl Ledger {
    /// Records the calls that were open when this ledger was opened as indeterminate: they may have had
    /// their effect, and the gate never retries them. Labels of their content join their runs.
    ///
    /// # Errors
    /// [`LedgerError`] if it cannot be recorded.
    pub async fn recover(&self, now: Timestamp) -> Result<Vec<RecoveredCall>, LedgerError> {
        let mut recovered = Vec::new();
        for open in self.take_open_calls() {
            let outcome = OutcomeRecord {
                call: open.call,
                capture: None,
                effective: false,
                effects: open.effects,
                fuel: 0,
                history: Vec::new(),
                labels: open.labels,
                peak_memory: 0,
                redacted: 0,
                release: None,
                result: None,
                size: 0,
                span: open.span,
                status: Status::Indeterminate,
            };
            let record = Record::new(
                open.tenant,
                Some(open.run),
                self.now(now),
                Event::Outcome(outcome),
            );
            self.commit(Batch {
                records: vec![record],
                ..Batch::default()
            })
            .await?;
            recovered.push(RecoveredCall {
                run: open.run,
                call: open.call,
            });
        }
        Ok(recovered)
    }

    /// Records expired approvals, and ends runs that were idle for too long. If the last call of a run was
    /// refused, that is the reason for its end.
    ///
    /// # Errors
    /// [`LedgerError`] if it cannot be recorded.
    pub async fn sweep(
        &self,
        now: Timestamp,
        idle: IdleLimits,
    ) -> Result<SweepReport, LedgerError> {
        let now = self.now(now);
        let mut swept = SweepReport::default();
        for row in self.reader().overdue_approvals(now)? {
            let resolved = row.resolved(ApprovalState::Expired);
            let record = Record::new(row.tenant, Some(row.run), now, resolved);
            let conditions = vec![Condition::ApprovalUnchanged(row.id, row.version)];
            match self
                .commit(Batch {
                    records: vec![record],
                    conditions,
                    ..Batch::default()
                })
                .await
            {
                Ok(_) => swept.expired.push(row.id),
                // It was answered meanwhile. If it is still overdue, the next sweep finds it.
                Err(CommitError::ApprovalChanged) => {}
                Err(error) => return Err(error.into()),
            }
        }
        swept.expired_standing = self.expire_standing(now).await?;
        let ago = |micros| {
            let micros = i64::try_from(micros).unwrap_or(i64::MAX);
            Timestamp(now.0.saturating_sub(micros))
        };
        let idle_runs = self
            .reader()
            .idle_runs(ago(idle.unnamed), ago(idle.named))?;
        for (run, tenant) in idle_runs {
            let Some(state) = self.run_state(run, None)? else {
                continue;
            };
            let (outcome, stop_reason) = match self.reader().last_refusal(run)? {
                Some(refusal) => refusal.ended(),
                None => (RunOutcome::Abandoned, "idle for too long".into()),
            };
            let ended = RunEnded {
                by: "gate".into(),
                outcome,
                stop_reason,
            };
            let record = Record::new(tenant, Some(run), now, Event::RunEnded(ended));
            let conditions = vec![Condition::RunVersion(run, state.version)];
            match self
                .commit(Batch {
                    records: vec![record],
                    conditions,
                    ..Batch::default()
                })
                .await
            {
                Ok(_) => swept.abandoned.push(run),
                Err(CommitError::RunChanged | CommitError::RunEnded) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // An idle ledger is anchored as well.
        self.task(|writer| writer.run_maintenance(Maintenance::Due))
            .await?;
        Ok(swept)
    }

    /// Records standing approvals that have expired at `now`.
    async fn expire_standing(&self, now: Timestamp) -> Result<Vec<StandingId>, LedgerError> {
        let mut expired = Vec::new();
        for row in self.reader().overdue_standing(now)? {
            let ended = row.ended_by(StandingState::Expired, None, None);
            let batch = Batch {
                records: vec![Record::new(row.tenant, None, now, ended)],
                ..Batch::default()
            };
            match self.commit(batch).await {
                Ok(_) => expired.push(row.granted.id),
                // It was used up or ended meanwhile.
                Err(CommitError::ApprovalChanged) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(expired)
    }
}
