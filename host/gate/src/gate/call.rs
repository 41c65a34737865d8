//! Calls of agents and users: each runs in a task of the gate, so it continues even if its caller goes
//! away.

use std::time::Duration;

use tollgate_model::{entity::Kind, ids::RunId};

use super::Gate;
use crate::{
    capability::Listener,
    enforce::{Answer, CallOptions, CallRequest, Refusal, UserRequest, Verdict},
    identity::{Caller, Identity, RunKey},
    pipeline::{IncomingCall, Pipeline, arrive, parse_call},
};

/// Counts a call as in flight until it is dropped.
pub(super) struct InFlightToken(Gate);

impl Drop for InFlightToken {
    fn drop(&mut self) {
        let count = &self.0.0.in_flight;
        count.send_modify(|n| *n = n.saturating_sub(1));
    }
}

impl Gate {
    /// Make a call.
    pub async fn call(&self, caller: &Caller, run: &RunKey, request: CallRequest) -> Answer {
        let options = CallOptions::default();
        self.call_with_options(caller, run, request, options).await
    }

    /// Like [`Gate::call`]; `listener` receives the tool's progress, as far as policy releases it.
    pub async fn call_with_progress(
        &self,
        caller: &Caller,
        run: &RunKey,
        request: CallRequest,
        listener: Option<Listener>,
    ) -> Answer {
        let options = CallOptions {
            listener,
            ..CallOptions::default()
        };
        self.call_with_options(caller, run, request, options).await
    }

    /// Adds what the user asks for in a run, which begins with it if there is none. Returns the run, or `None`
    /// if the agent's configuration does not trust the request's channel, and nothing was added.
    ///
    /// # Errors
    /// [`Refusal`] if the caller is not configured, the run has ended, or it cannot be recorded.
    pub async fn tell_request(
        &self,
        caller: &Caller,
        run: &RunKey,
        mut options: CallOptions,
        request: UserRequest,
    ) -> Result<Option<RunId>, Refusal> {
        let ruleset = self.ruleset();
        let identity = Identity::of(&ruleset.config, caller)?;
        let agent = match identity.principal.kind {
            Kind::Agent => ruleset.config.agents.get(&identity.principal.id),
            _ => None,
        };
        if !agent.is_some_and(|agent| agent.request_from.contains(&request.channel)) {
            return Ok(None);
        }
        options.user_requests = vec![request];
        let span = self.pep().span_id();
        let arrived = arrive(self.pep(), &ruleset, caller, run, &mut options, span).await?;
        Ok(Some(arrived.run))
    }

    /// Like [`Gate::call`], with additional data from the caller's protocol.
    pub async fn call_with_options(
        &self,
        caller: &Caller,
        run: &RunKey,
        request: CallRequest,
        options: CallOptions,
    ) -> Answer {
        let span = self.pep().span_id();
        let token = self.track_call();
        let tool = self.logged_name(&request.tool);
        let pipeline = self.pipeline();
        let incoming = IncomingCall {
            caller: caller.clone(),
            run: run.clone(),
            request,
            options,
            span,
        };
        let task = tokio::spawn(async move {
            let answer = pipeline.run(incoming).await;
            drop(token);
            answer
        });
        // The task panicked, so it is not known how far it came.
        let answer = task.await.unwrap_or_else(|_| Answer::unknown(None, span));
        if let Some(tool) = tool {
            answer.log(&tool);
        }
        answer
    }

    /// The pipeline of a call that arrives now.
    pub(crate) fn pipeline(&self) -> Pipeline {
        Pipeline {
            pep: self.pep().clone(),
            sandbox: self.0.sandbox.clone(),
            halts: self.0.halts.clone(),
            snapshot: self.snapshot(),
        }
    }

    /// The run in which exactly this call of the caller waits for an approval, or may continue: for a
    /// client that returns in another session.
    #[must_use]
    pub fn run_awaiting_approval(&self, caller: &Caller, request: &CallRequest) -> Option<RunId> {
        if !self.ledger().has_asked() {
            return None;
        }
        let ruleset = self.ruleset();
        // Errors of the call are reported when it is made.
        let call = parse_call(self.pep(), &ruleset, request).ok()?;
        let found = self.pep().run_awaiting_approval(&ruleset, caller, &call);
        found.ok()?
    }

    /// Makes a call in an earlier run of the caller, `run`, from the run that `here` names. Each run takes
    /// on the other's labels, because the caller gets content of both.
    ///
    /// Progress is not reported: it would be content before its labels have joined `here`.
    pub async fn resume_with(
        &self,
        caller: &Caller,
        here: &RunKey,
        run: RunId,
        request: CallRequest,
        options: CallOptions,
    ) -> Answer {
        let options = CallOptions {
            listener: None,
            ..options
        };
        let span = self.pep().span_id();
        let ruleset = self.ruleset();
        let tenant = &ruleset.config.gate.tenant;
        let here = match self.pep().known_run(&ruleset, caller, here) {
            Ok(here) => here.filter(|here| *here != run),
            Err(refusal) => return Answer::refused(None, span, refusal),
        };
        if let Some(here) = here
            && let Err(refusal) = self.pep().share_labels(tenant, here, run).await
        {
            return Answer::refused(Some(run), span, refusal);
        }
        let answer = self
            .call_with_options(caller, &RunKey::Id(run), request, options)
            .await;
        if let Some(here) = here
            && self.pep().share_labels(tenant, run, here).await.is_err()
        {
            // It ran, and its result must not reach a run without its labels.
            return Answer {
                verdict: Verdict::unknown(),
                ..answer
            };
        }
        answer
    }

    /// The tool's name for the process's log, if calls are logged. A name that is not configured could
    /// contain anything.
    fn logged_name(&self, tool: &str) -> Option<String> {
        if !tracing::enabled!(target: "tollgate::call", tracing::Level::INFO) {
            return None;
        }
        let ruleset = self.ruleset();
        let known = ruleset.callable(tool).map(|tool| tool.name.clone());
        Some(known.unwrap_or_else(|| "(unknown)".into()))
    }

    /// Counts one more call in flight.
    pub(super) fn track_call(&self) -> InFlightToken {
        self.0.in_flight.send_modify(|n| *n = n.saturating_add(1));
        InFlightToken(self.clone())
    }

    /// How many calls are in flight.
    #[must_use]
    pub fn in_flight_calls(&self) -> usize {
        *self.0.in_flight.borrow()
    }

    /// Waits until no call is in flight, or `timeout` has passed.
    pub async fn wait_until_idle(&self, timeout: Duration) {
        let mut count = self.0.in_flight.subscribe();
        let idle = count.wait_for(|n| *n == 0);
        drop(tokio::time::timeout(timeout, idle).await);
    }
}
