//! A server over streamable HTTP.
//!
//! Each request is a POST of its own, and is sent once. Its answer is JSON, or comes on a stream of events, which is
//! taken up where it broke off if the server gives its events ids.

mod client;
mod error;
mod event_stream;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod headers;
mod streams;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use reqwest::Response;
use rmcp::{
    RoleClient,
    model::{
        ClientJsonRpcMessage, ClientNotification, ClientRequest, JsonRpcMessage, RequestId,
        ServerJsonRpcMessage, ServerResult,
    },
    transport::Transport,
};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::{
    client::{body, media_type},
    headers::ParameterHeaders,
};
use super::wire::{Reply, Wire};

pub(super) use client::HttpClient;
pub(super) use error::{Delivery, HttpError, is_session_error};
pub(super) use event_stream::EventStream;

/// The most bytes of an answer that is not a stream.
const MAX_BODY: usize = 32 << 20;
/// Messages of the server that wait to be taken in.
const WAITING: usize = 64;
/// How long the end of a session may take to say.
const CLOSING: Duration = Duration::from_secs(2);
/// How long a server may take over what has no answer.
const TELLING: Duration = Duration::from_secs(10);
/// The protocol's version with its own headers, and without sessions.
const STANDS_ALONE: &str = "2026-07-28";

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
const STREAM: &str = "text/event-stream";

/// Whether new calls need a new connection.
pub(super) type StaleFlag = Arc<AtomicBool>;

/// One connection, with a session or without.
#[derive(Debug)]
pub(super) struct HttpTransport {
    shared: Arc<ConnectionState>,
    incoming: mpsc::Receiver<ServerJsonRpcMessage>,
}

#[derive(Debug)]
struct ConnectionState {
    client: HttpClient,
    wire: Wire,
    out: mpsc::Sender<ServerJsonRpcMessage>,
    session: Mutex<Session>,
    stale: StaleFlag,
    closing: CancellationToken,
    under_way: Mutex<HashMap<RequestId, CancellationToken>>,
    parameters: Mutex<ParameterHeaders>,
    /// How long the server may take over what has no answer.
    telling: Duration,
}

#[derive(Debug, Clone, Default)]
struct Session {
    id: Option<HeaderValue>,
    version: Option<HeaderValue>,
    /// Whether there is a stream for what the server says by itself.
    listens: bool,
    /// Whether requests stand alone.
    modern: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl HttpTransport {
    /// Nothing is sent yet.
    pub(super) fn new(client: HttpClient, stale: StaleFlag) -> Self {
        let (out, incoming) = mpsc::channel(WAITING);
        Self {
            shared: Arc::new(ConnectionState {
                client,
                wire: Wire::default(),
                out,
                session: Mutex::default(),
                stale,
                closing: CancellationToken::new(),
                under_way: Mutex::default(),
                parameters: Mutex::default(),
                telling: TELLING,
            }),
            incoming,
        }
    }
}

impl Drop for HttpTransport {
    fn drop(&mut self) {
        self.shared.closing.cancel();
    }
}

impl Transport<RoleClient> for HttpTransport {
    type Error = HttpError;

    fn send(
        &mut self,
        message: ClientJsonRpcMessage,
    ) -> impl Future<Output = Result<(), HttpError>> + Send + 'static {
        let shared = Arc::clone(&self.shared);
        let id = shared.wire.sent(&message);
        shared.note_listing(&message);
        let under_way = id.map(|id| (id.clone(), shared.begin(&id)));
        async move {
            match under_way {
                None => shared.tell(&message).await,
                Some((id, cancelled)) => {
                    let asked = shared.ask(&message, &id, &cancelled).await;
                    if asked.is_err() {
                        shared.wire.forget(&id);
                        shared.ended(&id);
                        lock(&shared.parameters).end(&id);
                    }
                    asked
                }
            }
        }
    }

    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        self.incoming.recv().await
    }

    async fn close(&mut self) -> Result<(), HttpError> {
        self.shared.closing.cancel();
        let session = lock(&self.shared.session).clone();
        if session.id.is_some() && !self.shared.stale.load(Ordering::SeqCst) {
            let headers = self.shared.headers(None);
            let client = &self.shared.client;
            let delete = client.send(&Method::DELETE, client.url(), &headers, None);
            // Servers need not take it.
            let _ = tokio::time::timeout(CLOSING, delete).await;
        }
        Ok(())
    }
}

impl ConnectionState {
    fn begin(&self, id: &RequestId) -> CancellationToken {
        let cancelled = self.closing.child_token();
        lock(&self.under_way).insert(id.clone(), cancelled.clone());
        cancelled
    }

    /// Remember which answer will be a list of tools.
    fn note_listing(&self, message: &ClientJsonRpcMessage) {
        if let JsonRpcMessage::Request(request) = message
            && let ClientRequest::ListToolsRequest(list) = &request.request
        {
            let cursor = list.params.as_ref().and_then(|page| page.cursor.as_ref());
            lock(&self.parameters).ask(request.id.clone(), cursor.is_none());
        }
    }

    fn ended(&self, id: &RequestId) {
        lock(&self.under_way).remove(id);
    }

    /// Headers of any request, or of this message.
    fn headers(&self, message: Option<&Value>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let session = lock(&self.session).clone();
        headers.extend(session.id.map(|id| (SESSION, id)));
        headers.extend(session.version.map(|version| (VERSION, version)));
        let Some(message) = message else {
            return headers;
        };
        let own = version_of(message);
        if let Some(Ok(version)) = own.map(HeaderValue::from_str) {
            headers.insert(VERSION, version);
        }
        if own.map_or(session.modern, |version| version >= STANDS_ALONE) {
            headers::add(&mut headers, message, &lock(&self.parameters));
        }
        let both = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(header::ACCEPT, both);
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        headers
    }

    async fn post(&self, message: &ClientJsonRpcMessage) -> Result<(Response, bool), HttpError> {
        let unfit = || HttpError::new(Delivery::Unsent, "the request cannot be written as JSON");
        let value = serde_json::to_value(message).map_err(|_| unfit())?;
        let headers = self.headers(Some(&value));
        let in_session = headers.contains_key(SESSION);
        let body = serde_json::to_vec(message).map_err(|_| unfit())?;
        let url = self.client.url();
        let sent = self
            .client
            .send(&Method::POST, url, &headers, Some(Bytes::from(body)));
        Ok((sent.await?, in_session))
    }

    /// Send what has no answer.
    async fn tell(self: Arc<Self>, message: &ClientJsonRpcMessage) -> Result<(), HttpError> {
        let notification = match message {
            JsonRpcMessage::Notification(notification) => Some(&notification.notification),
            _ => None,
        };
        let cancelled = match notification {
            Some(ClientNotification::CancelledNotification(cancelled)) => {
                cancelled.params.request_id.clone()
            }
            _ => None,
        };
        // First its own stream: a server that hangs does not keep it open.
        if let Some(id) = &cancelled {
            lock(&self.parameters).end(id);
            let request = lock(&self.under_way).remove(id);
            if let Some(request) = request {
                request.cancel();
            }
        }
        // Where requests stand alone, closing the stream is how one is cancelled.
        let modern = lock(&self.session).modern;
        let told = match (&cancelled, modern) {
            (Some(_), true) => Ok(()),
            _ => in_time(self.telling, self.tell_by_post(message)).await,
        };
        if matches!(
            notification,
            Some(ClientNotification::InitializedNotification(_))
        ) && told.is_ok()
        {
            self.listen();
        }
        told
    }

    async fn tell_by_post(&self, message: &ClientJsonRpcMessage) -> Result<(), HttpError> {
        let (response, in_session) = self.post(message).await?;
        if response.status().is_success() {
            return Ok(());
        }
        let (error, _) = self.client.refusal(response, in_session).await;
        self.note(&error);
        match error.delivery {
            // Some servers take no notifications. What depends on them fails by itself.
            Delivery::NotTaken if !error.session_lost => Ok(()),
            _ => Err(error),
        }
    }

    /// Send a request. Its answer comes by the channel.
    async fn ask(
        self: &Arc<Self>,
        message: &ClientJsonRpcMessage,
        id: &RequestId,
        cancelled: &CancellationToken,
    ) -> Result<(), HttpError> {
        let request = match message {
            JsonRpcMessage::Request(request) => Some(&request.request),
            _ => None,
        };
        let gone = || HttpError::unknown("it was cancelled");
        let answered = async {
            if matches!(request, Some(ClientRequest::InitializeRequest(_))) {
                *lock(&self.session) = Session::default();
            }
            let (response, in_session) = self.post(message).await?;
            match request {
                Some(ClientRequest::InitializeRequest(_)) => {
                    lock(&self.session).id = response.headers().get(SESSION).cloned();
                }
                Some(ClientRequest::DiscoverRequest(_)) => lock(&self.session).modern = true,
                _ => {}
            }
            if !response.status().is_success() {
                let is_question = matches!(request, Some(ClientRequest::DiscoverRequest(_)));
                return self.refused(response, in_session, id, is_question).await;
            }
            self.taken(response, id, cancelled).await
        };
        tokio::select! {
            biased;
            () = cancelled.cancelled() => Err(gone()),
            answered = answered => answered,
        }
    }

    /// An answer with an error's status.
    async fn refused(
        &self,
        response: Response,
        in_session: bool,
        id: &RequestId,
        is_question: bool,
    ) -> Result<(), HttpError> {
        let (error, body) = self.client.refusal(response, in_session).await;
        self.note(&error);
        let speaks = !matches!(
            error.status,
            Some(
                StatusCode::UNAUTHORIZED
                    | StatusCode::FORBIDDEN
                    | StatusCode::TOO_MANY_REQUESTS
                    | StatusCode::SERVICE_UNAVAILABLE
            )
        );
        if error.session_lost || !speaks {
            return Err(error);
        }
        let own = match error::error_in(&body) {
            Some(own) => own,
            // A server of an earlier version, which does not know the question.
            None if is_question && error.delivery == Delivery::NotTaken => {
                serde_json::json!({"code": -32600, "message": error.why})
            }
            None => return Err(error),
        };
        let message = serde_json::json!({"jsonrpc": "2.0", "id": id, "error": own});
        self.ended(id);
        for message in self.wire.read(message.to_string().as_bytes()) {
            self.deliver(message).await;
        }
        Ok(())
    }

    /// An answer that is one, or a stream on which it comes.
    async fn taken(
        self: &Arc<Self>,
        response: Response,
        id: &RequestId,
        cancelled: &CancellationToken,
    ) -> Result<(), HttpError> {
        let (status, kind) = (response.status(), media_type(&response));
        if kind == STREAM {
            let (shared, id) = (Arc::clone(self), id.clone());
            let cancelled = cancelled.clone();
            tokio::spawn(async move {
                tokio::select! {
                    biased;
                    () = cancelled.cancelled() => {}
                    () = shared.follow(response, &id) => {}
                }
                shared.ended(&id);
            });
            return Ok(());
        }
        if status == StatusCode::ACCEPTED || status == StatusCode::NO_CONTENT {
            let code = status.as_u16();
            return match lock(&self.session).listens {
                // The answer comes on the other stream.
                true => Ok(()),
                false => Err(HttpError::unknown(format!(
                    "it gave no answer (HTTP {code})"
                ))),
            };
        }
        let body = body(response, MAX_BODY).await?;
        let json = kind.is_empty() || kind.contains("json");
        if !json && !body.trim_ascii_start().starts_with(b"{") {
            return Err(HttpError {
                status: Some(status),
                ..HttpError::unknown("its answer is not JSON; is this the `url` of an MCP server?")
            });
        }
        self.ended(id);
        for message in self.wire.read_for(Some(id), &body) {
            self.deliver(message).await;
        }
        let why = "the answer to it is missing";
        if let Some(message) = self.wire.end(id, Reply::Unusable(why.into())) {
            self.deliver(message).await;
        }
        Ok(())
    }

    fn is_in_session(&self) -> bool {
        lock(&self.session).id.is_some()
    }

    /// Hand a message on, and remember what it says about the connection.
    async fn deliver(&self, message: ServerJsonRpcMessage) {
        let id = match &message {
            JsonRpcMessage::Response(response) => Some(response.id.clone()),
            JsonRpcMessage::Error(error) => error.id.clone(),
            _ => None,
        };
        let listing = id.as_ref().and_then(|id| lock(&self.parameters).end(id));
        let message = match message {
            JsonRpcMessage::Response(response) => {
                if let ServerResult::InitializeResult(result) = &response.result {
                    let version = HeaderValue::from_str(result.protocol_version.as_str());
                    lock(&self.session).version = version.ok();
                } else if lock(&self.session).modern
                    && let Some(is_first) = listing
                    && let ServerResult::CustomResult(list) = &response.result
                    && let Some(page) = list.0.get("answer")
                {
                    lock(&self.parameters).take_page(page, is_first);
                }
                JsonRpcMessage::Response(response)
            }
            JsonRpcMessage::Error(error)
                if self.is_in_session()
                    && is_session_error(error.error.code.0, &error.error.message) =>
            {
                self.stale.store(true, Ordering::SeqCst);
                JsonRpcMessage::Error(error)
            }
            message => message,
        };
        // Its receiver is gone if the connection is closed.
        drop(self.out.send(message).await);
        // Its own stream may be another one, which is not needed any more.
        let request = id.and_then(|id| lock(&self.under_way).remove(&id));
        if let Some(request) = request {
            request.cancel();
        }
    }

    fn note(&self, error: &HttpError) {
        if error.session_lost {
            self.stale.store(true, Ordering::SeqCst);
        }
    }
}

/// Tell the server something that has no answer, within `limit`.
async fn in_time(
    limit: Duration,
    telling: impl Future<Output = Result<(), HttpError>>,
) -> Result<(), HttpError> {
    let late = |_| HttpError::unknown("it does not take a message in time");
    let told = tokio::time::timeout(limit, telling).await;
    told.map_err(late).flatten()
}

/// The protocol's version that a request names.
fn version_of(message: &Value) -> Option<&str> {
    let meta = message.get("params")?.get("_meta")?;
    meta.get("io.modelcontextprotocol/protocolVersion")?
        .as_str()
}
