//! What a server says to its client without being asked: progress, and that its lists have changed. What it
//! asks of its client is refused.

#![expect(
    deprecated,
    reason = "roots are on their way out of MCP, and servers of today ask for them"
)]

use std::{
    collections::{HashMap, VecDeque},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use rmcp::{
    ClientHandler, ErrorData,
    model::{
        ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ErrorCode,
        Implementation, ListRootsResult, NumberOrString, ProgressNotificationParam, ProgressToken,
        Root,
    },
    service::{NotificationContext, RequestContext, RoleClient},
};
use tokio::sync::mpsc;
use tollgate::secrets::Vault;

/// Reports that came before the request's token was known.
const MAX_EARLY: usize = 32;
/// Reports of one call that wait to be taken in.
const WAITING: usize = 64;
/// Characters of a report's message.
const MAX_MESSAGE: usize = 1 << 10;

/// What was heard from one server.
#[derive(Debug, Default)]
pub(super) struct ServerMessages {
    calls: Mutex<Calls>,
    /// Counts how often it said that one of its lists has changed.
    changes: AtomicU64,
}

#[derive(Debug, Default)]
struct Calls {
    listening: HashMap<ProgressToken, mpsc::Sender<ProgressNotificationParam>>,
    early: VecDeque<ProgressNotificationParam>,
}

/// The reports of one call, until it is dropped.
pub(super) struct Reports {
    heard: Arc<ServerMessages>,
    token: ProgressToken,
    reports: mpsc::Receiver<ProgressNotificationParam>,
}

impl Reports {
    /// The next one.
    pub(super) async fn next(&mut self) -> Option<ProgressNotificationParam> {
        self.reports.recv().await
    }

    /// Those that have come, and no more than there is room for.
    pub(super) fn waiting(&mut self) -> impl Iterator<Item = ProgressNotificationParam> {
        std::iter::from_fn(|| self.reports.try_recv().ok()).take(WAITING)
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        self.heard
            .calls(|calls| calls.listening.remove(&self.token));
    }
}

impl ServerMessages {
    fn calls<T>(&self, f: impl FnOnce(&mut Calls) -> T) -> T {
        f(&mut self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The reports with this token, those included that came already.
    pub(super) fn reports(self: &Arc<Self>, token: ProgressToken) -> Reports {
        let (sender, reports) = mpsc::channel(WAITING);
        self.calls(|calls| {
            let early = calls.early.drain(..);
            for report in early.filter(|report| report.progress_token == token) {
                let _ = sender.try_send(report);
            }
            calls.listening.insert(token.clone(), sender);
        });
        Reports {
            heard: Arc::clone(self),
            token,
            reports,
        }
    }

    pub(super) fn report(&self, report: ProgressNotificationParam) {
        self.calls(|calls| match calls.listening.get(&report.progress_token) {
            // A receiver that does not keep up misses some.
            Some(listener) => drop(listener.try_send(report)),
            None => {
                calls.early.truncate(MAX_EARLY - 1);
                calls.early.push_front(report);
            }
        });
    }

    /// How often it said that one of its lists has changed.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    pub(super) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }
}

/// The client's side of one connection.
#[derive(Debug)]
pub(super) struct Handler {
    pub(super) heard: Arc<ServerMessages>,
    pub(super) roots: Vec<PathBuf>,
    /// What is taken out of reports before they are cut.
    pub(super) secrets: Arc<Vault>,
}

/// A report of bounded size. Nothing, if its token is none of this gate's: those are numbers.
fn bounded(
    mut report: ProgressNotificationParam,
    secrets: &Vault,
) -> Option<ProgressNotificationParam> {
    let NumberOrString::Number(_) = report.progress_token.0 else {
        return None;
    };
    let cut = |message: String| {
        let clean = secrets.clean(&message);
        clean.chars().take(MAX_MESSAGE).collect()
    };
    report.message = report.message.map(cut);
    report.meta = None;
    Some(report)
}

fn refused(method: &str) -> ErrorData {
    ErrorData::new(
        ErrorCode::METHOD_NOT_FOUND,
        format!("this gate refuses {method}"),
        None,
    )
}

impl ClientHandler for Handler {
    async fn list_roots(
        &self,
        _: RequestContext<RoleClient>,
    ) -> Result<ListRootsResult, ErrorData> {
        if self.roots.is_empty() {
            return Err(refused("roots/list"));
        }
        let uri = |root: &PathBuf| url::Url::from_directory_path(root).ok();
        let roots = self.roots.iter().filter_map(uri);
        Ok(ListRootsResult::new(
            roots.map(|uri| Root::new(uri.to_string())).collect(),
        ))
    }

    async fn create_elicitation(
        &self,
        _: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        Err(refused("elicitation/create"))
    }

    async fn on_progress(
        &self,
        report: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        if let Some(report) = bounded(report, &self.secrets) {
            self.heard.report(report);
        }
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.heard.changed();
    }

    async fn on_prompt_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.heard.changed();
    }

    async fn on_resource_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.heard.changed();
    }

    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        if !self.roots.is_empty() {
            capabilities.roots = Some(Default::default());
        }
        let gate = Implementation::new("tollgate", env!("CARGO_PKG_VERSION"));
        ClientConfig::new(capabilities, gate)
    }
}

#[cfg(test)]
mod tests;
