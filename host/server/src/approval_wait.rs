//! Holds a call for a limited time until its approval is answered; after that, the caller resumes it.
//!
//! The approval is durable before the wait begins, and the call is decided again when it resumes. If the
//! client disconnects during the wait, the wait ends and the call does not run.

use std::time::Duration;

use tokio::time::Instant;
use tollgate::{enforce::Answer, enforce::Refusal, enforce::Verdict, gate::Gate};
use tollgate_model::{ids::ApprovalId, life::ApprovalState};

/// Interval of progress reports to a client while its call waits.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// A call that can be repeated.
pub(crate) trait RepeatableCall {
    /// Repeats the call.
    async fn repeat(&mut self) -> Answer;

    /// Reports to the client that the call has waited for `waited`, of at most `limit`.
    async fn report(&mut self, approval: ApprovalId, waited: Duration, limit: Duration);
}

/// The result of a held call.
#[derive(Debug)]
pub(crate) struct HeldAnswer {
    /// The last answer; pending if the wait ended first.
    pub(crate) answer: Answer,
    /// Whether the wait was interrupted while the approval was pending.
    pub(crate) interrupted: bool,
}

/// The pending approval of an answer.
pub(crate) fn pending(answer: &Answer) -> Option<ApprovalId> {
    match &answer.verdict {
        Verdict::Refused(Refusal::Pending { approval, .. }) => Some(*approval),
        _ => None,
    }
}

/// Holds a call for at most `limit` while its answer is pending, and repeats it once its approval is answered.
/// `interrupt` ends the wait early. If the store cannot be read, the pending answer stands.
pub(crate) async fn hold(
    gate: &Gate,
    call: &mut impl RepeatableCall,
    answer: Answer,
    limit: Duration,
    interrupt: impl Future<Output = ()>,
) -> HeldAnswer {
    let begun = Instant::now();
    let mut interrupt = std::pin::pin!(interrupt);
    let mut answer = answer;
    while let Some(approval) = pending(&answer) {
        // Held until the call is repeated, so that no other waiter uses the approval in between.
        let waiter = gate.waiter(approval);
        let settled = loop {
            let left = limit.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return over(answer, false);
            }
            tokio::select! {
                biased;
                () = &mut interrupt => return over(answer, true),
                state = gate.approval_settled(approval, left.min(REPORT_INTERVAL)) => match state {
                    Ok(ApprovalState::Pending) => {}
                    Ok(state) => break state,
                    Err(_) => return over(answer, false),
                },
            }
            call.report(approval, begun.elapsed(), limit).await;
        };
        if !goes_on(settled) {
            return over(answer, false);
        }
        answer = call.repeat().await;
        drop(waiter);
    }
    over(answer, false)
}

fn over(answer: Answer, interrupted: bool) -> HeldAnswer {
    HeldAnswer {
        answer,
        interrupted,
    }
}

/// Whether a repetition of the call is not pending any more: it runs, has run, or was rejected.
fn goes_on(state: ApprovalState) -> bool {
    matches!(
        state,
        ApprovalState::Approved | ApprovalState::Rejected | ApprovalState::Consumed
    )
}
