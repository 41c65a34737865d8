//! A server over HTTP with SSE, as MCP 2024-11-05 has it: one stream for all that the server says, whose first event
//! names the endpoint that takes messages.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, atomic::Ordering},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use reqwest::Response;
use rmcp::{
    RoleClient,
    model::{
        ClientJsonRpcMessage, ClientNotification, JsonRpcMessage, RequestId, ServerJsonRpcMessage,
    },
    transport::Transport,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    Delivery, HttpClient, HttpError, MAX_BODY, STREAM, StaleFlag, TELLING, WAITING,
    client::{body, has_credentials, media_type},
    in_time, lock,
};
use crate::upstream::{
    sse::{Event, Parser},
    wire::Wire,
};

/// Bytes of an endpoint's URL.
const MAX_ENDPOINT: usize = 4 << 10;

/// One connection. It ends with its stream.
#[derive(Debug)]
pub(in super::super) struct EventStream {
    sender: Arc<Sender>,
    incoming: mpsc::Receiver<ServerJsonRpcMessage>,
}

#[derive(Debug)]
struct Sender {
    client: HttpClient,
    endpoint: Url,
    wire: Wire,
    /// Requests whose POST is in flight. It ends with the answer on the stream.
    under_way: Mutex<HashMap<RequestId, CancellationToken>>,
    out: mpsc::WeakSender<ServerJsonRpcMessage>,
    stale: StaleFlag,
    closing: CancellationToken,
}

impl EventStream {
    /// Open the stream, and learn the endpoint.
    pub(in super::super) async fn open(
        client: HttpClient,
        stale: StaleFlag,
    ) -> Result<Self, HttpError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(STREAM));
        let response = client.send(&Method::GET, client.url(), &headers, None);
        let mut response = response.await?;
        if !response.status().is_success() {
            return Err(client.refusal(response, false).await.0);
        }
        if media_type(&response) != STREAM {
            let why = "it answers GET with no stream of events";
            return Err(HttpError::new(Delivery::NotTaken, why));
        }
        let mut parser = Parser::new();
        let (endpoint, early) = endpoint(&mut response, &mut parser, client.url()).await?;
        let (out, incoming) = mpsc::channel(WAITING);
        let closing = CancellationToken::new();
        let sender = Arc::new(Sender {
            client,
            endpoint,
            wire: Wire::default(),
            under_way: Mutex::default(),
            // The channel ends with the stream.
            out: out.downgrade(),
            stale,
            closing: closing.clone(),
        });
        let taking = Arc::clone(&sender);
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = closing.cancelled() => {}
                () = take_in(response, parser, early, &taking, &out) => {}
            }
        });
        Ok(Self { sender, incoming })
    }
}

/// The endpoint that the stream's first event names, and the events that came with it.
async fn endpoint(
    response: &mut Response,
    parser: &mut Parser,
    url: &Url,
) -> Result<(Url, Vec<Event>), HttpError> {
    let failed = |why: &str| HttpError::new(Delivery::Unsent, why);
    loop {
        let piece = response.chunk().await.ok().flatten();
        let piece = piece.ok_or_else(|| failed("its stream ended before it named an endpoint"))?;
        let events = parser.feed(&piece);
        let mut events = events
            .map_err(|_| failed("its stream begins with an event that is too large"))?
            .into_iter();
        while let Some(event) = events.next() {
            if event.name != "endpoint" {
                continue;
            }
            let text = String::from_utf8(event.data).unwrap_or_default();
            let endpoint = (text.len() <= MAX_ENDPOINT)
                .then(|| url.join(text.trim()).ok())
                .flatten()
                .ok_or_else(|| failed("the endpoint that its stream names is not a URL"))?;
            if has_credentials(&endpoint) {
                return Err(failed(
                    "the endpoint that its stream names holds credentials",
                ));
            }
            if endpoint.origin() != url.origin() {
                let why = "the endpoint that its stream names has another origin, which is not sent the \
                           credentials";
                return Err(failed(why));
            }
            return Ok((endpoint, events.collect()));
        }
    }
}

async fn take_in(
    mut response: Response,
    mut parser: Parser,
    early: Vec<Event>,
    sender: &Sender,
    out: &mpsc::Sender<ServerJsonRpcMessage>,
) {
    let mut events = early;
    loop {
        for event in events {
            let named = !event.name.is_empty() && event.name != "message";
            if event.data.is_empty() || named && !event.data.starts_with(b"{") {
                continue;
            }
            for message in sender.wire.read(&event.data) {
                let id = match &message {
                    JsonRpcMessage::Response(response) => Some(response.id.clone()),
                    JsonRpcMessage::Error(error) => error.id.clone(),
                    _ => None,
                };
                if out.send(message).await.is_err() {
                    return;
                }
                sender.end_post(id.as_ref());
            }
        }
        let piece = response.chunk().await.ok().flatten();
        let Some(Ok(next)) = piece.map(|piece| parser.feed(&piece)) else {
            return;
        };
        events = next;
    }
}

impl Sender {
    /// Cancel this POST: its answer is not needed any more.
    fn end_post(&self, id: Option<&RequestId>) {
        let post = id.and_then(|id| lock(&self.under_way).remove(id));
        if let Some(post) = post {
            post.cancel();
        }
    }

    /// Post a request, until it has its answer or is cancelled; or what has none.
    async fn send(
        &self,
        message: &ClientJsonRpcMessage,
        under_way: Option<&(RequestId, CancellationToken)>,
    ) -> Result<(), HttpError> {
        let Some((id, ended)) = under_way else {
            if let JsonRpcMessage::Notification(notification) = message
                && let ClientNotification::CancelledNotification(cancelled) =
                    &notification.notification
            {
                self.end_post(cancelled.params.request_id.as_ref());
            }
            return in_time(TELLING, self.post(message)).await;
        };
        let posted = tokio::select! {
            biased;
            () = ended.cancelled() => Ok(()),
            posted = self.post(message) => posted,
        };
        lock(&self.under_way).remove(id);
        posted
    }

    async fn post(&self, message: &ClientJsonRpcMessage) -> Result<(), HttpError> {
        let unfit = |_| HttpError::new(Delivery::Unsent, "the request cannot be written as JSON");
        let text = serde_json::to_vec(message).map_err(unfit)?;
        let mut headers = HeaderMap::new();
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        let both = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(header::ACCEPT, both);
        let (client, endpoint) = (&self.client, &self.endpoint);
        let response = client.send(&Method::POST, endpoint, &headers, Some(Bytes::from(text)));
        let response = response.await?;
        if !response.status().is_success() {
            // The endpoint's URL is the session.
            let (error, _) = client.refusal(response, true).await;
            if error.session_lost {
                self.stale.store(true, Ordering::SeqCst);
            }
            return Err(error);
        }
        if !media_type(&response).contains("json") {
            return Ok(());
        }
        // Some servers answer in this response instead of on the stream. Any other body is ignored.
        let body = body(response, MAX_BODY).await.unwrap_or_default();
        if let (true, Some(out)) = (
            body.trim_ascii_start().starts_with(b"{"),
            self.out.upgrade(),
        ) {
            for message in self.wire.read(&body) {
                drop(out.send(message).await);
            }
        }
        Ok(())
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.sender.closing.cancel();
    }
}

impl Transport<RoleClient> for EventStream {
    type Error = HttpError;

    fn send(
        &mut self,
        message: ClientJsonRpcMessage,
    ) -> impl Future<Output = Result<(), HttpError>> + Send + 'static {
        let sender = Arc::clone(&self.sender);
        let under_way = sender.wire.sent(&message).map(|id| {
            let ended = CancellationToken::new();
            lock(&sender.under_way).insert(id.clone(), ended.clone());
            (id, ended)
        });
        async move {
            let posted = tokio::select! {
                biased;
                () = sender.closing.cancelled() => {
                    Err(HttpError::unknown("the connection is closed"))
                }
                posted = sender.send(&message, under_way.as_ref()) => posted,
            };
            match (posted, under_way) {
                (Err(error), Some((id, _))) => {
                    sender.wire.forget(&id);
                    Err(error)
                }
                // Some servers take no notifications.
                (Err(error), None)
                    if error.delivery == Delivery::NotTaken && !error.session_lost =>
                {
                    Ok(())
                }
                (posted, _) => posted,
            }
        }
    }

    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        self.incoming.recv().await
    }

    async fn close(&mut self) -> Result<(), HttpError> {
        self.sender.closing.cancel();
        Ok(())
    }
}
