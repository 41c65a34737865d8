//! One call of an upstream server: from the permit to the outcome.

use std::{future::pending, sync::Arc, time::Duration};

use serde_json::{Map, Value};
use tokio::sync::watch;
use tollgate_model::{entity::Uid, record::Status};

use super::{
    CallInterruption, CallParams, CallResult, ConnectError, Elicitor, LoadedUpstream, READY,
    Session, Stop, Upstream, scrubber::Scrubber, timer::CallTimer,
};
use crate::{
    capability::{Capabilities, ProgressReport},
    enforce::{Permitted, ToolCall},
    text::printable,
    tool::{Execution, FailureKind, Feature, Limits, Tool},
};

/// How long after its timeout a call may take to report how it ended.
const GRACE: Duration = Duration::from_secs(5);
/// The code of MCP for a resource that does not exist.
const RESOURCE_NOT_FOUND: i32 = -32002;
/// The most bytes of a server's text in an error.
const MAX_WORDS: usize = 4 << 10;

/// Receives progress of a call.
#[derive(Debug, Clone)]
pub struct Reporter {
    effects: Arc<Capabilities>,
    upstream: Scrubber,
}

impl Reporter {
    /// Take progress of the server, which is untrusted, and release it to the listener if policy permits.
    pub async fn report(&self, progress: f64, total: Option<f64>, message: &str) {
        self.upstream.prepare().await;
        let report = ProgressReport {
            progress,
            total,
            message: self.upstream.text(message),
        };
        if let Some(report) = self.effects.take_report(report) {
            self.effects.release_report(report).await;
        }
    }
}

impl Stop {
    /// Waits for an interruption of the call.
    pub async fn wait(&mut self) -> CallInterruption {
        tokio::select! {
            biased;
            () = truth(Some(&mut self.halted)) => CallInterruption::Halted,
            () = truth(self.cancelled.as_mut()) => CallInterruption::Cancelled,
            () = self.timer.expired(Duration::ZERO) => CallInterruption::Timeout,
        }
    }
}

/// Waits until it is true; without end if its sender is gone.
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
    /// Executes the permitted call.
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
            timer: CallTimer::new(limits.wall),
        };
        let (feature, own_name) = {
            let tool = permitted.act().tool();
            (tool.feature, tool.own_name.clone())
        };
        let target = self.target(permitted.act());
        let upstream = self.of_user(capabilities.on_behalf_of());
        let session = tokio::select! {
            biased;
            stopped = stop.wait() => return self.not_begun(stopped),
            ready = self.ready(&*upstream, feature, &own_name) => match ready {
                Ok(session) => session,
                Err(refused) => return refused,
            },
        };
        let timer = stop.timer.clone();
        // No policy has seen it, so only what the operator names leaves.
        meta.retain(|key, _| self.meta.contains(key));
        // The caller's own trace continues in the gate's spans.
        let traceparent = capabilities.traceparent(permitted.span());
        meta.insert("traceparent".into(), traceparent.into());
        let scrubber = self.scrubber(&*upstream);
        let (end, ended) = watch::channel(false);
        let elicitor = self.carried.elicitation.then(|| {
            let effects = Arc::clone(&capabilities);
            Elicitor::new(effects, scrubber.clone(), timer.clone(), ended)
        });
        let terms = CallParams {
            reports: Reporter {
                effects: capabilities,
                upstream: scrubber.clone(),
            },
            elicitor: elicitor.map(Arc::new),
            stop,
            meta,
            target,
        };
        let ending = tokio::select! {
            biased;
            ending = session.call(permitted, terms) => ending,
            () = timer.expired(GRACE) => CallResult::Stopped(CallInterruption::Timeout),
        };
        // What is still asked is over, and recorded as such before the call's outcome.
        end.send_replace(true);
        let _ = tokio::time::timeout(GRACE, timer.running()).await;
        scrubber.prepare().await;
        self.execution(scrubber.call_result(ending), limits.output)
    }

    /// Removes the secrets that the server was sent from its output.
    fn scrubber(&self, upstream: &dyn Upstream) -> Scrubber {
        let secrets = upstream.secrets().unwrap_or(&self.secrets);
        Scrubber::new(&self.sent, secrets)
    }

    /// A session whose server still offers the tool as it was accepted.
    async fn ready(
        &self,
        upstream: &dyn Upstream,
        feature: Feature,
        own_name: &str,
    ) -> Result<Arc<dyn Session>, Execution> {
        let unreachable = |unreachable: ConnectError| self.not_sent(&unreachable.why);
        let session = upstream.session().await.map_err(unreachable)?;
        let offer = session.offer(false).await.map_err(unreachable)?;
        self.compare(feature, own_name, &offer).map_err(|problem| {
            Execution::failed(FailureKind::Denied, format!("Not called: {problem}."), 0)
        })?;
        Ok(session)
    }

    /// Requires that the server still offers the tool as it was accepted; it is asked if it was not yet. If it cannot be
    /// reached, nothing is known against the tool, and the call itself will say so.
    ///
    /// # Errors
    /// What is wrong, as a text for the agent and the operator.
    pub(crate) async fn check_offer(&self, tool: &Tool, user: &Uid) -> Result<(), String> {
        // A login that turns out to be over is said by the call itself, once.
        if self.upstream.logins().is_some() {
            return self.check_last_offer(tool.feature, &tool.own_name, user);
        }
        let upstream = self.of_user(user);
        let asked = async { upstream.session().await?.offer(false).await };
        match tokio::time::timeout(tool.limits.wall.min(READY), asked).await {
            Ok(Ok(offer)) => self.compare(tool.feature, &tool.own_name, &offer),
            Ok(Err(_)) | Err(_) => Ok(()),
        }
    }

    /// The server's current offer, as this user is offered it.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub(crate) async fn offer(
        &self,
        user: Option<&Uid>,
    ) -> Result<Arc<super::Offer>, ConnectError> {
        let upstream = match user {
            Some(user) => self.of_user(user),
            None => Arc::clone(&self.upstream),
        };
        let asked = async {
            let session = upstream.session().await?;
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

    fn not_begun(&self, stopped: CallInterruption) -> Execution {
        match stopped {
            CallInterruption::Halted => Execution::halted(),
            CallInterruption::Cancelled => self.not_sent("the call was cancelled before"),
            CallInterruption::Timeout => self.not_sent("it was not ready in time"),
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
                    -32602 | RESOURCE_NOT_FOUND => FailureKind::InvalidArguments,
                    -32601 => FailureKind::UnknownTool,
                    _ => FailureKind::Failed,
                };
                Execution::failed(kind, printable(&message, MAX_WORDS), 1)
            }
            CallResult::Unusable(problem) => {
                let message = format!("The tool's result is not usable: {problem}.");
                Execution::unusable(message, 1)
            }
            CallResult::NotSent(why) => self.not_sent(&why),
            CallResult::NotTaken(why) => {
                let name = &self.name;
                let message = format!(
                    "The upstream server `{name}` did not take the call: {why}. Nothing was done."
                );
                Execution::failed(FailureKind::Failed, message, 0)
            }
            CallResult::Lost(cause) => Execution::ended(Status::Indeterminate, 1, Some(cause)),
            CallResult::Stopped(CallInterruption::Halted) => {
                Execution::ended(Status::Halted, 1, None)
            }
            CallResult::Stopped(stopped) => {
                let cause = match stopped {
                    CallInterruption::Cancelled => "the caller cancelled it",
                    _ => "its time was up",
                };
                Execution::ended(Status::Indeterminate, 1, Some(cause.into()))
            }
        }
    }
}
