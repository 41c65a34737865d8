//! What readers get: runs, spans, approvals, tokens.

use std::collections::BTreeSet;

use serde::Serialize;
use tollgate_model::{
    canonical::Sha256Digest,
    decision::{Requirement, Severity},
    entity::Uid,
    ids::{ApprovalId, RunId, SpanId, TokenId},
    life::ApprovalState,
    record::{ApprovalResolved, Event, KeyedDigest, RunOutcome, WaitingCall},
    run::RunState,
    span::SpanKind,
    time::Timestamp,
};

/// A run as the gate decides by it.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Its tenant.
    pub tenant: String,
    /// Who.
    pub principal: Uid,
    /// On whose behalf.
    pub on_behalf_of: Uid,
    /// The root span.
    pub root: SpanId,
    /// When something last happened.
    pub last: Timestamp,
    /// Whether it has ended.
    pub ended: bool,
    /// Its counts, with the repeats of the call that was asked about only: a run may have made too many different
    /// calls for memory.
    pub state: RunState,
}

/// A token by which an agent or a user names itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Identifies it in lists and for revocation.
    pub id: TokenId,
    /// Whose: an agent or a user.
    pub principal: Uid,
    /// The user for whom an agent acts; absent: its operator.
    pub on_behalf_of: Option<String>,
    /// What it is for, as its maker named it.
    pub name: String,
    /// SHA-256 of the token. The token itself is not stored.
    pub hash: Sha256Digest,
    /// When it was made.
    pub created: Timestamp,
    /// When it becomes worthless; absent: never.
    pub expires: Option<Timestamp>,
}

/// How much a ledger holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Records.
    pub records: u64,
    /// Bytes on the disk.
    pub bytes: u64,
}

/// A run, as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunRow {
    /// Its id.
    pub id: RunId,
    /// The record that began it.
    pub opened: u64,
    /// Its tenant.
    pub tenant: String,
    /// Who.
    pub principal: Uid,
    /// On whose behalf.
    pub on_behalf_of: Uid,
    /// By what the caller named it.
    pub key: Option<String>,
    /// The root span.
    pub root: SpanId,
    /// When it began.
    pub started: Timestamp,
    /// When something last happened.
    pub last: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<RunOutcome>,
    /// Why it ended.
    pub stop_reason: Option<String>,
    /// Calls.
    pub calls: u64,
    /// Denied calls.
    pub denials: u64,
    /// Calls that ended in an error.
    pub errors: u64,
    /// Approvals that are pending.
    pub pending: u64,
    /// Labels.
    pub labels: BTreeSet<String>,
}

/// A span of a run, projected from its records, and the indices of those records.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpanRow {
    /// Its id.
    pub span: SpanId,
    /// The span above; absent for the root.
    pub parent: Option<SpanId>,
    /// What kind of span it is.
    pub kind: SpanKind,
    /// Its name.
    pub name: String,
    /// When it began.
    pub start: Timestamp,
    /// When it ended; absent while it is open.
    pub end: Option<Timestamp>,
    /// `error.type`.
    pub error: Option<String>,
    /// The record that opened it.
    pub opened: u64,
    /// The record that closed it.
    pub closed: Option<u64>,
}

/// An approval.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ApprovalRow {
    /// Its id.
    pub id: ApprovalId,
    /// The record that asked for it; its payload is found by it.
    pub opened: u64,
    /// Its tenant.
    pub tenant: String,
    /// The run that asked.
    pub run: RunId,
    /// The tool span that asked.
    pub call: SpanId,
    /// Its own span.
    pub span: SpanId,
    /// Who asked.
    pub principal: Uid,
    /// On whose behalf.
    pub on_behalf_of: Uid,
    /// The tool.
    pub tool: String,
    /// The component's file.
    pub component: Sha256Digest,
    /// Keyed digest of tool and arguments.
    pub arguments: KeyedDigest,
    /// The sealed canonical arguments, until it is resolved.
    pub payload: Option<Sha256Digest>,
    /// What would lift it.
    pub requirement: Requirement,
    /// The most severe policy among those.
    pub severity: Severity,
    /// Its state.
    pub state: ApprovalState,
    /// Changes with every answer that took effect, and with every state.
    pub version: u64,
    /// When it was asked for.
    pub requested: Timestamp,
    /// When it expires.
    pub expires: Timestamp,
    /// Users whose approval counts, with the roles that they had when they answered.
    pub approvers: Vec<(Uid, BTreeSet<String>)>,
    /// Every answer, in the order in which they came.
    pub answers: Vec<ApprovalAnswer>,
    /// How many approvals this call has asked for.
    pub round: u32,
    /// Components through which the call is made, outermost first.
    pub via: Vec<String>,
    /// What the component asks for in mid-call, in short.
    pub capability: Option<String>,
    /// Roles that may answer as well because nobody answered in time; empty before that.
    pub escalated_to: BTreeSet<String>,
    /// Calls that ran up to there, outermost first.
    pub waiting: Vec<WaitingCall>,
}

/// An answer to an approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApprovalAnswer {
    /// Whether it approves; otherwise it rejects.
    pub approve: bool,
    /// When it was given.
    pub at: Timestamp,
    /// The user who answered.
    pub by: Uid,
    /// How it came, such as `cli`.
    pub channel: String,
    /// What the user wrote with it.
    pub note: Option<String>,
    /// Roles of the user at that time.
    pub roles: BTreeSet<String>,
    /// Whether it counted; an answer that came too late does not.
    pub took_effect: bool,
}

impl ApprovalRow {
    /// The event that it ends in `state`.
    #[must_use]
    pub fn resolved(&self, state: ApprovalState) -> Event {
        self.over(state, None)
    }

    /// The event that the principal withdraws it.
    #[must_use]
    pub fn withdrawn(&self) -> Event {
        self.over(ApprovalState::Cancelled, Some(self.principal.clone()))
    }

    fn over(&self, state: ApprovalState, by: Option<Uid>) -> Event {
        let enclosing = self.waiting.iter().map(|waiting| waiting.call);
        Event::ApprovalResolved(ApprovalResolved {
            enclosing_calls: enclosing.filter(|call| *call != self.call).collect(),
            by,
            call: self.call,
            id: self.id,
            span: self.span,
            state,
            superseded: false,
        })
    }

    /// The event that it is void while its call goes on without it.
    #[must_use]
    pub fn superseded(&self) -> Event {
        Event::ApprovalResolved(ApprovalResolved {
            enclosing_calls: Vec::new(),
            by: None,
            call: self.call,
            id: self.id,
            span: self.span,
            state: ApprovalState::Cancelled,
            superseded: true,
        })
    }
}

/// What identifies a call for approvals: the same call never has two pending ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Binding {
    /// The tenant.
    pub tenant: String,
    /// The run.
    pub run: RunId,
    /// Who.
    pub principal: Uid,
    /// The tool.
    pub tool: String,
    /// The component's file.
    pub component: Sha256Digest,
    /// Keyed digest of tool and arguments.
    pub arguments: KeyedDigest,
    /// Components through which the call is made, outermost first.
    pub via: Vec<String>,
}
