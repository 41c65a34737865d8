//! Waiting for a person's answer.

use std::time::Duration;

use tokio::time::Instant;
use tollgate_ledger::{Batch, Condition};
use tollgate_model::{
    ids::ApprovalId, life::ApprovalState, record::ElicitationAction, record::Record,
};

use super::AskedElicitation;
use crate::{capability::Capabilities, elicitation::ElicitationAnswer};

/// How often a waiting caller is told that it waits, so that its client does not give up.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);
/// How long an answer that is recorded may take to arrive.
const DELIVERY: Duration = Duration::from_secs(1);
/// How often the end of a question is tried again because an answer came first.
const MAX_ATTEMPTS: u32 = 4;

impl Capabilities {
    /// Waits for the answer, for as long as a question lasts and until it is over.
    pub(super) async fn await_person(
        &self,
        asked: &mut AskedElicitation,
        over: impl Future<Output = ()>,
    ) -> ElicitationAnswer {
        let lasts = self.cx.ruleset.config.approvals.elicitation_expires;
        let deadline = Instant::now() + lasts;
        let mut changes = self.pep.approval_changes.subscribe();
        let mut tick = tokio::time::interval(REPORT_INTERVAL);
        let server = &self.tool.source.name;
        let mut over = std::pin::pin!(over);
        let state = loop {
            tokio::select! {
                biased;
                answer = &mut asked.answer => {
                    return answer.unwrap_or_else(|_| cancelled());
                }
                () = &mut over => break ApprovalState::Cancelled,
                () = tokio::time::sleep_until(deadline) => break ApprovalState::Expired,
                changed = changes.changed() => {
                    if changed.is_err() || self.is_over(asked.id) {
                        return cancelled();
                    }
                }
                _ = tick.tick() => {
                    self.report_wait(&format!("waiting for a person to answer `{server}`"));
                }
            }
        };
        if self.resolve_elicitation(asked.id, state).await {
            return cancelled();
        }
        // An answer was recorded first.
        let answer = tokio::time::timeout(DELIVERY, &mut asked.answer).await;
        answer.ok().and_then(Result::ok).unwrap_or_else(cancelled)
    }

    /// Whether the question has ended without an answer.
    fn is_over(&self, id: ApprovalId) -> bool {
        self.elicitation_row(id).is_ok_and(|row| {
            matches!(
                row.state,
                ApprovalState::Expired | ApprovalState::Cancelled
            )
        })
    }

    /// Records the end of a question. False if it has ended before, or cannot be recorded.
    pub(super) async fn resolve_elicitation(&self, id: ApprovalId, state: ApprovalState) -> bool {
        for _ in 0..MAX_ATTEMPTS {
            let Ok(row) = self.elicitation_row(id) else {
                return false;
            };
            let is_open = matches!(row.state, ApprovalState::Pending | ApprovalState::Approved);
            if !is_open || (row.state == ApprovalState::Approved && state == ApprovalState::Expired)
            {
                return false;
            }
            let resolved = row.resolved(state);
            let batch = Batch {
                records: vec![Record::new(
                    row.tenant,
                    Some(row.run),
                    self.pep.now(),
                    resolved,
                )],
                payloads: Vec::new(),
                conditions: vec![Condition::ApprovalUnchanged(row.id, row.version)],
            };
            if self.commit(batch, None).await.is_ok() {
                self.pep.approvals_changed();
                return true;
            }
        }
        false
    }
}

fn cancelled() -> ElicitationAnswer {
    ElicitationAnswer::without_content(ElicitationAction::Cancel)
}
