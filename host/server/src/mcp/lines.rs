//! MCP over two byte streams: one JSON-RPC message a line, as stdio has it.
//!
//! A line that is not a message is answered with an error, and the stream continues.

use std::{
    collections::HashSet,
    io,
    sync::{Arc, PoisonError},
};

use rmcp::{
    RoleServer,
    model::{
        ClientNotification, ClientRequest, ErrorData, GetExtensions as _, GetMeta as _,
        JsonRpcMessage, ProtocolVersion, RequestId,
    },
    service::{QuitReason, RxJsonRpcMessage, ServiceExt as _, TxJsonRpcMessage},
    transport::Transport,
};
use serde::{Serialize, de::IgnoredAny};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    sync::Mutex,
};
use tokio_stream::StreamExt as _;
use tokio_util::{
    codec::{FramedRead, LinesCodec, LinesCodecError},
    sync::CancellationToken,
};

use super::{Client, raw::RawMessage};
use crate::{depth::too_deep, json_line};

/// Bytes of a line.
pub const MAX_LINE: usize = 16 << 20;

struct Lines<R, W> {
    read: FramedRead<R, LinesCodec>,
    /// Set after a decoding error: `FramedRead` then returns `None` once before it continues.
    interrupted: bool,
    /// Whether the client has begun: by a handshake, or by a request that stands alone.
    begun: bool,
    /// Requests without an answer.
    open: OpenRequests,
    write: Arc<Mutex<W>>,
}

/// The ids of requests that have no answer yet. One that is used again would give two calls one answer.
#[derive(Debug, Clone, Default)]
struct OpenRequests(Arc<std::sync::Mutex<HashSet<RequestId>>>);

impl OpenRequests {
    fn ids(&self) -> std::sync::MutexGuard<'_, HashSet<RequestId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the id is free; it is taken then.
    fn begin(&self, id: &RequestId) -> bool {
        self.ids().insert(id.clone())
    }

    /// The request is answered, or its answer is not waited for any more.
    fn end(&self, id: &RequestId) {
        self.ids().remove(id);
    }
}

/// Serve one client until it closes its stream, or `until` is cancelled.
///
/// # Errors
/// If the client does not begin as the protocol says.
pub async fn serve_lines<R, W>(
    client: Client,
    read: R,
    write: W,
    until: CancellationToken,
) -> Result<(), io::Error>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let lines = Lines {
        read: FramedRead::new(read, LinesCodec::new_with_max_length(MAX_LINE)),
        interrupted: false,
        begun: false,
        open: OpenRequests::default(),
        write: Arc::new(Mutex::new(write)),
    };
    // A child: what is served cancels its token when it ends.
    let running = match client.serve_with_ct(lines, until.child_token()).await {
        Ok(running) => running,
        // The client closed the stream, or the server stopped, before the first message.
        Err(rmcp::service::ServerInitializeError::ConnectionClosed(_))
        | Err(rmcp::service::ServerInitializeError::Cancelled) => return Ok(()),
        Err(error) => return Err(io::Error::other(error.to_string())),
    };
    match running.waiting().await {
        Ok(QuitReason::JoinError(error)) | Err(error) => Err(io::Error::other(error)),
        Ok(_) => Ok(()),
    }
}

impl<R, W> Lines<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    /// Say what is wrong with a line. In a task of its own: what reads may be given up at any time, and
    /// half a line must not be written.
    fn complain(&self, id: Option<Value>, error: ErrorData) {
        // Who is not named gets null (JSON-RPC 2.0, section 5).
        let message = json!({"jsonrpc": "2.0", "id": id, "error": error});
        let write = Arc::clone(&self.write);
        tokio::spawn(async move {
            // The receiver may have gone.
            drop(put(&write, &message).await);
        });
    }

    fn parse(&self, line: &str) -> Option<RxJsonRpcMessage<RoleServer>> {
        if too_deep(line.as_bytes()) || serde_json::from_str::<IgnoredAny>(line).is_err() {
            self.complain(None, ErrorData::parse_error("this line is not JSON", None));
            return None;
        }
        let raw = RawMessage::read(line.as_bytes());
        if let Some(problem) = raw.problem {
            self.complain(raw.id, ErrorData::invalid_request(problem, None));
            return None;
        }
        let Ok(mut message) = serde_json::from_str::<RxJsonRpcMessage<RoleServer>>(line) else {
            let what = "this is not a JSON-RPC message of MCP";
            self.complain(raw.id, ErrorData::invalid_request(what, None));
            return None;
        };
        if let (JsonRpcMessage::Request(request), Some(arguments)) = (&mut message, raw.arguments) {
            request.request.extensions_mut().insert(arguments);
        }
        Some(message)
    }

    /// Whether a message is taken now. An answer or a notification before the client has begun is about nothing.
    fn admits(&mut self, message: &RxJsonRpcMessage<RoleServer>) -> bool {
        match message {
            JsonRpcMessage::Request(request) => {
                if !self.open.begin(&request.id) {
                    let what = "a request with this id has no answer yet; use another id";
                    let id = serde_json::to_value(&request.id).ok();
                    self.complain(id, ErrorData::invalid_request(what, None));
                    return false;
                }
                self.begun |= begins(&request.request);
                true
            }
            JsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) =
                    &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    self.open.end(id);
                }
                self.begun
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => self.begun,
        }
    }
}

/// Whether a client has begun with this: a handshake, or a request that stands alone.
fn begins(request: &ClientRequest) -> bool {
    match request {
        ClientRequest::InitializeRequest(_) => true,
        ClientRequest::PingRequest(_) | ClientRequest::DiscoverRequest(_) => false,
        request => {
            let meta = request.get_meta();
            let missing = meta.missing_required_keys(&ProtocolVersion::V_2026_07_28);
            missing.is_empty()
        }
    }
}

async fn put<W: AsyncWrite + Unpin>(write: &Mutex<W>, message: &impl Serialize) -> io::Result<()> {
    let line = json_line::encode(message)?;
    json_line::write(&mut *write.lock().await, &line).await
}

impl<R, W> Transport<RoleServer> for Lines<R, W>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        match &item {
            JsonRpcMessage::Response(response) => self.open.end(&response.id),
            JsonRpcMessage::Error(error) => {
                if let Some(id) = &error.id {
                    self.open.end(id);
                }
            }
            JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => {}
        }
        let write = Arc::clone(&self.write);
        async move { put(&write, &item).await }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            match self.read.next().await {
                Some(Ok(line)) if line.trim().is_empty() => {}
                Some(Ok(line)) => {
                    if let Some(message) = self.parse(&line)
                        && self.admits(&message)
                    {
                        return Some(message);
                    }
                }
                Some(Err(error)) => {
                    self.interrupted = true;
                    match error {
                        LinesCodecError::MaxLineLengthExceeded => {
                            let what = format!("a message has at most {MAX_LINE} bytes");
                            self.complain(None, ErrorData::invalid_request(what, None));
                        }
                        LinesCodecError::Io(error)
                            if error.kind() == io::ErrorKind::InvalidData =>
                        {
                            let what = "this line is not UTF-8 text";
                            self.complain(None, ErrorData::parse_error(what, None));
                        }
                        LinesCodecError::Io(_) => return None,
                    }
                }
                None if self.interrupted => self.interrupted = false,
                None => return None,
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.write.lock().await.shutdown().await
    }
}
