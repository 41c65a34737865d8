//! A call as it arrives, and what the caller gets for it.

mod message;
mod view;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::{mpsc, watch};
use tollgate_model::{
    decision::Basis,
    ids::{DecisionId, RunId, SpanId},
    record::{Arrival, Origin, Status},
};

use super::Refusal;
use crate::tool::{Content, ToolFailure};

use tollgate_sandbox::capability::progress::ProgressReport;

pub use view::{AnswerView, CallOutcome, PendingView, PolicyView};

/// Where the reports of a call go while it runs.
pub type Listener = mpsc::Sender<ProgressReport>;

/// A call as it arrives: nothing of it is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRequest {
    /// The tool's name.
    pub tool: String,
    /// The arguments: a JSON object as text.
    pub arguments: String,
}

/// What a caller's protocol has for a call, besides the call. None of it has a part in the decision.
#[derive(Debug, Clone, Default)]
pub struct CallOptions {
    /// The call's place in the caller's own trace.
    pub origin: Origin,
    /// How it reached the gate.
    pub arrival: Arrival,
    /// Receives the tool's progress, as far as policy releases it.
    pub listener: Option<Listener>,
    /// Becomes true when the caller no longer wants an answer. An upstream server is told. What it has done
    /// by then is not known.
    pub cancelled: Option<watch::Receiver<bool>>,
    /// MCP's `_meta` of the request, for an upstream server, without `progressToken` and what else belongs to
    /// the caller's own connection. Of a call that waited for an approval only the trace context goes along,
    /// because the approver was not shown the rest.
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
    /// How the call ended.
    pub verdict: Verdict,
}

/// How a call ended.
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
    /// It did not run, or an effect inside it waits for a human.
    Refused(Refusal),
    /// It ran and was ended, or its outcome is not known.
    Ended {
        /// How.
        status: Status,
        /// Whether an effect may have happened.
        effects: bool,
    },
}

impl Verdict {
    /// With the decision about the result, now that it is recorded.
    pub(crate) fn decided_at(self, decision: DecisionId) -> Self {
        match self {
            Self::Withheld { basis, .. } => Self::Withheld { decision, basis },
            other => other,
        }
    }

    /// It may have run, and its outcome is not known.
    pub(crate) fn unknown() -> Self {
        Self::Ended {
            status: Status::Indeterminate,
            effects: true,
        }
    }
}

impl Answer {
    /// The answer for a call whose outcome is not known.
    pub(crate) fn unknown(run: Option<RunId>, call: SpanId) -> Self {
        Self {
            run,
            call,
            decision: None,
            verdict: Verdict::unknown(),
        }
    }

    /// The answer for a call that did not run.
    pub(crate) fn refused(run: Option<RunId>, call: SpanId, refusal: Refusal) -> Self {
        let decision = match &refusal {
            Refusal::Denied { decision, .. }
            | Refusal::Undecidable { decision, .. }
            | Refusal::Pending { decision, .. }
            | Refusal::TooManyPending { decision, .. } => Some(*decision),
            Refusal::Rejected { .. }
            | Refusal::UnknownTool { .. }
            | Refusal::Invalid { .. }
            | Refusal::Halted { .. }
            | Refusal::RunEnded
            | Refusal::Unrecorded { .. } => None,
        };
        Self {
            run,
            call,
            decision,
            verdict: Verdict::Refused(refusal),
        }
    }

    /// Write a line of the process's log: where the call happened and how it ended, and nothing of its
    /// content.
    pub(crate) fn log(&self, tool: &str) {
        let outcome = match &self.verdict {
            Verdict::Released { .. } => "ok",
            Verdict::ToolError(_) => "tool_error",
            Verdict::Withheld { .. } => "withheld",
            Verdict::Refused(Refusal::Pending { .. }) => "waiting",
            Verdict::Refused(Refusal::UnknownTool { .. } | Refusal::Invalid { .. }) => "invalid",
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
}
