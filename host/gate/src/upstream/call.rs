//! One call of an upstream server's tool: from the permit to an outcome.

use std::{future::pending, sync::Arc, time::Duration};

use serde_json::{Map, Value};
use tokio::{sync::watch, time::Instant};
use tollgate_model::record::Status;

use super::{CallParams, CallResult, ConnectError, LoadedUpstream, READY, Session, Stop, Stopped};
use crate::{
    capability::{Capabilities, ProgressReport},
    enforce::{Permitted, ToolCall},
    text::printable,
    tool::{Content, Execution, FailureKind, Limits, ResourceBody},
};

/// How long after its time is up a call may take to say how it ended.
const GRACE: Duration = Duration::from_secs(5);
/// Bytes of a server's words in an error.
const MAX_WORDS: usize = 4 << 10;

/// Hears how far a call has come.
#[derive(Debug, Clone)]
pub struct Reporter(Arc<Capabilities>);

impl Reporter {
    /// Take in what the server says, untrusted, and release it to whoever listens if policy lets it.
    pub async fn report(&self, progress: u64, total: Option<u64>, message: &str) {
        let report = ProgressReport {
            progress,
            total,
            message: message.to_owned(),
        };
        if let Some(report) = self.0.take_report(report) {
            self.0.release_report(report).await;
        }
    }
}

impl Stop {
    /// Wait for what ends the call.
    pub async fn wait(&mut self) -> Stopped {
        tokio::select! {
            biased;
            () = truth(Some(&mut self.halted)) => Stopped::Halted,
            () = truth(self.cancelled.as_mut()) => Stopped::Cancelled,
            () = tokio::time::sleep_until(self.deadline) => Stopped::Timeout,
        }
    }
}

/// Wait until it is true; for ever, if nobody is left to say so.
async fn truth(flag: Option<&mut watch::Receiver<bool>>) {
    let set = match flag {
        Some(flag) => flag.wait_for(|set| *set).await.is_ok(),
        None => false,
    };
    if !set {
        pending().await
    }
}

impl LoadedUpstream {
    /// Carry out the permitted call.
    pub(crate) async fn call(
        &self,
        permitted: Permitted<ToolCall>,
        capabilities: Arc<Capabilities>,
        limits: &Limits,
        halted: watch::Receiver<bool>,
        cancelled: Option<watch::Receiver<bool>>,
        mut meta: Map<String, Value>,
    ) -> Execution {
        let mut stop = Stop {
            halted,
            cancelled,
            deadline: Instant::now() + limits.wall,
        };
        let own_name = permitted.act().tool().own_name.clone();
        let session = tokio::select! {
            biased;
            stopped = stop.wait() => return self.not_begun(stopped),
            ready = self.ready(&own_name) => match ready {
                Ok(session) => session,
                Err(refused) => return refused,
            },
        };
        let deadline = stop.deadline + GRACE;
        // The caller's own trace goes on in the gate's spans.
        let traceparent = capabilities.traceparent(permitted.span());
        meta.insert("traceparent".into(), traceparent.into());
        let terms = CallParams {
            reports: Reporter(capabilities),
            stop,
            meta,
        };
        let ending = tokio::time::timeout_at(deadline, session.call(permitted, terms)).await;
        let ending = ending.unwrap_or(CallResult::Stopped(Stopped::Timeout));
        self.execution(self.without_secrets(ending).await, limits.output)
    }

    /// The same without the secrets that the server was sent, should it repeat them.
    async fn without_secrets(&self, ending: CallResult) -> CallResult {
        if self.sent.is_empty() {
            return ending;
        }
        self.secrets.know(&self.sent).await;
        match ending {
            CallResult::Returned { content, failed } => {
                let content = content.into_iter().map(|part| self.scrubbed(part));
                CallResult::Returned {
                    content: content.collect(),
                    failed,
                }
            }
            CallResult::Refused { code, message } => CallResult::Refused {
                code,
                message: self.secrets.scrub_text(&message),
            },
            other => other,
        }
    }

    fn scrubbed(&self, part: Content) -> Content {
        let secrets = &self.secrets;
        match part {
            Content::Text { text } => Content::Text {
                text: secrets.scrub_text(&text),
            },
            Content::Image { data, media_type } => Content::Image {
                data: secrets.scrub(data),
                media_type,
            },
            Content::Resource { mut resource } => {
                resource.uri = secrets.scrub_text(&resource.uri);
                resource.body = match resource.body {
                    ResourceBody::Text(text) => ResourceBody::Text(secrets.scrub_text(&text)),
                    ResourceBody::Blob(bytes) => ResourceBody::Blob(secrets.scrub(bytes)),
                };
                Content::Resource { resource }
            }
            Content::Structured(value) => Content::Structured(self.scrubbed_value(value)),
        }
    }

    fn scrubbed_value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.secrets.scrub_text(&text)),
            Value::Array(items) => {
                let items = items.into_iter().map(|item| self.scrubbed_value(item));
                Value::Array(items.collect())
            }
            Value::Object(fields) => {
                let scrub = |(key, value): (String, Value)| {
                    (self.secrets.scrub_text(&key), self.scrubbed_value(value))
                };
                Value::Object(fields.into_iter().map(scrub).collect())
            }
            other => other,
        }
    }

    /// A session whose server still offers the tool as it was accepted.
    async fn ready(&self, own_name: &str) -> Result<Arc<dyn Session>, Execution> {
        let unreachable = |unreachable: ConnectError| self.not_sent(&unreachable.why);
        let session = self.upstream.session().await.map_err(unreachable)?;
        let offer = session.offer(false).await.map_err(unreachable)?;
        self.compare(own_name, &offer).map_err(|problem| {
            Execution::failed(FailureKind::Denied, format!("Not called: {problem}."), 0)
        })?;
        Ok(session)
    }

    /// What the server offers now.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub(crate) async fn offer(&self) -> Result<Arc<super::Offer>, ConnectError> {
        let asked = async {
            let session = self.upstream.session().await?;
            session.offer(true).await
        };
        tokio::time::timeout(READY, asked)
            .await
            .unwrap_or_else(|_| Err(ConnectError::new("it does not answer")))
    }

    fn not_sent(&self, why: &str) -> Execution {
        let message = format!(
            "The upstream server `{}` could not be reached: {why}. Nothing was sent to it.",
            self.name
        );
        Execution::failed(FailureKind::Failed, message, 0)
    }

    fn not_begun(&self, stopped: Stopped) -> Execution {
        match stopped {
            Stopped::Halted => Execution::halted(),
            Stopped::Cancelled => self.not_sent("the call was cancelled before"),
            Stopped::Timeout => self.not_sent("it was not ready in time"),
        }
    }

    fn execution(&self, ending: CallResult, output: u64) -> Execution {
        match ending {
            CallResult::Returned {
                content,
                failed: false,
            } => Execution::returned(content, output),
            CallResult::Returned { content, .. } => {
                Execution::returned(content, output).into_failure()
            }
            CallResult::Refused { code, message } => {
                let kind = match code {
                    -32602 => FailureKind::InvalidArguments,
                    -32601 => FailureKind::UnknownTool,
                    _ => FailureKind::Failed,
                };
                Execution::failed(kind, printable(&message, MAX_WORDS), 1)
            }
            CallResult::Unusable(problem) => {
                let message = format!("The tool's result is not usable: {problem}.");
                Execution::failed(FailureKind::Failed, message, 1)
            }
            CallResult::NotSent(why) => self.not_sent(&why),
            CallResult::Lost(cause) => Execution::ended(Status::Indeterminate, 1, Some(cause)),
            CallResult::Stopped(Stopped::Halted) => Execution::ended(Status::Halted, 1, None),
            CallResult::Stopped(stopped) => {
                let cause = match stopped {
                    Stopped::Cancelled => "the caller cancelled it",
                    _ => "its time was up",
                };
                Execution::ended(Status::Indeterminate, 1, Some(cause.into()))
            }
        }
    }
}
