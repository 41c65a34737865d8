//! Messages over a child's standard input and output: one a line.

use std::{collections::VecDeque, io, sync::Arc};

use rmcp::{
    RoleClient,
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::Transport,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, BufReader},
    sync::Mutex,
};

use super::{
    mend::id_of,
    wire::{Reply, Wire},
};
use crate::json_line;

/// Bytes of one message from a server.
const MAX_MESSAGE: usize = 32 << 20;
/// Bytes of the end of a longer one that are looked at.
const TAIL: usize = 256;
/// Bytes of its beginning.
const HEAD: usize = 4 << 10;

/// The two streams of a child.
pub(super) struct Pipe<R, W> {
    read: BufReader<R>,
    line: Line,
    ready: VecDeque<ServerJsonRpcMessage>,
    write: Arc<Mutex<Option<W>>>,
    wire: Arc<Wire>,
}

/// A line that is being read. It outlives a reading that is given up.
#[derive(Debug, Default)]
struct Line {
    bytes: Vec<u8>,
    /// What followed the first [`MAX_MESSAGE`] bytes, its end alone.
    surplus: Option<Vec<u8>>,
}

impl Line {
    fn push(&mut self, piece: &[u8]) {
        match &mut self.surplus {
            None if self.bytes.len() + piece.len() <= MAX_MESSAGE => {
                self.bytes.extend_from_slice(piece);
            }
            None => {
                self.bytes.truncate(HEAD);
                self.bytes.shrink_to_fit();
                let from = piece.len().saturating_sub(TAIL);
                self.surplus = Some(piece.get(from..).unwrap_or_default().to_vec());
            }
            Some(tail) => {
                tail.extend_from_slice(piece);
                let surplus = tail.len().saturating_sub(TAIL);
                tail.drain(..surplus);
            }
        }
    }

    /// The messages in the line that ends here.
    fn end(&mut self, wire: &Wire) -> Vec<ServerJsonRpcMessage> {
        let line = std::mem::take(self);
        let Some(tail) = line.surplus else {
            return wire.read(&line.bytes);
        };
        let id = id_of(
            &String::from_utf8_lossy(&line.bytes),
            &String::from_utf8_lossy(&tail),
        );
        let why = format!("the answer has more than {MAX_MESSAGE} bytes");
        let ended = id.and_then(|id| wire.end(&id, Reply::Unusable(why)));
        ended.into_iter().collect()
    }
}

impl<R: AsyncRead + Unpin, W> Pipe<R, W> {
    pub(super) fn new(read: R, write: W) -> Self {
        Self {
            read: BufReader::new(read),
            line: Line::default(),
            ready: VecDeque::new(),
            write: Arc::new(Mutex::new(Some(write))),
            wire: Arc::default(),
        }
    }
}

impl<R, W> Transport<RoleClient> for Pipe<R, W>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        message: ClientJsonRpcMessage,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let (write, wire) = (Arc::clone(&self.write), Arc::clone(&self.wire));
        // Before it is written: the answer may be here sooner than this future is polled again.
        let id = wire.sent(&message);
        async move {
            let written = async {
                let line = json_line::encode(&message)?;
                let mut write = write.lock().await;
                let write = write.as_mut().ok_or(io::ErrorKind::NotConnected)?;
                json_line::write(write, &line).await
            };
            let written = written.await;
            if let (Err(_), Some(id)) = (&written, id) {
                wire.forget(&id);
            }
            written
        }
    }

    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some(message);
            }
            // Nothing is taken out of the buffer before it is in the line: this may be given up at any time.
            let piece = self.read.fill_buf().await.ok().filter(|p| !p.is_empty())?;
            let end = piece.iter().position(|byte| *byte == b'\n');
            self.line.push(piece.get(..end.unwrap_or(piece.len()))?);
            let taken = end.map_or(piece.len(), |end| end + 1);
            self.read.consume(taken);
            if end.is_some() {
                self.ready.extend(self.line.end(&self.wire));
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.write.lock().await.take();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
