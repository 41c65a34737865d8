//! The policy enforcement point: nothing that has an effect happens without a [`Permitted`].
//!
//! An [`Act`] describes a request, with one implementation per kind of action. The [`Pep`] adds the facts,
//! has the request decided, and records the decision. Only for a recorded allow does it return the act, as
//! a [`Permitted`]. It never executes anything itself.

mod act;
mod acts;
mod answer;
mod approval;
mod caller_token;
mod context;
mod counted_call;
mod draft;
mod edit;
mod history;
mod judge;
mod memory;
mod pep;
mod permit;
mod reach;
mod reads;
mod redact;
mod refusal;
mod release;
mod restore;
mod ruleset;
mod runs;
mod single_flight;
mod tool_call;
mod turns;

use tollgate_model::{canonical::Sha256Digest, request::Action};

pub use act::Act;
pub use acts::{OperatorAct, RunAct, TokenAct};
pub use answer::{
    Answer, AnswerView, CallOptions, CallOutcome, CallRequest, Listener, PendingView, PolicyView,
    UserRequest, Verdict,
};
pub use approval::{
    ApprovalError, ApprovalResponse, ApprovalResult, ApprovalView, ElicitationResponse, GivenInput,
    PendingCall, QuestionCall, StandingRequest, StandingView, Vote,
};
pub(crate) use approval::{
    CLI, REST, Responder, StandingCover, grant_from_row, pending_refusal, question_digest,
};
pub use context::{CallContext, EnclosingCall, RecentUsage};
pub use counted_call::CountedCall;
pub(crate) use draft::Draft;
pub use edit::Edit;
pub(crate) use history::{CallHistory, DecidedCall};
pub(crate) use judge::UnrecordedDecision;
pub(crate) use memory::LabelMemory;
pub(crate) use pep::Pep;
pub use permit::Permitted;
pub use reach::Reach;
pub(crate) use reach::Reaches;
pub(crate) use reads::{ReadIndexes, StartedReading};
pub use refusal::Refusal;
pub(crate) use release::{ReleaseDecision, apply_release_decision, content_with_truncation_note};
pub use ruleset::Ruleset;
pub use single_flight::ApprovalWaiter;
pub(crate) use single_flight::{AnswerSubscription, InFlightCalls, InFlightGuard};
pub use tool_call::ToolCall;
pub(crate) use turns::Turns;

/// The public part of a component: its name and the digest of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentRef {
    /// Its name in the configuration.
    pub name: String,
    /// Its file.
    pub digest: Sha256Digest,
}

/// Whether an action is an effect that a component requests from its host.
#[must_use]
pub fn is_capability(action: &Action) -> bool {
    action.is_capability()
}
