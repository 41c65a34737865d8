//! Streams of events: that of one request, until its answer has come, and that for what a server says by itself.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use http::{HeaderValue, Method, StatusCode, header};
use reqwest::Response;
use rmcp::{
    model::{GetExtensions as _, JsonRpcMessage, RequestId},
    service::InboundStreamOrigin,
};
use tokio::time::Instant;

use super::{ConnectionState, HttpError, LAST_EVENT, STREAM, client::media_type, lock};
use crate::upstream::{
    sse::{Event, MAX_EVENT, Parser},
    wire::Reply,
};

/// How long to wait before connecting again, where the server does not say.
const PAUSE: Duration = Duration::from_secs(1);
/// The shortest that the server may ask for.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often in a row a stream is taken up again that brings no message and does not stand.
const MAX_ATTEMPTS: u32 = 5;
/// How long a stream stands that is more than an attempt.
const STANDING: Duration = Duration::from_secs(5);
const TOOLS_CHANGED: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;

/// Where a stream is taken up again.
#[derive(Debug, Default)]
struct Position {
    id: Option<Arc<str>>,
    pause: Option<Duration>,
    attempts: u32,
    /// Whether a stream has brought a message, or has stood.
    was_useful: bool,
}

/// What an event of the stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EventRole {
    Nothing,
    Message,
    /// The answer to the stream's own request.
    Answer,
}

impl Position {
    fn note(&mut self, event: &Event) {
        self.id.clone_from(&event.id);
        if let Some(retry) = event.retry {
            let pause = Duration::from_millis(retry);
            self.pause = Some(pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE));
        }
    }

    fn progress(&mut self) {
        self.attempts = 0;
        self.was_useful = true;
    }

    /// The last event id, if a header can carry it: where the stream is resumed.
    fn resumable(&self) -> Option<HeaderValue> {
        let id = self.id.as_deref().filter(|id| !id.is_empty())?;
        HeaderValue::from_str(id).ok()
    }

    /// Wait before the next attempt; `false` if there have been too many.
    async fn wait(&mut self) -> bool {
        self.attempts += 1;
        if self.attempts > MAX_ATTEMPTS {
            return false;
        }
        let pause = self.pause.unwrap_or(PAUSE);
        let doubled = pause.saturating_mul(1 << (self.attempts - 1));
        tokio::time::sleep(doubled.min(LONGEST_PAUSE)).await;
        true
    }
}

impl ConnectionState {
    /// Read the stream of a request until its answer has come, however long the server keeps it open.
    pub(super) async fn follow(&self, mut response: Response, id: &RequestId) {
        let mut position = Position::default();
        loop {
            if self.read(response, Some(id), &mut position).await {
                return;
            }
            match self.resumed(&mut position).await {
                Some(next) => response = next,
                None => break,
            }
        }
        let why = "the connection broke before the answer";
        if let Some(message) = self.wire.end(id, Reply::Lost(why.into())) {
            self.deliver(message).await;
        }
    }

    /// The stream of a request, from where it broke off.
    async fn resumed(&self, position: &mut Position) -> Option<Response> {
        position.resumable()?;
        while position.wait().await {
            let Ok(response) = self.stream(position.resumable()).await else {
                continue;
            };
            if response.status().is_success() && media_type(&response) == STREAM {
                return Some(response);
            }
            if response.status().is_client_error() {
                let (error, _) = self.client.refusal(response, self.is_in_session()).await;
                self.note(&error);
                return None;
            }
        }
        None
    }

    async fn stream(&self, from: Option<HeaderValue>) -> Result<Response, HttpError> {
        let mut headers = self.headers(None);
        headers.insert(header::ACCEPT, HeaderValue::from_static(STREAM));
        headers.extend(from.map(|id| (LAST_EVENT, id)));
        let url = self.client.url();
        self.client.send(&Method::GET, url, &headers, None).await
    }

    /// Take in a stream; whether the answer to `own` has come.
    async fn read(
        &self,
        response: Response,
        own: Option<&RequestId>,
        position: &mut Position,
    ) -> bool {
        let begun = Instant::now();
        let answered = self.read_events(response, own, position).await;
        if begun.elapsed() >= STANDING {
            position.progress();
        }
        answered
    }

    async fn read_events(
        &self,
        mut response: Response,
        own: Option<&RequestId>,
        position: &mut Position,
    ) -> bool {
        let mut parser = Parser::new();
        loop {
            let (events, over) = match response.chunk().await {
                Ok(Some(piece)) => match parser.feed(&piece) {
                    Ok(events) => (events, false),
                    Err(_) => return self.too_large(own).await,
                },
                Ok(None) => (parser.finish().into_iter().collect(), true),
                Err(_) => return false,
            };
            for event in events {
                position.note(&event);
                match self.take(&event, own).await {
                    EventRole::Answer => return true,
                    EventRole::Message => position.progress(),
                    EventRole::Nothing => {}
                }
            }
            if over {
                return false;
            }
        }
    }

    async fn too_large(&self, own: Option<&RequestId>) -> bool {
        let why = format!("an event of its stream has more than {} bytes", MAX_EVENT);
        let ended = own.and_then(|own| self.wire.end(own, Reply::Unusable(why)));
        match ended {
            Some(message) => {
                self.deliver(message).await;
                true
            }
            None => false,
        }
    }

    /// Take in an event.
    async fn take(&self, event: &Event, own: Option<&RequestId>) -> EventRole {
        let named = !event.name.is_empty() && event.name != "message";
        if event.data.is_empty() || named && !event.data.starts_with(b"{") {
            return EventRole::Nothing;
        }
        let messages = match named {
            true => self.wire.read(&event.data),
            false => self.wire.read_for(own, &event.data),
        };
        let mut brought = EventRole::Nothing;
        for mut message in messages {
            let id = match &mut message {
                JsonRpcMessage::Response(response) => Some(&response.id),
                JsonRpcMessage::Error(error) => error.id.as_ref(),
                JsonRpcMessage::Request(request) => {
                    let origin = match own {
                        Some(id) => InboundStreamOrigin::OutboundRequest(id.clone()),
                        None => InboundStreamOrigin::Unassociated,
                    };
                    request.request.extensions_mut().insert(origin);
                    None
                }
                JsonRpcMessage::Notification(_) => None,
            };
            brought = match id.is_some() && id == own || brought == EventRole::Answer {
                true => EventRole::Answer,
                false => EventRole::Message,
            };
            self.deliver(message).await;
        }
        brought
    }

    /// Hear what the server says by itself, as long as there is the session.
    pub(super) fn listen(self: Arc<Self>) {
        if !self.is_in_session() {
            return;
        }
        tokio::spawn(async move {
            let closing = self.closing.clone();
            tokio::select! {
                biased;
                () = closing.cancelled() => {}
                () = self.hear() => {}
            }
            lock(&self.session).listens = false;
        });
    }

    async fn hear(&self) {
        let mut position = Position::default();
        let mut first = true;
        loop {
            match self.stream(position.resumable()).await {
                Ok(response)
                    if response.status().is_success() && media_type(&response) == STREAM =>
                {
                    lock(&self.session).listens = true;
                    if !first && position.resumable().is_none() {
                        // What was said meanwhile is lost.
                        self.look_again().await;
                    }
                    first = false;
                    self.read(response, None, &mut position).await;
                    lock(&self.session).listens = false;
                }
                Ok(response) if response.status().is_server_error() => {}
                Ok(response) => {
                    let (error, _) = self.client.refusal(response, true).await;
                    // A server need not have such a stream (405).
                    let said = error.status == Some(StatusCode::NOT_FOUND);
                    if error.session_lost && !(first && said) {
                        self.note(&error);
                    }
                    return;
                }
                Err(_) => {}
            }
            if !position.wait().await {
                // The subscription to changes has ended: the next call lists the tools again, over a new connection. A
                // server whose stream was never usable has none.
                if position.was_useful {
                    self.stale.store(true, Ordering::SeqCst);
                    self.look_again().await;
                }
                return;
            }
        }
    }

    /// Have the tools asked for again.
    async fn look_again(&self) {
        for message in self.wire.read(TOOLS_CHANGED) {
            self.deliver(message).await;
        }
    }
}

#[cfg(test)]
mod tests;
