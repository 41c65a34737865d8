//! One connection to a server: what it offers, and calls.

use std::{
    collections::BTreeSet,
    fmt, mem,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use rmcp::{
    Peer, RoleClient, ServiceError,
    model::{
        CallToolRequest, CallToolRequestParams, ClientRequest, GetPromptRequest,
        GetPromptRequestParams, MetaObject, ProgressNotificationParam, ReadResourceRequest,
        ReadResourceRequestParams, RequestMetaObject, SubscriptionFilter,
    },
    service::{PeerRequestOptions, RunningService},
};
use serde_json::{Map, Value};
use tokio::{sync::Semaphore, task::JoinHandle};
use tollgate::{
    config::CarriedFeatures, enforce::Permitted, enforce::ToolCall, secrets::Vault, tool::Feature,
    upstream::BoxFuture, upstream::CallInterruption, upstream::CallParams, upstream::CallResult,
    upstream::ConnectError, upstream::Offer, upstream::Reporter, upstream::Session,
};

use super::{
    child::Process,
    content,
    failure::{http_error, told},
    handler::{Handler, Reports, ServerMessages},
    http::{Delivery, StaleFlag, is_session_error},
    inputs::{self, Inputs, MAX_ROUNDS, is_input_required},
    lists::listings,
    wire::Reply,
};

/// Concurrent calls of one connection.
const MAX_CALLS: usize = 64;
/// How long the handshake's counterpart may take.
const CLOSING: Duration = Duration::from_secs(2);
/// How keys of `_meta` begin that belong to one connection, or are the gate's own: none of a server's
/// business.
const OWN_KEYS: &[&str] = &["io.modelcontextprotocol/", "dev.tollgate/"];
/// Bytes of what is left of `_meta`.
const MAX_META: usize = 16 << 10;

/// What a server offered when it was last asked, shared with readers that do not ask the server.
pub(super) type LastOffer = Arc<Mutex<Option<Arc<Offer>>>>;

/// How it is known in which call the server makes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestStreams {
    /// Each call has a stream of its own.
    Own,
    /// All share one.
    Shared,
}

/// What agents may have of a server.
#[derive(Debug)]
pub(super) struct OfferFilter {
    /// Its tools; all where nothing is said.
    pub(super) tools: Option<BTreeSet<String>>,
    pub(super) carried: CarriedFeatures,
}

/// What a connection is made of, besides the running service.
pub(super) struct ConnectionParts {
    pub(super) heard: Arc<ServerMessages>,
    pub(super) process: Option<Process>,
    pub(super) streams: RequestStreams,
    pub(super) known: LastOffer,
    pub(super) stale: StaleFlag,
    pub(super) wanted: OfferFilter,
    pub(super) secrets: Arc<Vault>,
}

/// A connection after its handshake.
pub(super) struct Connection {
    peer: Peer<RoleClient>,
    heard: Arc<ServerMessages>,
    known: LastOffer,
    /// The list, and how often the server had said by then that it has changed.
    listed: tokio::sync::Mutex<Option<(u64, Arc<Offer>)>>,
    places: Semaphore,
    stale: StaleFlag,
    wanted: OfferFilter,
    secrets: Arc<Vault>,
    running: Mutex<Option<ConnectionTasks>>,
}

/// What ends with the connection.
struct ConnectionTasks {
    service: RunningService<RoleClient, Handler>,
    process: Option<Process>,
    listening: Option<JoinHandle<()>>,
}

impl Drop for ConnectionTasks {
    fn drop(&mut self) {
        if let Some(listening) = &self.listening {
            listening.abort();
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) fn new(
        service: RunningService<RoleClient, Handler>,
        parts: ConnectionParts,
    ) -> Self {
        let ConnectionParts {
            heard,
            process,
            streams,
            known,
            stale,
            wanted,
            secrets,
        } = parts;
        let peer = service.peer().clone();
        let info = peer.peer_info();
        let initialized = info.is_none_or(|info| info.protocol_version.has_initialize());
        // Otherwise it would not be known in which call the server asks a person.
        let one_at_a_time =
            wanted.carried.elicitation && initialized && streams == RequestStreams::Shared;
        let places = if one_at_a_time { 1 } else { MAX_CALLS };
        // Since 2026-07-28 a server reports changes only to clients that subscribe.
        let listening = (!initialized).then(|| {
            let (heard, stale) = (Arc::clone(&heard), Arc::clone(&stale));
            tokio::spawn(listen_for_changes(peer.clone(), heard, stale))
        });
        Self {
            peer,
            heard,
            known,
            listed: tokio::sync::Mutex::default(),
            places: Semaphore::new(places),
            stale,
            wanted,
            secrets,
            running: Mutex::new(Some(ConnectionTasks {
                service,
                process,
                listening,
            })),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        !self.peer.is_transport_closed()
    }

    /// Whether its session has ended, so that new calls need another one. Calls in flight may still be answered.
    pub(super) fn is_stale(&self) -> bool {
        self.stale.load(Ordering::SeqCst)
    }

    pub(super) async fn close(&self) {
        let running = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mut running) = running {
            let _ = running.service.close_with_timeout(CLOSING).await;
            if let Some(process) = running.process.take() {
                process.leave().await;
            }
        }
    }

    async fn ask(&self, again: bool) -> Result<Arc<Offer>, ConnectError> {
        let mut listed = self.listed.lock().await;
        // Read before asking: a change during the question makes the next one ask again.
        let changes = self.heard.changes();
        if let Some((of, offer)) = &*listed
            && *of == changes
            && !again
        {
            return Ok(Arc::clone(offer));
        }
        let mut listings = listings(&self.peer, &self.wanted.carried).await?;
        let clean = |text: String| self.secrets.clean(&text).into_owned();
        listings.instructions = listings.instructions.map(clean);
        if let Some(chosen) = &self.wanted.tools {
            // Of more than there is room for, those are taken.
            let name = |tool: &Value| tool.get("name").and_then(Value::as_str).map(str::to_owned);
            let is_other = |tool: &Value| !name(tool).is_some_and(|name| chosen.contains(&name));
            listings.tools.sort_by_key(is_other);
        }
        // Their schemas are typed, which may take its time.
        let offer = tokio::task::spawn_blocking(move || Offer::of(&listings));
        let offer = offer
            .await
            .map_err(|_| ConnectError::new("its list of tools cannot be read"))?;
        let offer = Arc::new(offer);
        *listed = Some((changes, Arc::clone(&offer)));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(Arc::clone(&offer));
        Ok(offer)
    }

    async fn carry_out(&self, permitted: Permitted<ToolCall>, mut terms: CallParams) -> CallResult {
        let _place = tokio::select! {
            biased;
            stopped = terms.stop.wait() => return CallResult::NotSent(match stopped {
                CallInterruption::Halted => "it was halted before",
                CallInterruption::Cancelled => "it was cancelled before",
                CallInterruption::Timeout => "there was no place for the call in time",
            }.into()),
            place = self.places.acquire() => place,
        };
        let call = permitted.act();
        let Ok(Value::Object(arguments)) = serde_json::from_str(call.canonical()) else {
            return CallResult::NotSent("the arguments are not a JSON object".into());
        };
        let Some(meta) = meta(mem::take(&mut terms.meta)) else {
            let why = format!("the request's `_meta` is larger than {MAX_META} bytes");
            return CallResult::NotSent(why);
        };
        let (feature, output) = (call.tool().feature, call.tool().output_schema.clone());
        let mut inputs = Inputs::default();
        for round in 0..=MAX_ROUNDS {
            let request = request(feature, &terms.target, &arguments, inputs);
            let reply = match self.exchange(request, meta.clone(), &mut terms).await {
                Ok(reply) => reply,
                Err(result) if round == 0 => return result,
                Err(result) => return continued(result),
            };
            let asks = match (&terms.elicitor, &reply) {
                (Some(elicitor), Some(Reply::Answer(result))) if is_input_required(result) => {
                    inputs::answers(elicitor, result, round, &mut terms.stop).await
                }
                _ => return content::ending(feature, reply, output.as_ref(), &self.secrets),
            };
            inputs = match asks {
                Ok(inputs) => inputs,
                Err(result) => return result,
            };
        }
        CallResult::Unusable(format!(
            "the server asks for input more than {MAX_ROUNDS} times"
        ))
    }

    /// Sends a request, and waits for its answer, while the server's progress is passed on and it may ask people.
    ///
    /// # Errors
    /// How the call ended without an answer.
    async fn exchange(
        &self,
        request: ClientRequest,
        meta: RequestMetaObject,
        terms: &mut CallParams,
    ) -> Result<Option<Reply>, CallResult> {
        let options = PeerRequestOptions::no_options().with_meta(meta);
        let sent = self.peer.send_cancellable_request(request, options);
        let mut handle = match sent.await {
            Ok(handle) => handle,
            Err(error) => return Err(CallResult::NotSent(told(&error))),
        };
        let _elicits =
            (terms.elicitor.as_ref()).map(|elicitor| self.heard.elicits(&handle.id, elicitor));
        let mut reports = self.heard.reports(handle.progress_token.clone());
        loop {
            match next(terms.stop.wait(), &mut handle.rx, &mut reports).await {
                CallProgress::Stopped(stopped) => {
                    let reason = match stopped {
                        CallInterruption::Halted => "halted",
                        CallInterruption::Cancelled => "cancelled",
                        CallInterruption::Timeout => "timeout",
                    };
                    // The outcome is not known, whether or not the server gets the cancellation.
                    let cancelling = handle.cancel(Some(reason.into()));
                    let _ = tokio::time::timeout(CLOSING, cancelling).await;
                    return Err(CallResult::Stopped(stopped));
                }
                CallProgress::Report(report) => pass_on(report, &terms.reports).await,
                CallProgress::Answer(answer) => {
                    let last = async {
                        for report in reports.waiting() {
                            pass_on(report, &terms.reports).await;
                        }
                    };
                    let _ = tokio::time::timeout(CLOSING, last).await;
                    return match answer {
                        Ok(Ok(result)) => Ok(Reply::of(result)),
                        Ok(Err(error)) => Err(self.failed(error)),
                        Err(_) => Err(CallResult::Lost("the connection broke".into())),
                    };
                }
            }
        }
    }
}

impl Connection {
    /// How a call ended that was not answered with a result.
    fn failed(&self, error: ServiceError) -> CallResult {
        match &error {
            ServiceError::McpError(refused)
                if self.is_stale() && is_session_error(refused.code.0, &refused.message) =>
            {
                let why =
                    "the server says that its session has ended; the next call begins a new one";
                CallResult::Lost(why.into())
            }
            ServiceError::McpError(refused) => CallResult::Refused {
                code: refused.code.0,
                message: refused.message.to_string(),
            },
            ServiceError::TransportSend(sending) => {
                let why = told(&error);
                match http_error(sending.error.as_ref()).map(|error| error.delivery) {
                    Some(Delivery::NotTaken) => CallResult::NotTaken(why),
                    Some(Delivery::Unknown) => CallResult::Lost(why),
                    // Over a pipe a message is one line; a line without its end is not a complete message.
                    Some(Delivery::Unsent) | None => CallResult::NotSent(why),
                }
            }
            ServiceError::UnexpectedResponse => {
                CallResult::Unusable("the server's answer is not the result of a call".into())
            }
            error => CallResult::Lost(told(error)),
        }
    }
}

/// What comes next of a call that was sent.
#[derive(Debug)]
enum CallProgress<T> {
    Stopped(CallInterruption),
    Answer(T),
    Report(ProgressNotificationParam),
}

/// An answer comes before the reports that wait: a server that floods them does not keep it back.
async fn next<T>(
    stopped: impl Future<Output = CallInterruption>,
    answer: impl Future<Output = T>,
    reports: &mut Reports,
) -> CallProgress<T> {
    tokio::select! {
        biased;
        stopped = stopped => CallProgress::Stopped(stopped),
        answer = answer => CallProgress::Answer(answer),
        Some(report) = reports.next() => CallProgress::Report(report),
    }
}

impl Session for Connection {
    fn offer(&self, again: bool) -> BoxFuture<'_, Result<Arc<Offer>, ConnectError>> {
        Box::pin(self.ask(again))
    }

    fn call<'a>(
        &'a self,
        permitted: Permitted<ToolCall>,
        terms: CallParams,
    ) -> BoxFuture<'a, CallResult> {
        Box::pin(self.carry_out(permitted, terms))
    }
}

/// What is asked of the server for a permitted call of `target`, with what people have given so far.
fn request(
    feature: Feature,
    target: &str,
    arguments: &Map<String, Value>,
    inputs: Inputs,
) -> ClientRequest {
    let Inputs { responses, state } = inputs;
    match feature {
        Feature::Tool | Feature::Preview => {
            let mut params =
                CallToolRequestParams::new(target.to_owned()).with_arguments(arguments.clone());
            (params.input_responses, params.request_state) = (responses, state);
            ClientRequest::CallToolRequest(CallToolRequest::new(params))
        }
        Feature::Prompt => {
            let mut params = GetPromptRequestParams::new(target).with_arguments(arguments.clone());
            (params.input_responses, params.request_state) = (responses, state);
            ClientRequest::GetPromptRequest(GetPromptRequest::new(params))
        }
        Feature::Resources => {
            let mut params = ReadResourceRequestParams::new(target);
            (params.input_responses, params.request_state) = (responses, state);
            ClientRequest::ReadResourceRequest(ReadResourceRequest::new(params))
        }
    }
}

/// How a call ended whose request the server had taken before: what it did by then is not known.
fn continued(result: CallResult) -> CallResult {
    match result {
        CallResult::NotSent(why) | CallResult::NotTaken(why) => {
            CallResult::Lost(format!("a person's answer did not reach the server: {why}"))
        }
        other => other,
    }
}

async fn pass_on(report: ProgressNotificationParam, to: &Reporter) {
    let message = report.message.unwrap_or_default();
    to.report(report.progress, report.total, &message).await;
}

async fn listen_for_changes(peer: Peer<RoleClient>, heard: Arc<ServerMessages>, stale: StaleFlag) {
    let filter = SubscriptionFilter::builder()
        .tools_list_changed()
        .prompts_list_changed()
        .resources_list_changed()
        .build();
    if let Ok(mut subscription) = peer.listen(filter).await {
        while let Ok(Some(_)) = subscription.next().await {
            heard.changed();
        }
        // The subscription to changes has ended: the next call lists the tools again, over a new connection.
        heard.changed();
        stale.store(true, Ordering::SeqCst);
    }
}

/// The caller's `_meta` without the keys that are not for the server. `None` if it is too large: policies do
/// not see `_meta`, so it must not carry content.
fn meta(mut meta: Map<String, Value>) -> Option<RequestMetaObject> {
    let own = |key: &str| OWN_KEYS.iter().any(|prefix| key.starts_with(prefix));
    meta.retain(|key, _| key != "progressToken" && !own(key));
    let size = serde_json::to_vec(&meta).map_or(usize::MAX, |text| text.len());
    (size <= MAX_META).then(|| RequestMetaObject(MetaObject(meta)))
}

#[cfg(test)]
mod tests;
