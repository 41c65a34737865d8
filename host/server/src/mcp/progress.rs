//! Reports of a call as `notifications/progress` of the request that makes it.

use std::time::Duration;

use rmcp::{
    RoleServer,
    model::{ProgressNotificationParam, ProgressToken, RequestMetaObject},
    service::Peer,
};
use tokio::sync::mpsc;
use tollgate::capability::{Listener, ProgressReport};

/// Reports that wait for the client; one that does not keep up misses some.
const BUFFERED: usize = 16;
/// How long one report may take to be written.
const PATIENCE: Duration = Duration::from_secs(2);

/// The receiver of a request's progress, if its client asked for it.
pub(super) struct Progress {
    peer: Peer<RoleServer>,
    token: Option<ProgressToken>,
    /// Added to the tool's own reports once the wait for a person was reported: each report is beyond
    /// the one before.
    waited: f64,
}

impl Progress {
    pub(super) fn new(peer: Peer<RoleServer>, meta: &RequestMetaObject) -> Self {
        Self {
            peer,
            token: meta.get_progress_token(),
            waited: 0.0,
        }
    }

    /// Whether a client listens.
    pub(super) fn is_heard(&self) -> bool {
        self.token.is_some()
    }

    /// Make a call, and pass its reports on.
    pub(super) async fn of<T>(&self, call: impl AsyncFnOnce(Option<Listener>) -> T) -> T {
        if self.token.is_none() {
            return call(None).await;
        }
        let (send, mut reports) = mpsc::channel(BUFFERED);
        let mut call = std::pin::pin!(call(Some(send)));
        let answer = loop {
            tokio::select! {
                biased;
                Some(report) = reports.recv() => self.report(report).await,
                answer = &mut call => break answer,
            }
        };
        while let Ok(report) = reports.try_recv() {
            self.report(report).await;
        }
        answer
    }

    async fn report(&self, report: ProgressReport) {
        let total = report.total.map(|total| total + self.waited);
        self.send(report.progress + self.waited, total, report.message)
            .await;
    }

    /// Say that the call has waited for a person for so long, of at most `patience`.
    pub(super) async fn waiting(&mut self, waited: Duration, patience: Duration, what: &str) {
        self.waited = self.waited.max(patience.as_secs_f64() + 1.0);
        self.send(
            waited.as_secs_f64(),
            Some(patience.as_secs_f64()),
            what.into(),
        )
        .await;
    }

    async fn send(&self, progress: f64, total: Option<f64>, message: String) {
        let Some(token) = &self.token else { return };
        let mut param = ProgressNotificationParam::new(token.clone(), progress);
        param.total = total;
        if !message.is_empty() {
            param.message = Some(message);
        }
        // A client that has gone, or reads too slowly, misses it.
        drop(tokio::time::timeout(PATIENCE, self.peer.notify_progress(param)).await);
    }
}
