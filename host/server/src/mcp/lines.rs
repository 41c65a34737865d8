//! MCP over two byte streams: one JSON-RPC message a line, as stdio has it.
//!
//! A line that is not a message is answered with an error, and the stream continues.

use std::{io, sync::Arc};

use rmcp::{
    RoleServer,
    model::{ErrorData, GetExtensions as _, JsonRpcMessage},
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
    write: Arc<Mutex<W>>,
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
        let write = Arc::clone(&self.write);
        async move { put(&write, &item).await }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            match self.read.next().await {
                Some(Ok(line)) if line.trim().is_empty() => {}
                Some(Ok(line)) => {
                    if let Some(message) = self.parse(&line) {
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
