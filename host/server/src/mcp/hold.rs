//! A call that waits for a human: held for a while, then left to be resumed.
//!
//! Nothing is asked here: the approval is a durable row before the answer that is held comes back, and
//! the call is decided again when it goes on. A caller who goes away meanwhile is not waited for, and
//! the call does not run.

use std::time::Duration;

use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use tollgate::{
    capability::Listener, enforce::Answer, enforce::CallOptions, enforce::CallRequest,
    enforce::Refusal, enforce::Verdict, gate::Gate, identity::Caller,
};
use tollgate_model::{
    ids::{ApprovalId, RunId},
    life::ApprovalState,
};

use super::{origin::Place, progress::Progress};

/// How often a client that listens is told that its call still waits.
const TELL: Duration = Duration::from_secs(1);

/// A call, with whose it is and where it belongs.
#[derive(Debug, Clone)]
pub(super) struct HeldCall {
    pub(super) caller: Caller,
    pub(super) place: Place,
    pub(super) request: CallRequest,
    /// The earlier run in which the call waits, where it is not that of its place.
    pub(super) earlier: Option<RunId>,
    /// Becomes true when the client cancels it.
    pub(super) cancelled: watch::Receiver<bool>,
}

impl HeldCall {
    pub(super) async fn call(&self, gate: &Gate, listener: Option<Listener>) -> Answer {
        let Place { run, origin, .. } = &self.place;
        let options = CallOptions {
            listener,
            origin: origin.clone(),
            arrival: self.place.arrival.clone(),
            meta: self.place.meta.clone(),
            cancelled: Some(self.cancelled.clone()),
        };
        let request = self.request.clone();
        if let Some(earlier) = self.earlier {
            return gate
                .resume_with(&self.caller, run, earlier, request, options)
                .await;
        }
        gate.call_with_options(&self.caller, run, request, options)
            .await
    }
}

/// Whose answer a call waits for.
pub(super) fn pending(answer: &Answer) -> Option<ApprovalId> {
    match &answer.verdict {
        Verdict::Refused(Refusal::Pending { approval, .. }) => Some(*approval),
        _ => None,
    }
}

/// Hold a call that waits: for a short time, longer where its client hears that it is still being
/// waited for. `gone` ends the wait.
pub(super) async fn hold(
    gate: &Gate,
    asked: &HeldCall,
    answer: Answer,
    progress: &mut Progress,
    gone: &CancellationToken,
) -> Answer {
    let config = &gate.ruleset().config;
    let patience = if progress.is_heard() {
        config.approval_wait_timeout_with_progress
    } else {
        config.approval_wait_timeout
    };
    let begun = Instant::now();
    let mut answer = answer;
    while let Some(approval) = pending(&answer) {
        let waiter = gate.waiter(approval);
        let settled = loop {
            let left = patience.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return answer;
            }
            tokio::select! {
                biased;
                () = gone.cancelled() => return answer,
                state = gate.approval_settled(approval, left.min(TELL)) => match state {
                    Ok(ApprovalState::Pending) => {}
                    Ok(state) => break state,
                    Err(_) => return answer,
                },
            }
            if progress.is_heard() {
                let what = format!("waiting for a person to answer {approval}");
                progress.waiting(begun.elapsed(), patience, &what).await;
            }
        };
        if !goes_on(settled) {
            return answer;
        }
        answer = progress
            .of(async |listener| asked.call(gate, listener).await)
            .await;
        drop(waiter);
    }
    answer
}

/// Whether repeating the call says more than that it waits: it runs, has run, or was rejected.
fn goes_on(state: ApprovalState) -> bool {
    matches!(
        state,
        ApprovalState::Approved | ApprovalState::Rejected | ApprovalState::Consumed
    )
}
