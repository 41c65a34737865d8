//! What a crash, or the passing of time, leaves for the gate to record.

use std::collections::BTreeSet;

use tollgate_model::{
    ids::{ApprovalId, RunId, SpanId},
    life::ApprovalState,
    record::{Event, OutcomeRecord, Record, RunEnded, RunOutcome, Status},
    time::Timestamp,
};

use super::{Batch, CommitError, Condition, Ledger, LedgerError};

/// A call that has started and has no outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) tenant: String,
    pub(super) run: RunId,
    pub(super) call: SpanId,
    /// Its `invoke_component` span.
    pub(super) span: SpanId,
    /// Labels of its content, of which some may have been seen.
    pub(super) labels: BTreeSet<String>,
    /// World-changing effects of it that are recorded as done.
    pub(super) effects: u64,
}

/// A call that was recorded as indeterminate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovered {
    /// Its run.
    pub run: RunId,
    /// Its span.
    pub call: SpanId,
}

/// After how many microseconds without anything a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idle {
    /// One without a name: nobody says when it ends.
    pub unnamed: u64,
    /// One with a name, a session or a trace: whoever named it may come back.
    pub named: u64,
}

/// What [`Ledger::sweep`] has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Approvals that have expired.
    pub expired: Vec<ApprovalId>,
    /// Runs in which nothing happened for too long.
    pub abandoned: Vec<RunId>,
}

impl Ledger {
    /// Record calls that were open when this ledger was opened as indeterminate: they may have had
    /// their effect, and will never be tried again by the gate.
    ///
    /// # Errors
    /// [`LedgerError`] if it cannot be recorded.
    pub async fn recover(&self, now: Timestamp) -> Result<Vec<Recovered>, LedgerError> {
        let mut recovered = Vec::new();
        for left in self.take_left() {
            let outcome = OutcomeRecord {
                call: left.call,
                captured: None,
                effects: left.effects,
                fuel: 0,
                labels: left.labels,
                peak_memory: 0,
                redacted: 0,
                release: None,
                result: None,
                size: 0,
                span: left.span,
                status: Status::Indeterminate,
            };
            let record = Record::new(
                left.tenant,
                Some(left.run),
                self.now(now),
                Event::Outcome(outcome),
            );
            self.commit(Batch {
                records: vec![record],
                ..Batch::default()
            })
            .await?;
            recovered.push(Recovered {
                run: left.run,
                call: left.call,
            });
        }
        Ok(recovered)
    }

    /// Record what is over because time has passed: approvals that nobody gave or used, and runs in which
    /// nothing happened for too long. A run whose last call was refused ended for that.
    ///
    /// # Errors
    /// [`LedgerError`] if it cannot be recorded.
    pub async fn sweep(&self, now: Timestamp, idle: Idle) -> Result<Swept, LedgerError> {
        let now = self.now(now);
        let mut swept = Swept::default();
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
                // Somebody was faster; if it is still overdue, the next sweep finds it.
                Err(CommitError::ApprovalChanged) => {}
                Err(error) => return Err(error.into()),
            }
        }
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
                None => (
                    RunOutcome::Abandoned,
                    "nothing happened for too long".into(),
                ),
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
        // A ledger that rests is anchored as well.
        self.task(|writer| writer.tidy(false)).await?;
        Ok(swept)
    }
}
