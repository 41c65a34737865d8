//! A call of an MCP client, in a form in which it can be made again.

use std::time::Duration;

use tokio::sync::watch;
use tollgate::{
    capability::Listener, enforce::Answer, enforce::CallOptions, enforce::CallRequest, gate::Gate,
    identity::Caller,
};
use tollgate_model::ids::{ApprovalId, RunId};

use super::{origin::Place, progress::Progress};
use crate::approval_wait::RepeatableCall;

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
            token: self.place.token,
            listener,
            origin: origin.clone(),
            arrival: self.place.arrival.clone(),
            meta: self.place.meta.clone(),
            cancelled: Some(self.cancelled.clone()),
            user_requests: self.place.user_requests.clone(),
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

/// A held call, and the progress that its client hears.
pub(super) struct ReportedCall<'a> {
    pub(super) gate: &'a Gate,
    pub(super) call: &'a HeldCall,
    pub(super) progress: &'a mut Progress,
}

impl RepeatableCall for ReportedCall<'_> {
    async fn repeat(&mut self) -> Answer {
        self.progress
            .of(async |listener| self.call.call(self.gate, listener).await)
            .await
    }

    async fn report(&mut self, approval: ApprovalId, waited: Duration, limit: Duration) {
        if self.progress.is_heard() {
            let what = format!("waiting for a person to answer {approval}");
            self.progress.waiting(waited, limit, &what).await;
        }
    }
}
