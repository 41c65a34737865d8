//! An incoming call, and the answer to its caller.

mod message;
mod view;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::{mpsc, watch};
use tollgate_model::{
    decision::Basis,
    ids::{DecisionId, RunId, SpanId, TokenId},
    record::{Arrival, Origin, Status},
};

use super::{Edit, Refusal};
use crate::{
    config::RequestChannel,
    tool::{Content, ToolFailure},
};

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

/// What the user asks for, as the agent's host tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRequest {
    /// How it reached the gate.
    pub channel: RequestChannel,
    /// The user's words.
    pub text: String,
}

/// What comes along with a call. Of what the caller's protocol sends, only the user's request influences the decision,
/// if the operator trusts its channel.
#[derive(Debug, Clone, Default)]
pub struct CallOptions {
    /// The token of the gate by which the caller is known; absent for other credentials. Without it a call would be
    /// made after the token was revoked, and the token's makers could approve it.
    pub token: Option<TokenId>,
    /// The call's place in the caller's own trace.
    pub origin: Origin,
    /// How it reached the gate.
    pub arrival: Arrival,
    /// What the user asks for, by each channel that tells it.
    pub user_requests: Vec<UserRequest>,
    /// Receives the tool's progress, as far as policy releases it.
    pub listener: Option<Listener>,
    /// Becomes true when the caller no longer wants an answer. An upstream server is notified; its effects
    /// up to then are unknown.
    pub cancelled: Option<watch::Receiver<bool>>,
    /// MCP's `_meta` of the request, for an upstream server, without `progressToken` and other parts of the
    /// caller's own connection. For a call that waited for an approval only the trace context is sent,
    /// because the approver did not see the rest.
    pub meta: Map<String, Value>,
}

/// The answer to the caller.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The run; absent if the caller is not configured.
    pub run: Option<RunId>,
    /// The call's span.
    pub call: SpanId,
    /// The decision about the call; absent if it was not decided.
    pub decision: Option<DecisionId>,
    /// What an approver changed of the call before approving it.
    pub edit: Option<Box<Edit>>,
    /// JSON pointers into the arguments at which policy had something removed before the call was decided and
    /// executed.
    pub redacted_arguments: Box<BTreeSet<String>>,
    /// How the call ended.
    pub verdict: Verdict,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It ran, with this result.
    Released {
        /// Without what policy redacts.
        content: Vec<Content>,
        /// Whether policy redacted anything.
        redacted: bool,
    },
    /// It ran, and the tool reported a failure.
    ToolError(ToolFailure),
    /// It ran, and policy withholds its result.
    Withheld {
        /// The decision about the result.
        decision: DecisionId,
        /// The basis of that decision.
        basis: Box<Basis>,
    },
    /// It did not run, or an effect inside it waits for an approval.
    Refused(Refusal),
    /// It ran and was stopped, or its outcome is not known.
    Ended {
        /// The status.
        status: Status,
        /// Whether an effect may have happened.
        effects: bool,
    },
}

impl Verdict {
    /// Sets the decision about the result, once it is recorded.
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
            edit: None,
            redacted_arguments: Box::default(),
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
            edit: None,
            redacted_arguments: Box::default(),
            verdict: Verdict::Refused(refusal),
        }
    }

    /// Logs where the call happened and how it ended, without its content.
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
