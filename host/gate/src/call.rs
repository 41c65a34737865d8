//! One call, one straight line: arrive, know, decide, record, execute, record, release.
//!
//! Before the start is recorded every error path denies. After it, the answer is the outcome, or that
//! the outcome is unknown. Whoever knows this file knows the system.

use std::{collections::BTreeSet, pin::Pin, sync::Arc, time::Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::watch;
use tollgate_model::{
    canonical,
    decision::{Basis, Decision},
    entity::{Kind, Uid},
    ids::{DecisionId, RunId, SpanId},
    record::{Arrival, CallInvalid, Event, Origin, OutcomeRecord, Record, Release, Status},
    request::{Action, ActionContext, Request},
};
use tollgate_policy::policy;

use crate::{
    capture::Captured,
    config::PRIVATE,
    enforce::{
        Admission, Admitted, CallContext, Capabilities, Line, Listener, MAX_DEPTH, Pep, Refusal,
        Remainder, Terms, ToolCall,
    },
    gate::Gate,
    pip::{Caller, RunKey},
    provider::Provider,
    sandbox::{Content, Execution, ToolFailure},
    snapshot::{Snapshot, Tool},
    text::printable,
};
use tollgate_ledger::{Batch, CommitError, Condition, Payload};

/// Keys of `_meta` that carry the caller's trace, and nothing of the call.
const TRACE_CONTEXT: &[&str] = &["tracestate", "baggage"];

/// A call as it arrives: nothing of it is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRequest {
    /// The tool's name.
    pub tool: String,
    /// The arguments: a JSON object as text.
    pub arguments: String,
}

/// What a caller's protocol may have for a call, besides the call. None of it has a part in the decision.
#[derive(Debug, Clone, Default)]
pub struct CallOptions {
    /// Where the call hangs in the caller's own trace.
    pub origin: Origin,
    /// How it reached the gate.
    pub arrival: Arrival,
    /// Hears how far the tool says that it has come, as far as policy releases that.
    pub listener: Option<Listener>,
    /// Becomes true when the caller no longer wants an answer. An upstream server is told so; what it has
    /// done by then is not known.
    pub cancelled: Option<watch::Receiver<bool>>,
    /// MCP's `_meta` of the request, for an upstream server; without `progressToken` and what else belongs
    /// to the caller's own connection. Of a call that has waited for a person's approval only the trace
    /// context goes along, because nobody was shown the rest.
    pub meta: Map<String, Value>,
}

/// What the caller gets.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The run; absent if the caller is not known.
    pub run: Option<RunId>,
    /// The call's span.
    pub call: SpanId,
    /// The decision about the call; absent if it was not decided.
    pub decision: Option<DecisionId>,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It ran, and this is its result.
    Released {
        /// Without what policy redacts.
        content: Vec<Content>,
        /// Whether policy redacted anything.
        redacted: bool,
    },
    /// It ran, and the tool says that it failed.
    ToolError(ToolFailure),
    /// It ran, and policy keeps its result from the caller.
    Withheld {
        /// The decision about the result.
        decision: DecisionId,
        /// What it rests on.
        basis: Basis,
    },
    /// It did not run, or it waits for a human in the middle.
    Refused(Refusal),
    /// It ran and was ended, or its outcome is not known.
    Ended {
        /// How.
        status: Status,
        /// Whether an effect may have happened.
        effects: bool,
    },
}

impl Gate {
    /// Make a call. The line runs in a task that the gate owns: a caller that goes away does not stop
    /// it halfway.
    pub async fn call(&self, caller: &Caller, run: &RunKey, request: CallRequest) -> Answer {
        self.call_with(caller, run, request, CallOptions::default())
            .await
    }

    /// As [`Gate::call`]; `listener` hears how far the tool says that it has come, as far as policy
    /// releases that.
    pub async fn call_heard(
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
        self.call_with(caller, run, request, options).await
    }

    /// As [`Gate::call`], with what else the caller's protocol has for a call.
    pub async fn call_with(
        &self,
        caller: &Caller,
        run: &RunKey,
        request: CallRequest,
        options: CallOptions,
    ) -> Answer {
        let span = self.pep().span_id();
        let underway = self.another_line();
        let (gate, caller, run) = (self.clone(), caller.clone(), run.clone());
        let tool = self.logged(&request.tool);
        let line = tokio::spawn(async move {
            let answer = gate.line(caller, run, request, options, span).await;
            drop(underway);
            answer
        });
        let answer = line.await.unwrap_or_else(|_| Answer::lost(span));
        if let Some(tool) = tool {
            answer.log(&tool);
        }
        answer
    }

    /// The run in which exactly this call of the caller's waits for a person, or may go on: for a
    /// client that comes back in another session.
    #[must_use]
    pub fn waits_in(&self, caller: &Caller, request: &CallRequest) -> Option<RunId> {
        if !self.ledger().has_asked() {
            return None;
        }
        let snapshot = self.snapshot();
        // What is wrong with the call is told when it is made.
        let call = parse(self.pep(), &snapshot, request, false).ok()?;
        self.pep().waits_in(&snapshot, caller, &call).ok()?
    }

    /// Make a call in an earlier run of the caller's, `run`, from the one that `here` names: each takes
    /// on the other's labels, since content of both meets in the caller.
    ///
    /// Nobody hears how far it comes: that would be content before its labels have joined `here`.
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
        let snapshot = self.snapshot();
        let tenant = &snapshot.config.gate.tenant;
        let here = match self.pep().known_run(&snapshot, caller, here) {
            Ok(here) => here.filter(|here| *here != run),
            Err(refusal) => return Answer::refused(None, span, refusal),
        };
        if let Some(here) = here
            && let Err(refusal) = self.pep().share_labels(tenant, here, run).await
        {
            return Answer::refused(Some(run), span, refusal);
        }
        let answer = self
            .call_with(caller, &RunKey::Id(run), request, options)
            .await;
        if let Some(here) = here
            && self.pep().share_labels(tenant, run, here).await.is_err()
        {
            // It ran, and what it returns must not reach a run that does not know what it is.
            return Answer {
                verdict: Verdict::Ended {
                    status: Status::Indeterminate,
                    effects: true,
                },
                ..answer
            };
        }
        answer
    }

    /// What the process's log calls a tool, if calls are logged: a name that nobody configured could hold
    /// anything.
    fn logged(&self, tool: &str) -> Option<String> {
        if !tracing::enabled!(target: "tollgate::call", tracing::Level::INFO) {
            return None;
        }
        let snapshot = self.snapshot();
        let known = snapshot.tools.get(tool).map(|tool| tool.name.clone());
        Some(known.unwrap_or_else(|| "(unknown)".into()))
    }

    async fn line(
        &self,
        caller: Caller,
        run: RunKey,
        request: CallRequest,
        mut options: CallOptions,
        span: SpanId,
    ) -> Answer {
        // Arrive: whose call, in which run?
        let snapshot = self.snapshot();
        let origin = &options.origin;
        match self
            .pep()
            .arrive(&snapshot, &caller, &run, origin, span)
            .await
        {
            Ok(mut cx) => {
                cx.arrival = std::mem::take(&mut options.arrival);
                if options.origin.trace != Some(cx.run) {
                    // It belongs to a trace that does not go on here (W3C Trace Context, section 3.3).
                    options.meta.remove("tracestate");
                }
                self.carry_out(cx, request, Terms::of(options)).await
            }
            Err(refusal) => Answer::refused(None, span, refusal),
        }
    }

    /// The line of a call whose caller is known: an agent's own, or one that a component makes.
    async fn carry_out(&self, mut cx: CallContext, request: CallRequest, terms: Terms) -> Answer {
        let pep = self.pep();
        let (admission, tool) = match self.enter(&mut cx, &request, false).await {
            Ok(entered) => entered,
            Err(answer) => return answer,
        };
        let (permitted, decision) = (admission.permitted, admission.decision);

        // Execute: whoever does takes nothing but the permit.
        let invoke = permitted.span();
        let capabilities = Arc::new(Capabilities::new(
            pep.clone(),
            cx.clone(),
            Arc::clone(&tool),
            invoke,
            terms.listener.clone(),
            Arc::new(self.clone()),
        ));
        let running = self.running(&cx, &tool);
        let limits = terms.limits(&tool.limits);
        let (heard, halted) = (Arc::clone(&capabilities), running.halted());
        let execution = match &tool.provider {
            Provider::Component(component) => {
                let sandbox = self.sandbox();
                sandbox
                    .run(component, permitted, heard, &limits, halted)
                    .await
            }
            Provider::Upstream(upstream) => {
                let (cancelled, mut meta) = (terms.cancelled.clone(), terms.meta.clone());
                if admission.underway.is_some() {
                    // Whoever let it run was shown the tool and its arguments, and nothing else.
                    meta.retain(|key, _| TRACE_CONTEXT.contains(&key.as_str()));
                }
                upstream
                    .call(permitted, heard, &limits, halted, cancelled, meta)
                    .await
            }
            // Refused before anything was decided; and here nothing could execute it.
            Provider::External(_) => Execution::nothing(),
        };
        terms.spend(&execution);
        capabilities.settle().await;
        drop(running);

        // Record, then release: the result is decided too.
        let verdict = pep
            .close(&cx, &tool, invoke, execution, &capabilities)
            .await;
        let answer = Answer {
            run: Some(cx.run),
            call: cx.call,
            decision: Some(decision),
            verdict,
        };
        if let Some(underway) = admission.underway {
            underway.finish(&answer);
        }
        answer
    }
}

impl Gate {
    /// From arriving to being recorded: the permit of a call that may run, or the answer of one that may
    /// not. `external` says that whoever calls executes it, too.
    pub(crate) async fn enter(
        &self,
        cx: &mut CallContext,
        request: &CallRequest,
        external: bool,
    ) -> Result<(Admission, Arc<Tool>), Answer> {
        let snapshot = Arc::clone(&cx.snapshot);
        let pep = self.pep();

        // Arrive: is there such a tool, and do the arguments match its schema?
        let parsed = parse(pep, &snapshot, request, external).and_then(|call| nests(cx, call));
        let call = match parsed {
            Ok(call) => call,
            Err(invalid) => return Err(pep.refuse_invalid(cx, &request.tool, *invalid).await),
        };
        let tool = Arc::clone(call.tool());

        // Know, decide, record: only a recorded allow comes back.
        match pep.admit(cx, call).await {
            Ok(Admitted::Starts(admission)) => Ok((*admission, tool)),
            Ok(Admitted::Joins(other)) => Err(other.answer().await.unwrap_or(Answer {
                run: Some(cx.run),
                call: cx.call,
                decision: None,
                verdict: Verdict::Ended {
                    status: Status::Indeterminate,
                    effects: true,
                },
            })),
            Err(halted @ Refusal::Halted { .. }) => {
                let halted = Invalid {
                    refusal: halted,
                    problem: "halted",
                    pointers: Vec::new(),
                };
                Err(pep.refuse_invalid(cx, &request.tool, halted).await)
            }
            Err(refusal) => Err(Answer::refused(Some(cx.run), cx.call, refusal)),
        }
    }
}

impl Line for Gate {
    fn carry_out(
        &self,
        cx: CallContext,
        request: CallRequest,
        terms: Terms,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send + '_>> {
        Box::pin(self.carry_out(cx, request, terms))
    }
}

/// What is wrong with a call, before any policy.
struct Invalid {
    refusal: Refusal,
    problem: &'static str,
    pointers: Vec<String>,
}

/// The call, if its tool exists and its arguments match the tool's schema.
fn parse(
    pep: &Pep,
    snapshot: &Arc<Snapshot>,
    request: &CallRequest,
    external: bool,
) -> Result<ToolCall, Box<Invalid>> {
    let Some(tool) = snapshot.tools.get(&request.tool) else {
        let names = snapshot.tools.keys().map(String::as_str);
        return Err(Box::new(Invalid {
            refusal: Refusal::Invalid {
                problem: format!("there is no tool `{}`", printable(&request.tool, 80)),
                nearest: policy::nearest(&request.tool, names).map(str::to_owned),
            },
            problem: "unknown_tool",
            pointers: Vec::new(),
        }));
    };
    let invalid = |problem: String, pointers: Vec<String>| Invalid {
        refusal: Refusal::Invalid {
            problem,
            nearest: None,
        },
        problem: "invalid_arguments",
        pointers,
    };
    let executed_elsewhere = matches!(tool.provider, Provider::External(_));
    if executed_elsewhere != external {
        let problem = if executed_elsewhere {
            "whoever calls this tool executes it, so it is authorized and not called"
        } else {
            "the gate executes this tool, so it is called and not authorized"
        };
        return Err(Box::new(Invalid {
            problem: "other_execution",
            ..invalid(problem.into(), Vec::new())
        }));
    }
    if let Provider::Upstream(upstream) = &tool.provider
        && let Err(problem) = upstream.standing(&tool.own_name)
    {
        return Err(Box::new(Invalid {
            problem: "definition_changed",
            ..invalid(problem, Vec::new())
        }));
    }
    let mut arguments = canonical::parse(&request.arguments)
        .map_err(|e| invalid(format!("the arguments are refused: {e}"), Vec::new()))?;
    if let Some(input) = snapshot.pdp.tool(&tool.name) {
        input.apply_defaults(&mut arguments);
    }
    let mut problems = Vec::new();
    let mut pointers = Vec::new();
    for error in tool.validator.iter_errors(&arguments).take(8) {
        let pointer = error.instance_path().to_string();
        let pointer = if pointer.is_empty() {
            "/".to_owned()
        } else {
            printable(&pointer, 200)
        };
        problems.push(format!(
            "`{pointer}`: {}",
            printable(&error.masked().to_string(), 300)
        ));
        pointers.push(pointer);
    }
    if !problems.is_empty() {
        return Err(Box::new(invalid(
            format!(
                "the arguments do not match the tool's schema: {}",
                problems.join("; ")
            ),
            pointers,
        )));
    }
    let bytes = canonical::to_canonical(&arguments)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| invalid("the arguments have no canonical form".into(), Vec::new()))?;
    let digest = pep
        .call_digest(snapshot, &tool.name, &bytes)
        .map_err(|refusal| Invalid {
            refusal,
            problem: "unrecorded",
            pointers: Vec::new(),
        })?;
    Ok(ToolCall::new(Arc::clone(tool), arguments, bytes, digest))
}

/// The call, if it nests neither too deep nor in a circle.
fn nests(cx: &CallContext, call: ToolCall) -> Result<ToolCall, Box<Invalid>> {
    let component = call.tool().provider.name();
    let circle = cx.within.iter().any(|above| above.component == *component);
    let problem = if circle {
        format!("the component `{component}` is on the way already, and calls do not go in circles")
    } else if cx.within.len() > MAX_DEPTH {
        format!("calls nest at most {MAX_DEPTH} deep")
    } else {
        return Ok(call);
    };
    Err(Box::new(Invalid {
        refusal: Refusal::Invalid {
            problem,
            nearest: None,
        },
        problem: "nesting",
        pointers: Vec::new(),
    }))
}

impl Pep {
    async fn refuse_invalid(&self, cx: &CallContext, tool: &str, invalid: Invalid) -> Answer {
        let arrival = cx.arrival.clone();
        let event = Event::CallInvalid(CallInvalid {
            arrival: Some(arrival)
                .filter(|_| cx.within.is_empty())
                .unwrap_or_default(),
            call: cx.call,
            caller_span: cx.caller.filter(|_| cx.within.is_empty()),
            parent: cx.within.last().map(|call| call.span),
            pointers: invalid.pointers,
            principal: cx.principal.clone(),
            problem: invalid.problem.into(),
            tool: printable(tool, 80),
        });
        let record = self.record(cx, self.now(), event);
        let refusal = match self
            .commit(Batch {
                records: vec![record],
                ..Batch::default()
            })
            .await
        {
            Ok(_) => invalid.refusal,
            Err(error) => error.into(),
        };
        Answer::refused(Some(cx.run), cx.call, refusal)
    }

    /// Decide whether the result is released, and record that with the outcome, in one commit. If the run
    /// takes on other labels meanwhile, that is decided again.
    pub(crate) async fn close(
        &self,
        cx: &CallContext,
        tool: &Tool,
        span: SpanId,
        execution: Execution,
        capabilities: &Capabilities,
    ) -> Verdict {
        let remainder = capabilities.finish();
        let mut labels: BTreeSet<String> = tool.labels.union(&tool.taints).cloned().collect();
        labels.extend(remainder.labels.iter().cloned());
        let status = match (&remainder.pending, execution.status) {
            // What it made of not being allowed yet is of no interest: it runs again.
            (Some(_), status) if status != Status::Halted => Status::Pending,
            (_, status) => status,
        };
        let content = content_bytes(&execution);
        let captured = self.capture_result(cx, tool, &execution, &labels);
        let tenant = &cx.snapshot.config.gate.tenant;
        let outcome = OutcomeRecord {
            call: cx.call,
            capture: content.as_ref().map(|_| captured.kept),
            effects: remainder.effects + execution.effects,
            fuel: execution.fuel,
            labels,
            peak_memory: execution.peak_memory,
            redacted: 0,
            release: None,
            result: content.and_then(|bytes| self.ledger.digest(tenant, &[&bytes]).ok()),
            size: execution.size,
            span,
            status,
        };
        let ended = Verdict::Ended {
            status: Status::Indeterminate,
            effects: true,
        };
        loop {
            let closing = self.closing(cx, tool, &execution, &remainder, &outcome);
            let (mut batch, release, verdict) = closing.unwrap_or_else(|_| {
                // It cannot be decided, so nothing is released; that it ran is recorded all the same.
                let batch = Batch {
                    records: remainder.records.clone(),
                    payloads: remainder.payloads.clone(),
                    ..Batch::default()
                };
                (batch, None, ended.clone())
            });
            let status = match &verdict {
                Verdict::Ended { status, .. } => *status,
                _ => outcome.status,
            };
            batch.payloads.extend(captured.payload.clone());
            let outcome = Event::Outcome(OutcomeRecord {
                release,
                status,
                ..outcome.clone()
            });
            batch.records.push(self.record(cx, self.now(), outcome));
            return match self.commit(batch).await {
                Ok(receipt) => match verdict {
                    Verdict::Withheld { basis, .. } => Verdict::Withheld {
                        decision: DecisionId(receipt.first + remainder.records.len() as u64),
                        basis,
                    },
                    verdict => verdict,
                },
                // Labels are few and never go, so this ends.
                Err(CommitError::RunChanged) => continue,
                // It ran, and what became of it is recorded nowhere.
                Err(_) => ended,
            };
        }
    }

    /// What is recorded with the outcome of a call, whether its content is released, and what the caller
    /// gets.
    fn closing(
        &self,
        cx: &CallContext,
        tool: &Tool,
        execution: &Execution,
        remainder: &Remainder,
        outcome: &OutcomeRecord,
    ) -> Result<(Batch, Option<Release>, Verdict), Refusal> {
        let mut batch = Batch {
            records: remainder.records.clone(),
            payloads: remainder.payloads.clone(),
            ..Batch::default()
        };
        let judged = |error, size| self.judge_result(cx, tool, error, size, &outcome.labels);
        let mut add = |judged: JudgedResult| {
            batch.records.push(judged.record);
            batch.payloads.push(judged.payload);
            batch.conditions.push(judged.condition);
            judged.decision
        };
        let (release, verdict) = match (outcome.status, &remainder.pending) {
            (Status::Ok | Status::ToolError, _) => {
                let error = outcome.status != Status::Ok;
                let decision = add(judged(error, execution.size)?);
                let (what, then) = released(decision, whole(execution));
                (Some(what), then)
            }
            (Status::Pending, Some(pending)) => {
                // What it has done is told in words that are partly its own: content, like a result.
                let happened = pending.happened().iter();
                let size = happened.map(|what| what.len() as u64).sum();
                let refusal = match add(judged(false, size)?) {
                    Decision::Allow(_) => pending.clone(),
                    _ => pending.clone().in_general_terms(),
                };
                (None, Verdict::Refused(refusal))
            }
            (status, _) => {
                let effects = outcome.effects > 0;
                (None, Verdict::Ended { status, effects })
            }
        };
        Ok((batch, release, verdict))
    }

    /// What is kept of what a tool returned.
    fn capture_result(
        &self,
        cx: &CallContext,
        tool: &Tool,
        execution: &Execution,
        labels: &BTreeSet<String>,
    ) -> Captured {
        let capturing = self.capturing(cx);
        let private = labels.contains(PRIVATE);
        match &execution.content {
            Ok(content) => capturing.result(&tool.name, content, private),
            Err(failure) => {
                let text = failure.message.clone();
                capturing.result(&tool.name, &[Content::Text { text }], private)
            }
        }
    }

    /// Decide whether content of a tool is released, once its labels have joined the run.
    pub(crate) fn judge_result(
        &self,
        cx: &CallContext,
        tool: &Tool,
        error: bool,
        size: u64,
        labels: &BTreeSet<String>,
    ) -> Result<JudgedResult, Refusal> {
        let begun = Instant::now();
        let now = self.now();
        // The run's facts as they are once this content has reached it.
        let mut run = Self::run_facts(cx, &self.run_state(cx.run, None)?, None, false, now);
        run.labels.extend(labels.iter().cloned());
        let facts = Self::facts(&cx.snapshot.config, now, run, Vec::new());
        let request = Request {
            principal: cx.principal.clone(),
            action: Action::ReturnResult,
            resource: Uid::new(Kind::Tool, &tool.name),
            context: ActionContext::Result {
                on_behalf_of: cx.on_behalf_of.clone(),
                error,
                size,
            },
        };
        // Nobody is asked to approve a result: what would need it is withheld.
        let decision = match cx.snapshot.pdp.decide(&request, &facts) {
            Decision::Escalate(basis, _) => Decision::Deny(basis),
            decision => decision,
        };
        let (draft, payload) = self.decision_record(
            &cx.snapshot,
            &request,
            &facts,
            &decision,
            self.span_id(),
            begun,
        )?;
        Ok(JudgedResult {
            decision,
            record: self.record(cx, now, draft.for_result(cx).into()),
            payload,
            condition: Condition::RunLabels(cx.run, facts.run.labels),
        })
    }
}

/// A decision whether content is released, to be recorded.
pub(crate) struct JudgedResult {
    pub(crate) decision: Decision,
    pub(crate) record: Record,
    pub(crate) payload: Payload,
    /// That the run holds no labels that the decision has not seen.
    pub(crate) condition: Condition,
}

/// The content, with a word about what is missing from it.
fn whole(execution: &Execution) -> Result<Vec<Content>, ToolFailure> {
    let mut content = execution.content.clone()?;
    if execution.cut {
        let text = format!(
            "[cut: the tool returned {} bytes; ask it for less]",
            execution.size
        );
        content.push(Content::Text { text });
    }
    Ok(content)
}

/// What the decision about a result makes of it.
fn released(decision: Decision, content: Result<Vec<Content>, ToolFailure>) -> (Release, Verdict) {
    let basis = decision.basis().clone();
    match (decision, content) {
        (Decision::Allow(_), Ok(content)) => (
            Release::Released,
            Verdict::Released {
                content,
                redacted: false,
            },
        ),
        (Decision::Allow(_), Err(failure)) => (Release::Released, Verdict::ToolError(failure)),
        (Decision::Deny(basis), Ok(content)) if !basis.redact.is_empty() => (
            Release::Redacted,
            Verdict::Released {
                content: redact(content, &basis.redact),
                redacted: true,
            },
        ),
        _ => (
            Release::Withheld,
            Verdict::Withheld {
                decision: DecisionId(0),
                basis,
            },
        ),
    }
}

/// Structured content without the values at `pointers`, and its text again. Other content could repeat
/// what was redacted, so it is left out.
fn redact(content: Vec<Content>, pointers: &BTreeSet<String>) -> Vec<Content> {
    let mut kept = Vec::new();
    for item in content {
        if let Content::Structured(mut value) = item {
            for pointer in pointers {
                if let Some(place) = value.pointer_mut(pointer) {
                    *place = Value::String("[redacted]".into());
                }
            }
            let text = canonical::to_canonical(&value)
                .ok()
                .and_then(|b| String::from_utf8(b).ok());
            kept.extend(text.map(|text| Content::Text { text }));
            kept.push(Content::Structured(value));
        }
    }
    kept
}

fn content_bytes(execution: &Execution) -> Option<Vec<u8>> {
    match &execution.content {
        Ok(content) => serde_json::to_vec(content).ok(),
        Err(failure) => Some(failure.message.clone().into_bytes()),
    }
}

impl Answer {
    /// A line of the process's log: where it happened and how it ended, and no word of what it was about.
    fn log(&self, tool: &str) {
        let outcome = match &self.verdict {
            Verdict::Released { .. } => "ok",
            Verdict::ToolError(_) => "tool_error",
            Verdict::Withheld { .. } => "withheld",
            Verdict::Refused(Refusal::Pending { .. }) => "waiting",
            Verdict::Refused(Refusal::Invalid { .. }) => "invalid",
            Verdict::Refused(Refusal::Unrecorded { .. }) => "unrecorded",
            Verdict::Refused(_) => "denied",
            Verdict::Ended { status, .. } => status.as_str(),
        };
        let shown = |id: Option<String>| id.unwrap_or_default();
        tracing::info!(
            target: "tollgate::call",
            trace_id = shown(self.run.map(|run| run.to_string())),
            span_id = %self.call,
            decision = shown(self.decision.map(|decision| decision.to_string())),
            tool,
            outcome,
            "call ended"
        );
    }

    /// The line ended without an answer, so nobody knows how far it came.
    pub(crate) fn lost(call: SpanId) -> Self {
        Self {
            run: None,
            call,
            decision: None,
            verdict: Verdict::Ended {
                status: Status::Indeterminate,
                effects: true,
            },
        }
    }

    pub(crate) fn refused(run: Option<RunId>, call: SpanId, refusal: Refusal) -> Self {
        let decision = match &refusal {
            Refusal::Denied { decision, .. }
            | Refusal::Undecidable { decision, .. }
            | Refusal::Pending { decision, .. }
            | Refusal::TooManyPending { decision, .. } => Some(*decision),
            _ => None,
        };
        Self {
            run,
            call,
            decision,
            verdict: Verdict::Refused(refusal),
        }
    }

    /// What the caller may read: safe, useful, and never how to lift a denial. `None` for a result that
    /// speaks for itself.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        match &self.verdict {
            Verdict::Released { .. } => None,
            Verdict::ToolError(failure) => Some(failure.message.clone()),
            Verdict::Withheld { decision, basis } => Some(format!(
                "The tool ran, but its result is withheld: {} Do not retry. ({}decision {decision})",
                basis.reason(),
                policies(basis),
            )),
            Verdict::Refused(refusal) => Some(refusal.message()),
            Verdict::Ended { status, effects } => Some(ended(*status, *effects)),
        }
    }
}

fn policies(basis: &Basis) -> String {
    let ids: Vec<&str> = basis.ids().collect();
    match ids.len() {
        0 => String::new(),
        1 => format!("policy {}, ", ids.join("")),
        _ => format!("policies {}, ", ids.join(", ")),
    }
}

/// What a call that waits in the middle had done by then.
fn done_already(happened: &[String]) -> String {
    match happened {
        [] => String::new(),
        _ => format!(
            " It was ended in the middle and will run again from the beginning; done already: {}.",
            happened.join("; ")
        ),
    }
}

fn ended(status: Status, effects: bool) -> String {
    let what = match status {
        Status::Trap => "The tool crashed.",
        Status::Timeout => "The tool ran out of time.",
        Status::FuelExhausted => "The tool used up its computing budget.",
        Status::MemoryExhausted => "The tool asked for more memory than it may have.",
        Status::Halted => "An operator halted it.",
        Status::Ok | Status::ToolError | Status::Pending | Status::Indeterminate => {
            "Its outcome is not known."
        }
    };
    if effects || status == Status::Indeterminate {
        format!(
            "{what} Some of its effects may have happened: do not retry before somebody has looked."
        )
    } else {
        format!("{what} Nothing was changed.")
    }
}

impl Refusal {
    /// What the caller may read.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Denied { decision, basis } | Self::Undecidable { decision, basis } => format!(
                "Denied: {} Do not retry it unchanged. ({}decision {decision})",
                basis.reason(),
                policies(basis),
            ),
            Self::Pending {
                decision,
                basis,
                approval,
                requirement,
                happened,
                ..
            } => format!(
                "Waiting for {requirement}: {} Pending approval {approval}; repeat the identical call to resume \
                 once it is approved.{} ({}decision {decision})",
                basis.reason(),
                done_already(happened),
                policies(basis),
            ),
            Self::TooManyPending { decision, most } => format!(
                "Denied: this would wait for a person, and {most} of your calls do already. Try again when some are \
                 answered. (decision {decision})"
            ),
            Self::Rejected { approval, until } => format!(
                "Denied: a person rejected this call. It stays denied until {until}; do not retry it. ({approval})"
            ),
            Self::Invalid {
                problem,
                nearest: Some(near),
            } => {
                format!("Not called: {problem}. Did you mean `{near}`?")
            }
            Self::Invalid {
                problem,
                nearest: None,
            } => format!("Not called: {problem}."),
            Self::Halted { reason } => format!("Denied: {reason}. Do not retry it."),
            Self::RunEnded => "Denied: this run has ended. Begin a new one.".into(),
            Self::Unrecorded { reason } => {
                format!("Denied, because it could not be recorded: {reason}.")
            }
        }
    }
}
