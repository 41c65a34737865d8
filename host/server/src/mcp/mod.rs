//! The Model Context Protocol: the gate as a server, over stdio and streamable HTTP.
//!
//! Both eras on one endpoint: 2026-07-28, where each request stands alone, and 2025-11-25 and earlier
//! with their sessions. What a client says of itself proves nothing: who calls is what the transport has
//! authenticated, or what the configuration names.

mod admission;
mod answer;
mod cancel;
mod changes;
mod features;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod handler;
mod held_call;
mod instructions;
mod lines;
mod listing;
pub(crate) mod origin;
mod output;
mod progress;
mod raw;
mod self_report;
mod tasks;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, CreateTaskResult, Extensions,
        ProtocolVersion,
    },
    service::RequestContext,
};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tollgate::{
    enforce::Answer, enforce::CallOutcome, enforce::CallRequest, gate::Gate, identity::Caller,
    load::RESUME_TOOL, text::printable,
};
use tollgate_model::{
    ids::{ApprovalId, TokenId},
    life::ApprovalState,
};
use tollgate_trace::store::{Store, StoreError, StoreOptions};

use self::{
    cancel::Cancels,
    changes::Session,
    held_call::{HeldCall, ReportedCall},
    listing::Listing,
    origin::Place,
    progress::Progress,
    raw::RawArguments,
    tasks::Tasks,
};
use crate::{
    approval_wait,
    auth::{AuthenticatedCaller, Rate, concurrency::ConcurrencyLimit},
    hook_events::UnknownEvents,
};

pub(crate) use admission::{AcceptedCall, AdmissionError};
pub use lines::{MAX_LINE, serve_lines};
pub(crate) use raw::as_written;

/// Calls of one principal at once; more are refused, so that one agent does not take all.
const MAX_CALLS: usize = 256;

/// The gate as an MCP server. Clones are the same server.
#[derive(Debug, Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    gate: Gate,
    listing: Listing,
    tasks: Tasks,
    /// Clients of sessions, who hear of changed lists.
    sessions: Mutex<Vec<Session>>,
    /// How often each principal asks.
    rate: Arc<Rate>,
    /// Intake of reports; made on first use.
    trace: Mutex<Option<Store>>,
    /// Calls that each principal makes at the moment.
    calls: Arc<ConcurrencyLimit>,
    /// Cancelled once no new call is taken.
    leaving: CancellationToken,
    /// Cancelled once nothing is answered any more.
    closed: CancellationToken,
    /// Requests that are being answered.
    requests: TaskTracker,
    /// Streams of MCP over the owner's socket.
    streams: TaskTracker,
    /// Events of coding agents that their hook does not know.
    unknown_events: Arc<UnknownEvents>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

/// A request whose client can be seen to go away: cancelled then. HTTP puts it into the extensions.
#[derive(Debug, Clone)]
pub(crate) struct Connection(pub(crate) CancellationToken);

impl Server {
    /// The server of a gate.
    #[must_use]
    pub fn new(gate: Gate) -> Self {
        let server = Self(Arc::new(Inner {
            listing: Listing::default(),
            tasks: Tasks::default(),
            sessions: Mutex::default(),
            calls: ConcurrencyLimit::new(MAX_CALLS),
            rate: Arc::default(),
            trace: Mutex::default(),
            leaving: CancellationToken::new(),
            closed: CancellationToken::new(),
            requests: TaskTracker::new(),
            streams: TaskTracker::new(),
            unknown_events: Arc::default(),
            gate,
        }));
        tokio::spawn(server.clone().tell_of_changes());
        server
    }

    /// The gate.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.0.gate
    }

    /// The rate limit of each principal, shared by all protocols.
    #[must_use]
    pub fn rate(&self) -> &Arc<Rate> {
        &self.0.rate
    }

    /// Events of coding agents that their hook does not know.
    pub(crate) fn unknown_events(&self) -> &Arc<UnknownEvents> {
        &self.0.unknown_events
    }

    /// The trace store next to the gate's ledger; opened when it is first asked for.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be opened.
    pub fn trace(&self) -> Result<Store, StoreError> {
        let mut held = self.0.trace.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = &*held {
            return Ok(store.clone());
        }
        let ruleset = self.0.gate.ruleset();
        let config = &ruleset.config;
        let store = Store::open(StoreOptions {
            quota: config.trace.quota,
            trace_limit: config.trace.spans,
            ..StoreOptions::for_ledger(&config.store.path)
        })?;
        *held = Some(store.clone());
        Ok(store)
    }

    /// Close the trace store if it was opened; what was handed in is stored before.
    pub async fn close_trace(&self) {
        let held = {
            let mut held = self.0.trace.lock().unwrap_or_else(PoisonError::into_inner);
            held.take()
        };
        if let Some(store) = held {
            store.close().await;
        }
    }

    /// A client. `caller` calls where nothing authenticates its requests; `session` is what its requests
    /// have in common, where the protocol has no word for it.
    #[must_use]
    pub fn client(&self, caller: Option<Caller>, session: Option<String>) -> Client {
        Client {
            server: self.clone(),
            caller,
            session,
            token: None,
            cancels: Cancels::default(),
        }
    }

    /// Take no new calls, let go of those that wait for people, and let the others end; at most for
    /// `patience`.
    pub async fn drain(&self, patience: Duration) {
        self.0.leaving.cancel();
        self.0.requests.close();
        drop(tokio::time::timeout(patience, self.0.requests.wait()).await);
        self.0.closed.cancel();
        self.0.gate.wait_until_idle(patience).await;
    }

    /// Cancelled once nothing is answered any more: the end of all sessions.
    #[must_use]
    pub fn closed(&self) -> &CancellationToken {
        &self.0.closed
    }

    /// Tasks that serve MCP over the owner's socket. They end once [`Server::closed`] is cancelled.
    pub(crate) fn streams(&self) -> &TaskTracker {
        &self.0.streams
    }

    /// Whether no new calls are taken.
    #[must_use]
    pub fn leaving(&self) -> &CancellationToken {
        &self.0.leaving
    }
}

/// One client's way to the server.
#[derive(Debug, Clone)]
pub struct Client {
    server: Server,
    caller: Option<Caller>,
    session: Option<String>,
    /// The token by which `caller` is known.
    token: Option<TokenId>,
    cancels: Cancels,
}

type Context = RequestContext<RoleServer>;

/// The caller of a message that came over HTTP.
fn authenticated(extensions: &Extensions) -> Option<&AuthenticatedCaller> {
    let parts = extensions.get::<http::request::Parts>()?;
    parts.extensions.get()
}

impl Client {
    /// The same, where the caller is known by this token: its makers count for the calls, and its end ends them.
    #[must_use]
    pub fn with_token(mut self, token: Option<TokenId>) -> Self {
        self.token = token;
        self
    }

    fn gate(&self) -> &Gate {
        &self.server.0.gate
    }

    /// Who makes a request.
    fn caller(&self, cx: &Context) -> Result<Caller, ErrorData> {
        if let Some(authenticated) = authenticated(&cx.extensions) {
            return Ok(authenticated.caller.clone());
        }
        if let Some(id) = self.token {
            let found = self.gate().ledger().reader().token(id);
            let found = found.map_err(|e| ErrorData::internal_error(e.to_string(), None))?;
            if !found.is_some_and(|token| token.is_valid(self.gate().now())) {
                let problem = format!("the token of this stream, {id}, was revoked or has expired");
                return Err(ErrorData::invalid_request(problem, None));
            }
        }
        self.caller.clone().ok_or_else(|| {
            ErrorData::invalid_request("the caller of this request is unknown: authenticate", None)
        })
    }

    fn place(&self, cx: &Context) -> Result<Place, ErrorData> {
        let parts = cx.extensions.get::<http::request::Parts>();
        let headers = parts.map(|parts| &parts.headers);
        let of_http = headers
            .and_then(|headers| headers.get("mcp-session-id"))
            .and_then(|id| id.to_str().ok())
            // The signature for the client (see `crate::http`) is not part of the id.
            .map(|id| id.split('.').next().unwrap_or(id).to_owned());
        let ruleset = self.gate().ruleset();
        let session = of_http.or_else(|| self.session.clone());
        let conversation = &ruleset.config.serve.conversation;
        let mut place = origin::place(&cx.meta, headers, session, conversation)?;
        place.token = match authenticated(&cx.extensions) {
            Some(authenticated) => authenticated.token,
            None => self.token,
        };
        place.arrival.mcp = cx.protocol_version().map(|version| version.to_string());
        Ok(place)
    }

    /// Cancelled when an HTTP request, or the stream that answers it, is closed before its end.
    fn connection(&self, cx: &Context) -> Option<CancellationToken> {
        let parts = cx.extensions.get::<http::request::Parts>()?;
        let connection = parts.extensions.get::<Connection>()?;
        Some(connection.0.clone())
    }

    /// Cancelled once the client no longer waits for the answer, or the server shuts down.
    fn gone(&self, cx: &Context) -> CancellationToken {
        let gone = cx.ct.child_token();
        let connection = self.connection(cx);
        let (leaving, either) = (self.server.0.leaving.clone(), gone.clone());
        tokio::spawn(async move {
            let connection = async {
                match connection {
                    Some(connection) => connection.cancelled_owned().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = either.cancelled() => {}
                () = connection => either.cancel(),
                () = leaving.cancelled() => either.cancel(),
            }
        });
        gone
    }

    async fn called(
        &self,
        request: CallToolRequestParams,
        cx: Context,
        cancelled: watch::Receiver<bool>,
    ) -> Result<CallToolResponse, ErrorData> {
        let caller = self.caller(&cx)?;
        let place = self.place(&cx)?;
        let _taken = match self.server.take(&caller) {
            Ok(taken) => taken,
            Err(error) => return Ok(answer::refusal(&format!("Not called: {error}.")).into()),
        };
        let raw = Self::raw_arguments(&cx);
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let asked = if request.name == RESUME_TOOL {
            match self.stored(&caller, &place, &arguments, cancelled)? {
                Ok(asked) => asked,
                Err(refusal) => return Ok(refusal.into()),
            }
        } else {
            let request = CallRequest {
                tool: request.name.into_owned(),
                arguments: raw.map_or_else(|| arguments.to_string(), |raw| raw.0.to_string()),
            };
            self.asked(caller, place, request, cancelled)
        };
        self.carried_out(asked, &cx).await
    }

    async fn carried_out(
        &self,
        asked: HeldCall,
        cx: &Context,
    ) -> Result<CallToolResponse, ErrorData> {
        let mut progress = Progress::new(cx.peer.clone(), &cx.meta);
        let answer = progress
            .of(async |listener| asked.call(self.gate(), listener).await)
            .await;
        if let Some(approval) = approval_wait::pending(&answer).filter(|_| self.takes_tasks(cx)) {
            let tasks = &self.server.0.tasks;
            if let Some(task) = tasks.begin(&self.server, approval, &asked, &answer) {
                return Ok(CreateTaskResult::new(task).into());
            }
        }
        let answer = match self.takes_tasks(cx) {
            true => answer,
            false => self.held(&asked, &mut progress, answer, cx).await,
        };
        self.keep_self_report(&cx.meta, &answer);
        let ruleset = self.gate().ruleset();
        let tool = ruleset.tools.get(&asked.request.tool);
        if answer.view().outcome == CallOutcome::UnknownTool {
            let message = answer.message().unwrap_or_default();
            return Err(ErrorData::invalid_params(message, None));
        }
        Ok(answer::result(answer, tool.map(|tool| &**tool), is_legacy(cx)).into())
    }

    /// The answer to a call, held for a while if it waits for an approval.
    async fn held(
        &self,
        asked: &HeldCall,
        progress: &mut Progress,
        answer: Answer,
        cx: &Context,
    ) -> Answer {
        if approval_wait::pending(&answer).is_none() {
            return answer;
        }
        let gone = self.gone(cx);
        let limit = self.approval_wait_limit(progress);
        let mut call = ReportedCall {
            gate: self.gate(),
            call: asked,
            progress,
        };
        let held =
            approval_wait::hold(self.gate(), &mut call, answer, limit, gone.cancelled()).await;
        gone.cancel();
        held.answer
    }

    /// The arguments of a request as its client wrote them, if it has some.
    fn raw_arguments(cx: &Context) -> Option<RawArguments> {
        let parts = cx.extensions.get::<http::request::Parts>();
        let own = cx.extensions.get::<RawArguments>();
        own.or_else(|| parts.and_then(|parts| parts.extensions.get::<RawArguments>()))
            .cloned()
    }

    /// A call that a client makes, in the run in which it waits if it waits.
    fn asked(
        &self,
        caller: Caller,
        place: Place,
        request: CallRequest,
        cancelled: watch::Receiver<bool>,
    ) -> HeldCall {
        // A client that begins another session, because it or the gate was started again, repeats
        // what waits in the one before.
        let earlier = match place.is_session {
            true => self.gate().run_awaiting_approval(&caller, &request),
            false => None,
        };
        HeldCall {
            caller,
            place,
            request,
            earlier,
            cancelled,
        }
    }

    /// How long a call is held: longer where its client hears that it still waits.
    fn approval_wait_limit(&self, progress: &Progress) -> Duration {
        let ruleset = self.gate().ruleset();
        match progress.is_heard() {
            true => ruleset.config.approval_wait_timeout_with_progress,
            false => ruleset.config.approval_wait_timeout,
        }
    }

    fn takes_tasks(&self, cx: &Context) -> bool {
        cx.client_capabilities()
            .is_some_and(|capabilities| capabilities.supports_tasks())
    }

    /// The call that an approval's id stands for.
    fn stored(
        &self,
        caller: &Caller,
        place: &Place,
        arguments: &Value,
        cancelled: watch::Receiver<bool>,
    ) -> Result<Result<HeldCall, CallToolResult>, ErrorData> {
        let wrong = |problem: &str| {
            let text = format!(
                "Not called: {problem}. {RESUME_TOOL} takes {{\"approval_id\": \"apr-…\"}}, as the pending \
                 call's result named it."
            );
            Ok(Err(answer::refusal(&text)))
        };
        let others = arguments.as_object().into_iter().flat_map(|o| o.keys());
        if let Some(other) = others.into_iter().find(|key| *key != "approval_id") {
            let other = printable(other, 40);
            return wrong(&format!("`{other}` is not an argument of it"));
        }
        let given = arguments.get("approval_id").and_then(Value::as_str);
        let Some(given) = given else {
            return wrong("`/approval_id` is missing, or no text");
        };
        let Ok(id) = given.parse::<ApprovalId>() else {
            let given = printable(given, 40);
            return wrong(&format!(
                "`/approval_id` is `{given}`, which is not the id of an approval"
            ));
        };
        match self.gate().pending_call(caller, id) {
            Ok(stored) if self.is_over(id, stored.state) => {
                let text = format!(
                    "Not called again: what {id} was asked for has been done, once. If it must be done once \
                     more call {}, which requests a new approval.",
                    stored.request.tool
                );
                Ok(Err(answer::refusal(&text)))
            }
            Ok(stored) => Ok(Ok(HeldCall {
                caller: caller.clone(),
                place: place.clone(),
                request: stored.request,
                earlier: Some(stored.run),
                cancelled,
            })),
            Err(error) => wrong(&format!("{error}")),
        }
    }

    /// Whether an approval is used up, and its call's answer is no longer kept.
    fn is_over(&self, id: ApprovalId, state: ApprovalState) -> bool {
        state == ApprovalState::Consumed && !self.gate().is_underway(id)
    }
}

/// Whether the client's protocol is older than 2026-07-28.
fn is_legacy(cx: &Context) -> bool {
    cx.protocol_version()
        .is_none_or(|version| version.as_str() < ProtocolVersion::V_2026_07_28.as_str())
}
