//! One call, and the wait for a human where one is needed: for surfaces whose callers hold on.

use std::time::{Duration, Instant};

use tollgate::{
    enforce::ApprovalError, enforce::CallOptions, enforce::CallRequest, enforce::Refusal,
    enforce::Verdict, gate::Gate, identity::Caller, identity::RunKey,
};
use tollgate_model::life::ApprovalState;

use crate::reply::CallReply;

/// What became of a call whose caller held on.
#[derive(Debug)]
pub enum CallCompletion {
    /// This.
    Done(Box<CallReply>),
    /// It still waits, and whoever serves it is leaving.
    Left(Box<CallReply>),
}

/// Make a call, and where it waits for a human, hold on for at most `patience` and until `leaving`.
///
/// # Errors
/// [`ApprovalError`] if the store cannot be read while it waits.
pub async fn call(
    gate: &Gate,
    caller: &Caller,
    run: &RunKey,
    request: CallRequest,
    options: &CallOptions,
    patience: Duration,
    leaving: impl Future<Output = ()>,
) -> Result<CallCompletion, ApprovalError> {
    let begun = Instant::now();
    let mut leaving = std::pin::pin!(leaving);
    let mut waiter = None;
    loop {
        let call = gate.call_with_options(caller, run, request.clone(), options.clone());
        let answer = call.await;
        let pending = match &answer.verdict {
            Verdict::Refused(Refusal::Pending { approval, .. }) => Some(*approval),
            _ => None,
        };
        drop(waiter.take());
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let reply = Box::new(CallReply::new(request.tool.clone(), answer, micros));
        let left = patience.saturating_sub(begun.elapsed());
        let (Some(approval), false) = (pending, left.is_zero()) else {
            return Ok(CallCompletion::Done(reply));
        };
        // Kept until the call is repeated.
        let next = gate.waiter(approval);
        let settled = tokio::select! {
            settled = gate.approval_settled(approval, left) => settled?,
            () = &mut leaving => return Ok(CallCompletion::Left(reply)),
        };
        match settled {
            // Repeating the call is what runs it, or says that it was rejected.
            ApprovalState::Approved | ApprovalState::Rejected | ApprovalState::Consumed => {
                waiter = Some(next);
            }
            _ => return Ok(CallCompletion::Done(reply)),
        }
    }
}
