//! What a server says to its client without being asked: progress, and that its lists have changed. What it
//! asks of its client is refused, except for roots and questions to people where they are configured.

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
        ClientCapabilities, ClientConfig, CustomRequest, CustomResult, ElicitationCapability,
        ErrorCode, FormElicitationCapability, Implementation, ListRootsResult, NumberOrString,
        ProgressNotificationParam, ProgressToken, RequestId, Root, UrlElicitationCapability,
    },
    service::{InboundStreamOrigin, NotificationContext, RequestContext, RoleClient},
};
use tokio::sync::mpsc;
use tollgate::{secrets::Vault, text::printable, upstream::Elicitor};

use super::wire::ELICITATION;

/// Reports that came before the request's token was known.
const MAX_EARLY: usize = 32;
/// Reports of one call that wait to be taken in.
const WAITING: usize = 64;
/// Bytes of a method's name in an error.
const MAX_METHOD: usize = 100;
/// Characters of a report's message.
const MAX_MESSAGE: usize = 1 << 10;

/// What was heard from one server.
#[derive(Debug, Default)]
pub(super) struct ServerMessages {
    calls: Mutex<Calls>,
    /// Calls in flight whose questions are put to people, by their requests.
    elicitors: Mutex<HashMap<RequestId, Arc<Elicitor>>>,
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

/// A call during which the server may ask people, until it is dropped.
pub(super) struct ElicitingCall {
    heard: Arc<ServerMessages>,
    request: RequestId,
}

impl Drop for ElicitingCall {
    fn drop(&mut self) {
        self.heard
            .elicitors(|calls| drop(calls.remove(&self.request)));
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

    fn elicitors<T>(&self, f: impl FnOnce(&mut HashMap<RequestId, Arc<Elicitor>>) -> T) -> T {
        f(&mut self
            .elicitors
            .lock()
            .unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets the server ask people during the call with this request, until it is dropped.
    pub(super) fn elicits(
        self: &Arc<Self>,
        request: &RequestId,
        elicitor: &Arc<Elicitor>,
    ) -> ElicitingCall {
        self.elicitors(|calls| calls.insert(request.clone(), Arc::clone(elicitor)));
        ElicitingCall {
            heard: Arc::clone(self),
            request: request.clone(),
        }
    }

    /// The call in which the server asks: the one on whose stream the question came, or else the only one.
    fn eliciting(&self, stream: Option<&RequestId>) -> Option<Arc<Elicitor>> {
        self.elicitors(|calls| {
            if let Some(request) = stream {
                return calls.get(request).cloned();
            }
            let mut calls = calls.values();
            let only = calls.next().cloned();
            only.filter(|_| calls.next().is_none())
        })
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
    /// Whether what the server asks is put to people.
    pub(super) elicits: bool,
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

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleClient>,
    ) -> Result<CustomResult, ErrorData> {
        if request.method != ELICITATION || !self.elicits {
            return Err(refused(&printable(&request.method, MAX_METHOD)));
        }
        let stream = match context.extensions.get::<InboundStreamOrigin>() {
            Some(InboundStreamOrigin::OutboundRequest(request)) => Some(request),
            Some(InboundStreamOrigin::Unassociated) | None => None,
        };
        let unknown = "a person is asked only during a call, and it is not known which call this is about";
        let elicitor = self.heard.eliciting(stream);
        let elicitor = elicitor.ok_or_else(|| ErrorData::invalid_request(unknown, None))?;
        let params = request.params.unwrap_or_default();
        let withdrawn = context.ct.cancelled();
        match elicitor.elicit(params, withdrawn).await {
            Ok(answer) => Ok(CustomResult::new(answer.to_json())),
            Err(error) => Err(ErrorData::invalid_params(
                format!("this gate does not carry the question: {error}"),
                None,
            )),
        }
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
        if self.elicits {
            let modes = ElicitationCapability::new()
                .with_form(FormElicitationCapability::new())
                .with_url(UrlElicitationCapability::new());
            capabilities.elicitation = Some(modes);
        }
        let gate = Implementation::new("tollgate", env!("CARGO_PKG_VERSION"));
        ClientConfig::new(capabilities, gate)
    }
}

#[cfg(test)]
mod tests;
