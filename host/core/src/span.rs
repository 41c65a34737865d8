//! The run's trace as a projection of the ledger's records.
//!
//! Every attribute name is spelled here and nowhere else. Names are OpenTelemetry's where it has one,
//! `tollgate.*` where it does not; `gen_ai.*` is never minted.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    ids::{DecisionId, SpanId},
    life::ApprovalState,
    record::{EffectDetails, Event, Record, Status},
    request::Action,
    time::Timestamp,
};

/// What a span stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpanKind {
    /// The run's root, made by the gate where the caller sent no trace context.
    InvokeAgent,
    /// A tool call, also one that was denied.
    ExecuteTool,
    /// One decision.
    Authorize,
    /// The wait for a human and the answer.
    Approval,
    /// One execution; its absence proves that nothing ran.
    InvokeComponent,
    /// One effect that a component asked for.
    Effect,
}

impl SpanKind {
    /// As columns spell it, and the first word of the span's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvokeAgent => "invoke_agent",
            Self::ExecuteTool => "execute_tool",
            Self::Authorize => "authorize",
            Self::Approval => "approval",
            Self::InvokeComponent => "invoke_component",
            Self::Effect => "effect",
        }
    }

    /// The kind that a column spells.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::InvokeAgent,
            Self::ExecuteTool,
            Self::Authorize,
            Self::Approval,
            Self::InvokeComponent,
            Self::Effect,
        ]
        .into_iter()
        .find(|k| k.as_str() == name)
    }

    /// How OpenInference names it, so that trace viewers draw it rightly.
    #[must_use]
    pub fn openinference(self) -> &'static str {
        match self {
            Self::InvokeAgent => "AGENT",
            Self::ExecuteTool => "TOOL",
            Self::Authorize => "GUARDRAIL",
            Self::Approval | Self::InvokeComponent | Self::Effect => "CHAIN",
        }
    }
}

/// What one record does to the trace.
#[derive(Debug, Clone, PartialEq)]
pub enum SpanChange {
    /// A span begins. If it exists already, this changes nothing.
    Open {
        /// Its id.
        span: SpanId,
        /// The span above; the run's root where absent.
        parent: Option<SpanId>,
        /// What it stands for.
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
        /// What went wrong, as `error.type`.
        error: Option<&'static str>,
    },
}

/// What a record does to the trace, in order.
#[must_use]
pub fn changes(record: &Record) -> Vec<SpanChange> {
    let at = record.time;
    match &record.event {
        Event::RunStarted(run) => vec![SpanChange::Open {
            span: run.span,
            parent: None,
            kind: SpanKind::InvokeAgent,
            name: format!("invoke_agent {}", run.principal.id),
            start: at,
            end: None,
            error: None,
        }],
        Event::CallInvalid(call) => vec![SpanChange::Open {
            span: call.call,
            parent: call.parent,
            kind: SpanKind::ExecuteTool,
            name: format!("execute_tool {}", call.tool),
            start: at,
            end: Some(at),
            error: Some(invalid_error(&call.problem)),
        }],
        Event::Decision(decision) => {
            let begun = Timestamp(at.0.saturating_sub(i64::try_from(decision.micros).unwrap_or(0)));
            let mut changes = Vec::with_capacity(2);
            if let (Action::Call(tool), Some(call)) = (&decision.action, decision.call) {
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
            let error = match decision.outcome {
                crate::decision::Outcome::Error => Some("policy_error"),
                _ => None,
            };
            changes.push(SpanChange::Open {
                span: decision.span,
                parent: match decision.action {
                    Action::Call(_) => decision.call,
                    _ => decision.parent.or(decision.call),
                },
                kind: SpanKind::Authorize,
                name: format!("authorize {}", decision.action.id()),
                start: begun,
                end: Some(at),
                error,
            });
            if let (Action::Call(_), Some(call), false) =
                (&decision.action, decision.call, decision.beside)
            {
                match decision.outcome {
                    crate::decision::Outcome::Deny => {
                        changes.push(SpanChange::Close {
                            span: call,
                            end: at,
                            error: Some("policy_denied"),
                        });
                    }
                    crate::decision::Outcome::Error => {
                        changes.push(SpanChange::Close {
                            span: call,
                            end: at,
                            error: Some("policy_error"),
                        });
                    }
                    _ => {}
                }
            }
            changes
        }
        Event::Start(start) => vec![SpanChange::Open {
            span: start.span,
            parent: Some(start.call),
            kind: SpanKind::InvokeComponent,
            name: format!("invoke_component {}", start.component),
            start: at,
            end: None,
            error: None,
        }],
        Event::Outcome(outcome) => {
            let error = error_type(outcome.status);
            let close = |span| SpanChange::Close {
                span,
                end: at,
                error,
            };
            let mut changes = vec![close(outcome.span)];
            // A call that waits goes on once it is approved.
            if outcome.status != Status::Pending {
                changes.push(close(outcome.call));
            }
            changes
        }
        Event::Effect(effect) => vec![SpanChange::Open {
            span: effect.span,
            parent: Some(effect.parent),
            kind: SpanKind::Effect,
            name: match &effect.details {
                Some(EffectDetails::Http(http)) => format!("{} {}", http.method, effect.target),
                _ => format!("{} {}", effect.operation, effect.target),
            },
            start: Timestamp(at.0.saturating_sub(i64::try_from(effect.micros).unwrap_or(0))),
            end: Some(at),
            error: effect.error.as_ref().map(|_| "tool_error"),
        }],
        Event::ApprovalRequested(approval) => vec![SpanChange::Open {
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
        }],
        Event::ApprovalResolved(approval) => {
            let error = match approval.state {
                ApprovalState::Rejected => Some("approval_rejected"),
                ApprovalState::Expired => Some("approval_timeout"),
                _ => None,
            };
            let mut changes = vec![SpanChange::Close {
                span: approval.span,
                end: at,
                error,
            }];
            if error.is_some() || approval.state == ApprovalState::Cancelled {
                changes.push(SpanChange::Close {
                    span: approval.call,
                    end: at,
                    error,
                });
            }
            changes
        }
        Event::BundleActivated(_)
        | Event::RunEnded(_)
        | Event::AdapterLog(_)
        | Event::LabelsJoined(_)
        | Event::ApprovalAnswered(_)
        | Event::Halted(_)
        | Event::Resumed(_)
        | Event::Administered(_) => Vec::new(),
    }
}

/// `error.type` of a call that was refused before any policy.
fn invalid_error(problem: &str) -> &'static str {
    match problem {
        "halted" | "too_many_pending" => "policy_denied",
        _ => "invalid_arguments",
    }
}

/// `error.type` of an execution that did not end well.
#[must_use]
pub fn error_type(status: Status) -> Option<&'static str> {
    match status {
        Status::Ok | Status::Pending => None,
        Status::ToolError => Some("tool_error"),
        Status::Trap => Some("trap"),
        Status::Timeout => Some("timeout"),
        Status::Fuel => Some("fuel_exhausted"),
        Status::Memory => Some("memory_exhausted"),
        Status::Halted => Some("policy_denied"),
        Status::Indeterminate => Some("indeterminate"),
    }
}

/// The attributes that a record gives to the span it opens or closes. `index` is its place in the
/// ledger.
#[must_use]
pub fn attributes(index: u64, record: &Record) -> Map<String, Value> {
    let value = match &record.event {
        Event::RunStarted(run) => json!({
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": run.principal.id,
            "tollgate.run.key": run.key,
            "gen_ai.conversation.id": run.origin.conversation,
            "session.id": run.origin.session,
            "tollgate.caller.trace.id": run.origin.trace,
            "tollgate.caller.span.id": run.origin.parent,
        }),
        Event::CallInvalid(call) => json!({
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": call.tool,
            "tollgate.tool.executed": false,
            "tollgate.validation.problem": call.problem,
            "tollgate.validation.pointers": call.pointers,
            "error.type": invalid_error(&call.problem),
        }),
        Event::Decision(d) => json!({
            "tollgate.decision.id": DecisionId(index).to_string(),
            "tollgate.decision.outcome": d.outcome,
            "tollgate.decision.action": match d.outcome {
                crate::decision::Outcome::Allow => "executed",
                crate::decision::Outcome::Escalate => "held",
                _ => "blocked",
            },
            "tollgate.decision.mode": "enforce",
            "tollgate.decision.reason": d.determining.iter().map(|p| p.reason.as_str())
                .filter(|r| !r.is_empty()).collect::<Vec<_>>().join(" "),
            "tollgate.policy.engine": "cedar",
            "tollgate.policy.set.digest": d.bundle,
            "tollgate.policy.ids": d.determining.iter().map(|p| p.policy.id.as_str()).collect::<Vec<_>>(),
            "tollgate.policy.owners": d.determining.iter().map(|p| p.owner.as_str()).collect::<Vec<_>>(),
            "tollgate.policy.error_count": d.errors.len(),
            "tollgate.policy.errors": d.errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "tollgate.shadow.outcome": d.shadow.as_ref().map(|s| s.outcome),
            "tollgate.principal.type": d.principal.kind.name(),
            "tollgate.principal.id": d.principal.id,
            "tollgate.resource.type": d.resource.kind.name(),
            "tollgate.resource.id": d.resource.id,
            "tollgate.action": d.action.id(),
            "tollgate.args.hash": d.arguments,
            "tollgate.caller.span.id": d.caller,
            "tollgate.args.size": d.arguments_size,
            "tollgate.approval.id": d.approval,
            "artifact.hash": d.component,
        }),
        Event::Start(start) => json!({
            "tollgate.component.name": start.component,
            "artifact.hash": start.digest,
            "tollgate.attempt.number": start.attempt,
            "tollgate.approval.id": start.approval,
        }),
        Event::Outcome(outcome) => json!({
            "tollgate.wasm.fuel": outcome.fuel,
            "tollgate.wasm.peak_memory": outcome.peak_memory,
            "tollgate.result.hash": outcome.result,
            "tollgate.result.size": outcome.size,
            "tollgate.result.release": outcome.release,
            "tollgate.result.labels": outcome.labels,
            "tollgate.effects": outcome.effects,
            "tollgate.status": outcome.status,
            "error.type": error_type(outcome.status),
        }),
        Event::Effect(effect) => match &effect.details {
            None => json!({
                "tollgate.capability": effect.operation,
                "file.path": effect.target,
                "file.size": effect.size,
                "tollgate.capability.error": effect.error,
            }),
            Some(EffectDetails::Http(http)) => json!({
                "tollgate.capability": effect.operation,
                "tollgate.capability.error": effect.error,
                "http.request.method": http.method,
                "http.request.resend_count": (http.redirects > 0).then_some(http.redirects),
                "http.response.status_code": http.status,
                "http.response.body.size": http.status.map(|_| effect.size),
                "network.peer.address": http.address,
                "server.address": http.host,
                "server.port": http.port,
                "url.full": effect.target,
            }),
            Some(EffectDetails::Secret(secret)) => json!({
                "tollgate.capability": effect.operation,
                "tollgate.capability.error": effect.error,
                "tollgate.secret.name": secret.name,
                "tollgate.secret.version": secret.version,
                "server.address": secret.host,
            }),
        },
        Event::ApprovalRequested(a) => json!({
            "tollgate.approval.id": a.id,
            "tollgate.approval.status": "pending",
            "tollgate.approval.expires_at": a.expires.to_string(),
            "tollgate.approval.args_hash": a.arguments,
            "tollgate.approval.requires": a.requirement.to_string(),
        }),
        Event::ApprovalAnswered(a) => json!({
            "tollgate.approval.approver": a.by.id,
            "tollgate.approval.channel": a.channel,
            "tollgate.approval.answer": if a.approve { "approve" } else { "reject" },
        }),
        Event::ApprovalResolved(a) => json!({ "tollgate.approval.status": a.state }),
        _ => json!({}),
    };
    match value {
        Value::Object(mut attributes) => {
            attributes.retain(|_, v| !v.is_null() && *v != json!([]) && *v != json!(""));
            attributes
        }
        _ => Map::new(),
    }
}
