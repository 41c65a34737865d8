//! Requests that their client cancels, as opposed to one that goes away.
//!
//! A client says so by `notifications/cancelled`; since 2026-07-28 one over HTTP closes the stream of the
//! answer instead (MCP, Cancellation, "Transport-Specific Cancellation"). A stream or a session that ends
//! otherwise cancels nothing: a running call continues to its end.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use rmcp::model::RequestId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

type Requests = HashMap<RequestId, watch::Sender<bool>>;

/// The calls of one connection that are being answered.
#[derive(Debug, Clone, Default)]
pub(super) struct Cancels(Arc<Mutex<Requests>>);

/// A request that can be cancelled, until this is dropped.
pub(super) struct CancellableRequest {
    cancels: Cancels,
    request: RequestId,
    cancelled: watch::Receiver<bool>,
}

impl Cancels {
    fn with<T>(&self, f: impl FnOnce(&mut Requests) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What becomes true when the client cancels this request; or closes `connection`, where that is how
    /// it does so.
    pub(super) fn listen(
        &self,
        request: RequestId,
        connection: Option<CancellationToken>,
    ) -> (watch::Receiver<bool>, CancellableRequest) {
        let (cancel, cancelled) = watch::channel(false);
        if let Some(connection) = connection {
            let cancel = cancel.clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = connection.cancelled() => drop(cancel.send_replace(true)),
                    () = cancel.closed() => {}
                }
            });
        }
        self.with(|requests| requests.insert(request.clone(), cancel));
        let listed = CancellableRequest {
            cancels: self.clone(),
            request,
            cancelled: cancelled.clone(),
        };
        (cancelled, listed)
    }

    /// The client no longer wants an answer to this request.
    pub(super) fn cancel(&self, request: &RequestId) {
        self.with(|requests| {
            if let Some(cancel) = requests.get(request) {
                cancel.send_replace(true);
            }
        });
    }
}

impl Drop for CancellableRequest {
    fn drop(&mut self) {
        self.cancels.with(|requests| {
            // Another request may have taken the id meanwhile.
            let own =
                |cancel: &watch::Sender<bool>| cancel.subscribe().same_channel(&self.cancelled);
            if requests.get(&self.request).is_some_and(own) {
                requests.remove(&self.request);
            }
        });
    }
}

#[cfg(test)]
mod tests;
