//! Forwards a client's MCP messages to the process that owns the gate.
//!
//! If the owner exits, its unanswered requests are answered here as indeterminate. The next owner gets the client's
//! initialization again, so that the client need not repeat it.

use std::{collections::HashMap, io};

use serde_json::{Value, json};
use tokio::{
    io::{
        AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
        BufReader,
    },
    sync::mpsc,
};
use tollgate_server::mcp::MAX_LINE;

/// The side that closed the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The client closed its end.
    Client,
    /// The owner exited.
    Owner,
}

/// A client at stdin and stdout.
pub(crate) struct StdioProxy {
    lines: mpsc::Receiver<Vec<u8>>,
    out: tokio::io::Stdout,
    state: State,
}

/// The state that the next owner needs.
#[derive(Debug, Default)]
struct State {
    /// The client's `initialize` request, and its id.
    began: Option<(Vec<u8>, Value)>,
    /// The client's `initialized` notification.
    initialized: Option<Vec<u8>>,
    /// Unanswered requests by id, and whether each calls a tool.
    open: HashMap<String, (Value, bool)>,
    /// The id of an answer that the client has already, and must not get again.
    again: Option<Value>,
}

impl State {
    /// Notes a message of the client.
    fn note_request(&mut self, line: &[u8]) {
        let Ok(message) = serde_json::from_slice::<Value>(line) else {
            return;
        };
        let method = message.get("method").and_then(Value::as_str).unwrap_or("");
        match (method, message.get("id")) {
            ("initialize", Some(id)) => self.began = Some((line.to_vec(), id.clone())),
            ("notifications/initialized", _) => self.initialized = Some(line.to_vec()),
            ("notifications/cancelled", _) => {
                // A cancelled request gets no answer.
                let id = message.pointer("/params/requestId");
                if let Some(id) = id {
                    self.open.remove(&id.to_string());
                }
            }
            _ => {}
        }
        if let (false, Some(id)) = (method.is_empty(), message.get("id")) {
            let open = (id.clone(), method == "tools/call");
            self.open.insert(id.to_string(), open);
        }
    }

    /// Notes a message of the owner. Returns whether to forward it.
    fn note_answer(&mut self, line: &[u8]) -> bool {
        let Ok(message) = serde_json::from_slice::<Value>(line) else {
            return true;
        };
        let Some(id) = message
            .get("id")
            .filter(|_| message.get("method").is_none())
        else {
            return true;
        };
        if self.again.as_ref() == Some(id) {
            self.again = None;
            return false;
        }
        self.open.remove(&id.to_string());
        true
    }

    /// The messages to repeat to the next owner.
    fn replayed(&mut self) -> Vec<u8> {
        let Some((began, id)) = &self.began else {
            return Vec::new();
        };
        let mut lines = began.clone();
        if let Some(initialized) = &self.initialized {
            lines.extend_from_slice(initialized);
        }
        if self.open.contains_key(&id.to_string()) {
            // The client has no answer to it yet.
            self.again = None;
        } else {
            self.again = Some(id.clone());
        }
        lines
    }

    /// Answers to the unanswered requests of the previous owner.
    fn lost(&mut self) -> Vec<u8> {
        let began = self.began.as_ref().map(|(_, id)| id.to_string());
        let mut lines = Vec::new();
        self.open.retain(|key, (id, call)| {
            if began.as_ref() == Some(key) {
                return true;
            }
            let answer = if *call {
                let text = "The process that serves the gate went away in the middle of this call. Its \
                            outcome is not known: do not retry before a person has checked.";
                json!({"jsonrpc": "2.0", "id": id, "result": {
                    "content": [{"type": "text", "text": text}],
                    "isError": true,
                    "_meta": {"dev.tollgate/decision": {"outcome": "indeterminate", "retry": "after_a_look"}},
                }})
            } else {
                let text = "the process that serves the gate went away; ask again";
                json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32603, "message": text}})
            };
            lines.extend_from_slice(answer.to_string().as_bytes());
            lines.push(b'\n');
            false
        });
        lines
    }
}

impl StdioProxy {
    /// Starts to read from the client.
    pub(crate) fn begin() -> Self {
        let (send, lines) = mpsc::channel(16);
        tokio::spawn(async move {
            let mut input = BufReader::new(tokio::io::stdin());
            while let Ok(Some(line)) = line(&mut input).await {
                if send.send(line).await.is_err() {
                    return;
                }
            }
        });
        Self {
            lines,
            out: tokio::io::stdout(),
            state: State::default(),
        }
    }

    /// Forwards messages until one side closes.
    ///
    /// # Errors
    /// Writing to the client failed.
    pub(crate) async fn pass(
        &mut self,
        mut read: impl AsyncBufRead + Unpin + Send + 'static,
        mut write: impl AsyncWrite + Unpin,
    ) -> io::Result<End> {
        let (send, mut answers) = mpsc::channel(16);
        let reading = tokio::spawn(async move {
            while let Ok(Some(line)) = line(&mut read).await {
                if send.send(line).await.is_err() {
                    return;
                }
            }
        });
        let _reading = TaskGuard(reading);
        let replayed = self.state.replayed();
        let mut client = true;
        if write.write_all(&replayed).await.is_ok() && write.flush().await.is_ok() {
            loop {
                tokio::select! {
                    line = self.lines.recv(), if client => match line {
                        Some(line) => {
                            self.state.note_request(&line);
                            if write.write_all(&line).await.is_err() || write.flush().await.is_err() {
                                break;
                            }
                        }
                        None => {
                            // Its open requests are still answered.
                            client = false;
                            if write.shutdown().await.is_err() {
                                break;
                            }
                        }
                    },
                    answer = answers.recv() => match answer {
                        Some(line) => {
                            if self.state.note_answer(&line) {
                                self.out.write_all(&line).await?;
                                self.out.flush().await?;
                            }
                        }
                        None => break,
                    },
                }
            }
        }
        let lost = self.state.lost();
        self.out.write_all(&lost).await?;
        self.out.flush().await?;
        Ok(if client { End::Owner } else { End::Client })
    }
}

/// A task that ends with its owner.
struct TaskGuard(tokio::task::JoinHandle<()>);

impl Drop for TaskGuard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A line with its newline; `None` at the end. A line that is too long is an error.
async fn line(read: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let most = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
    read.take(most).read_until(b'\n', &mut line).await?;
    match line.last() {
        Some(b'\n') => Ok(Some(line)),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests;
