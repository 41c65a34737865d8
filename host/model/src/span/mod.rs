//! The run's trace as a projection of the ledger's records.
//!
//! Every name of an attribute, event and error is defined in [`names`] and only there. [`changes`] is what
//! one record does to the trace, [`attributes()`] what it adds to a span, and [`RunSpans`] builds whole
//! spans. Everything is derived from records alone.

mod assemble;
mod attributes;
pub mod names;

use self::names::error;
use crate::{
    decision::Outcome,
    ids::SpanId,
    life::ApprovalState,
    record::{
        ApprovalRequested, ApprovalResolved, CallInvalid, DecisionRecord, Effect, EffectDetails,
        Event, OutcomeRecord, Record, RunStarted, Start, Status,
    },
    time::Timestamp,
};

pub use assemble::{RunSpans, Span, SpanEvent};
pub use attributes::{Attributes, Naming, attribute_map, attributes, decision_action};

/// What a span stands for.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum SpanKind {
    /// The run's root, created by the gate if the caller sent no trace context.
    InvokeAgent,
    /// A tool call, including denied ones.
    ExecuteTool,
    /// One decision.
    Authorize,
    /// The wait for an approval, and the answer.
    Approval,
    /// One execution; without this span, nothing ran.
    InvokeComponent,
    /// One effect that a component requested.
    Effect,
    /// The end of a run that belongs to the caller's own trace. Only exports have this span: there, the
    /// run's root is the caller's.
    EndRun,
}

named!(SpanKind);

impl SpanKind {
    /// How OpenInference names it, so that trace viewers draw it rightly.
    #[must_use]
    pub fn openinference(self) -> &'static str {
        match self {
            Self::InvokeAgent => "AGENT",
            Self::ExecuteTool => "TOOL",
            Self::Authorize => "GUARDRAIL",
            Self::Approval | Self::InvokeComponent | Self::Effect | Self::EndRun => "CHAIN",
        }
    }
}

/// OpenTelemetry's span kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OtelKind {
    /// An internal operation of the gate.
    Internal,
    /// On behalf of a remote caller.
    Server,
    /// A request to a remote service.
    Client,
}

/// What one record does to the trace.
#[derive(Debug, Clone, PartialEq)]
pub enum SpanChange {
    /// A span begins. If it exists already, this changes nothing.
    Open {
        /// Its id.
        span: SpanId,
        /// The parent span; the run's root if absent.
        parent: Option<SpanId>,
        /// Its kind.
        kind: SpanKind,
        /// Its name.
        name: String,
        /// When it begins.
        start: Timestamp,
        /// When it ends, if that is known already.
        end: Option<Timestamp>,
        /// The error, if that is known already.
        error: Option<&'static str>,
    },
    /// A span ends.
    Close {
        /// Its id.
        span: SpanId,
        /// When.
        end: Timestamp,
        /// The error, as `error.type`.
        error: Option<&'static str>,
        /// Whether a span that has already ended stays unchanged: the first end counts.
        unless_ended: bool,
    },
}

impl SpanChange {
    fn close(span: SpanId, end: Timestamp, error: Option<&'static str>) -> Self {
        Self::Close {
            span,
            end,
            error,
            unless_ended: false,
        }
    }
}

/// What a record does to the trace, in order.
#[must_use]
pub fn changes(record: &Record) -> Vec<SpanChange> {
    let at = record.time;
    match &record.event {
        Event::RunStarted(run) => vec![open_run(run, at)],
        Event::CallInvalid(call) => vec![open_refused_call(call, at)],
        Event::Decision(decision) => change_by_decision(decision, at),
        Event::Start(start) => vec![open_execution(start, at)],
        Event::Outcome(outcome) => close_execution(outcome, at),
        Event::Effect(effect) => vec![open_effect(effect, at)],
        Event::ApprovalRequested(approval) => vec![open_approval(approval, at)],
        Event::ApprovalResolved(approval) => close_approval(approval, at),
        Event::BundleActivated(_)
        | Event::RunEnded(_)
        | Event::ComponentLog(_)
        | Event::LabelsJoined(_)
        | Event::ApprovalAnswered(_)
        | Event::ApprovalEscalated(_)
        | Event::ApprovalLinkIssued(_)
        | Event::ApprovalLinkRevoked(_)
        | Event::ApprovalAnswerRefused(_)
        | Event::StandingGranted(_)
        | Event::StandingEnded(_)
        | Event::Halted(_)
        | Event::Resumed(_)
        | Event::Administered(_) => Vec::new(),
    }
}

fn open_run(run: &RunStarted, at: Timestamp) -> SpanChange {
    SpanChange::Open {
        span: run.span,
        parent: None,
        kind: SpanKind::InvokeAgent,
        name: format!("invoke_agent {}", run.principal.id),
        start: at,
        end: None,
        error: None,
    }
}

/// A call that was refused before any policy ends when it begins.
fn open_refused_call(call: &CallInvalid, at: Timestamp) -> SpanChange {
    SpanChange::Open {
        span: call.call,
        parent: call.parent,
        kind: SpanKind::ExecuteTool,
        name: format!("execute_tool {}", call.tool),
        start: at,
        end: Some(at),
        error: Some(invalid_error(&call.problem)),
    }
}

/// A decision opens the span of its call, has a span of its own, and ends the call unless it may go on.
fn change_by_decision(decision: &DecisionRecord, at: Timestamp) -> Vec<SpanChange> {
    let begun = before(at, decision.decide_micros);
    let mut changes = Vec::with_capacity(2);
    if let (Some(tool), Some(call)) = (decision.called(), decision.call) {
        changes.push(SpanChange::Open {
            span: call,
            parent: decision.parent,
            kind: SpanKind::ExecuteTool,
            name: format!("execute_tool {tool}"),
            start: begun,
            end: None,
            error: None,
        });
    }
    changes.push(SpanChange::Open {
        span: decision.span,
        parent: match decision.action {
            ref action if action.is_call() => decision.call,
            _ => decision.parent.or(decision.call),
        },
        kind: SpanKind::Authorize,
        name: format!("authorize {}", decision.action.id()),
        start: begun,
        end: Some(at),
        error: match decision.outcome {
            Outcome::Error => Some(error::POLICY_ERROR),
            _ => None,
        },
    });
    if let (true, Some(call), false) = (
        decision.action.is_call(),
        decision.call,
        decision.is_secondary,
    ) {
        match decision.outcome {
            Outcome::Deny => {
                changes.push(SpanChange::close(call, at, Some(error::POLICY_DENIED)));
            }
            Outcome::Error => {
                changes.push(SpanChange::close(call, at, Some(error::POLICY_ERROR)));
            }
            _ => {}
        }
    }
    changes
}

fn open_execution(start: &Start, at: Timestamp) -> SpanChange {
    SpanChange::Open {
        span: start.span,
        parent: Some(start.call),
        kind: SpanKind::InvokeComponent,
        name: format!("invoke_component {}", start.component),
        start: at,
        end: None,
        error: None,
    }
}

fn close_execution(outcome: &OutcomeRecord, at: Timestamp) -> Vec<SpanChange> {
    let error = error_type(outcome.status);
    let close = |span| SpanChange::close(span, at, error);
    let mut changes = vec![close(outcome.span)];
    // A waiting call continues after the approval.
    if outcome.status != Status::Pending {
        changes.push(close(outcome.call));
    }
    changes
}

/// An effect is recorded when it has ended.
fn open_effect(effect: &Effect, at: Timestamp) -> SpanChange {
    SpanChange::Open {
        span: effect.span,
        parent: effect.execution.or(Some(effect.parent)),
        kind: SpanKind::Effect,
        name: match &effect.details {
            Some(EffectDetails::Http(http)) => format!("{} {}", http.method, effect.target),
            _ => format!("{} {}", effect.operation, effect.target),
        },
        start: before(at, effect.duration_micros),
        end: Some(at),
        error: effect.error.as_ref().map(|_| error::TOOL_ERROR),
    }
}

fn open_approval(approval: &ApprovalRequested, at: Timestamp) -> SpanChange {
    SpanChange::Open {
        span: approval.span,
        parent: Some(approval.call),
        kind: SpanKind::Approval,
        name: match &approval.capability {
            Some(capability) => format!("approval {capability}"),
            None => format!("approval {}", approval.tool),
        },
        start: at,
        end: None,
        error: None,
    }
}

/// Without an approval, the calls that waited for it end as well.
fn close_approval(approval: &ApprovalResolved, at: Timestamp) -> Vec<SpanChange> {
    let error = match approval.state {
        ApprovalState::Rejected => Some(error::APPROVAL_REJECTED),
        ApprovalState::Expired => Some(error::APPROVAL_TIMEOUT),
        _ => None,
    };
    let mut changes = vec![SpanChange::close(approval.span, at, error)];
    let cancelled = approval.state == ApprovalState::Cancelled;
    if !approval.superseded && (error.is_some() || cancelled) {
        let calls = approval.enclosing_calls.iter().chain([&approval.call]);
        changes.extend(calls.map(|call| SpanChange::Close {
            span: *call,
            end: at,
            error,
            unless_ended: true,
        }));
    }
    changes
}

/// So many microseconds before.
fn before(at: Timestamp, micros: u64) -> Timestamp {
    Timestamp(at.0.saturating_sub(i64::try_from(micros).unwrap_or(0)))
}

/// `error.type` of a call that was refused before any policy.
fn invalid_error(problem: &str) -> &'static str {
    match problem {
        "halted" | "definition_changed" | "no_login" => error::POLICY_DENIED,
        _ => error::INVALID_ARGUMENTS,
    }
}

/// `error.type` of an execution that failed.
#[must_use]
pub fn error_type(status: Status) -> Option<&'static str> {
    match status {
        Status::Ok | Status::Pending => None,
        Status::ToolError => Some(error::TOOL_ERROR),
        Status::Trap => Some(error::TRAP),
        Status::Timeout => Some(error::TIMEOUT),
        Status::FuelExhausted => Some(error::FUEL_EXHAUSTED),
        Status::MemoryExhausted => Some(error::MEMORY_EXHAUSTED),
        Status::Halted => Some(error::POLICY_DENIED),
        Status::Indeterminate => Some(error::INDETERMINATE),
    }
}
