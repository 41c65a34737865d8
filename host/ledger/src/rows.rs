//! Rows for readers: runs, spans, approvals, tokens.

use std::collections::BTreeSet;

use serde::Serialize;
use tollgate_model::{
    canonical::Sha256Digest,
    decision::{Requirement, Severity},
    entity::Uid,
    ids::{ApprovalId, DecisionId, LinkId, RunId, SpanId, TokenId},
    life::{ApprovalState, StandingState},
    record::{
        ApprovalResolved, EditedArguments, ElicitationAnswered, ElicitationSummary, Event,
        KeyedDigest, RunOutcome, Speaker, StandingEnded, StandingGranted, WaitingCall,
    },
    run::RunState,
    span::SpanKind,
    time::Timestamp,
};

/// A run with the data that decisions need.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Its tenant.
    pub tenant: String,
    /// The agent or user.
    pub principal: Uid,
    /// The user for whom it acts.
    pub on_behalf_of: Uid,
    /// The root span.
    pub root: SpanId,
    /// The time of the latest activity.
    pub last: Timestamp,
    /// Whether it has ended.
    pub ended: bool,
    /// Its counts, with the repeats of the requested call only: a run may have made too many different
    /// calls for memory.
    pub state: RunState,
}

/// A token that identifies an agent or a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Identifies it in lists and for revocation.
    pub id: TokenId,
    /// The agent or user that it identifies.
    pub principal: Uid,
    /// The user for whom an agent acts; absent: its operator.
    pub on_behalf_of: Option<String>,
    /// Its purpose, as its creator named it.
    pub name: String,
    /// SHA-256 of the token. The token itself is not stored.
    pub hash: Sha256Digest,
    /// When it was created.
    pub created: Timestamp,
    /// When it expires; absent: never.
    pub expires: Option<Timestamp>,
    /// Users other than its own who made it: the one who asked for it, and those who made the token by
    /// which that user signed in. Absent: not known.
    pub makers: Option<BTreeSet<String>>,
    /// Whether it may be used; otherwise it waits for a second person.
    pub is_confirmed: bool,
}

impl Token {
    /// Whether it is confirmed and has not expired.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.is_confirmed && self.expires.is_none_or(|expires| expires > now)
    }
}

/// The size of a ledger.
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
    /// The agent or user.
    pub principal: Uid,
    /// The user for whom it acts.
    pub on_behalf_of: Uid,
    /// The caller's name for it.
    pub key: Option<String>,
    /// The root span.
    pub root: SpanId,
    /// When it began.
    pub started: Timestamp,
    /// The time of the latest activity.
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
    /// The parent span; absent for the root.
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
    /// The record that requested it; it locates the payload.
    pub opened: u64,
    /// Its tenant.
    pub tenant: String,
    /// The run that requested it.
    pub run: RunId,
    /// The tool span that requested it.
    pub call: SpanId,
    /// Its own span.
    pub span: SpanId,
    /// The principal that requested it.
    pub principal: Uid,
    /// The user for whom that principal acts.
    pub on_behalf_of: Uid,
    /// The user who made the call in the agent's name; absent if the agent made it itself.
    pub speaker: Option<Speaker>,
    /// Users other than its own who made the token by which the call was made.
    pub makers: BTreeSet<String>,
    /// The tool.
    pub tool: String,
    /// The component's file.
    pub component: Sha256Digest,
    /// Keyed digest of tool and arguments.
    pub arguments: KeyedDigest,
    /// The sealed canonical arguments, until it is resolved.
    pub payload: Option<Sha256Digest>,
    /// The arguments with which an approver approved it instead.
    pub edited: Option<EditedCall>,
    /// The first approval of its question: calls of the run that wait for the same reason. Its own id if it
    /// is the first.
    pub question: ApprovalId,
    /// The approvals that would lift it.
    pub requirement: Requirement,
    /// The highest severity of the policies that ask for it.
    pub severity: Severity,
    /// Its state.
    pub state: ApprovalState,
    /// Grows with every effective answer and every change of state.
    pub version: u64,
    /// When it was requested.
    pub requested: Timestamp,
    /// When it expires.
    pub expires: Timestamp,
    /// Users whose approval counts, with the roles that they had when they answered. Approvals from before the
    /// arguments were edited do not.
    pub approvers: Vec<(Uid, BTreeSet<String>)>,
    /// Rejections of the same call of the same principal, in any run, that still held when this was
    /// requested; latest first.
    pub rejected_before: Vec<EarlierRejection>,
    /// Every answer, in order.
    pub answers: Vec<ApprovalAnswer>,
    /// How many approvals this call has requested.
    pub round: u32,
    /// Components through which the call is made, outermost first.
    pub via: Vec<String>,
    /// The effect inside a call that needs it, in short.
    pub capability: Option<String>,
    /// What an upstream server asks for; absent for an approval of a call or an effect.
    pub elicitation: Option<ElicitationSummary>,
    /// Roles that may answer as well because no one answered in time; empty before that.
    pub escalated_to: BTreeSet<String>,
    /// Suspended calls that enclose the effect, outermost first.
    pub waiting: Vec<WaitingCall>,
}

/// Arguments that an approver set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EditedCall {
    /// The arguments.
    pub arguments: EditedArguments,
    /// The record of the answer; it locates the payload.
    pub answered: u64,
    /// The approver.
    pub by: Uid,
}

/// An answer to an approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApprovalAnswer {
    /// Whether it approves; otherwise it rejects.
    pub approve: bool,
    /// The answer to a question of an upstream server.
    pub elicitation: Option<ElicitationAnswered>,
    /// When it was given.
    pub at: Timestamp,
    /// The user who answered.
    pub by: Uid,
    /// The channel, such as `cli`.
    pub channel: String,
    /// The link by which it came; absent for other channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkId>,
    /// The arguments with which the user approved it.
    pub edited: Option<EditedCall>,
    /// The user's note.
    pub note: Option<String>,
    /// Roles of the user at that time.
    pub roles: BTreeSet<String>,
    /// Whether it counted; an answer that came too late, or with a token that the asking side made, does
    /// not.
    pub took_effect: bool,
    /// Users other than the one who answered who made the token of the answer.
    pub token_makers: BTreeSet<String>,
}

impl ApprovalAnswer {
    /// The people who can have given it: the user, and the makers of the user's token.
    pub fn people(&self) -> impl Iterator<Item = &str> {
        let makers = self.token_makers.iter().map(String::as_str);
        makers.chain([self.by.id.as_str()])
    }
}

/// An earlier rejection of the same call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EarlierRejection {
    /// The approval that was rejected.
    pub id: ApprovalId,
    /// When.
    pub at: Timestamp,
    /// The user who rejected it.
    pub by: String,
    /// The user's note.
    pub note: Option<String>,
}

impl ApprovalRow {
    /// Digest of the call that happens if it is approved: what an answer is bound to.
    #[must_use]
    pub fn shown_digest(&self) -> &KeyedDigest {
        self.edited
            .as_ref()
            .map_or(&self.arguments, |edited| &edited.arguments.digest)
    }

    /// The approvals that count so far: since the arguments were last edited.
    pub fn counted(&self) -> impl Iterator<Item = &ApprovalAnswer> {
        let since = self
            .answers
            .iter()
            .rposition(|answer| answer.edited.is_some());
        let answers = self.answers.iter().skip(since.unwrap_or_default());
        answers.filter(|answer| answer.approve && answer.took_effect)
    }

    /// The event that ends it in `state`.
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
            superseded: self.elicitation.is_some(),
        })
    }

    /// The event that voids it while its call continues without it.
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

/// The identity of a call for approvals: the same call never has two pending ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Binding {
    /// The tenant.
    pub tenant: String,
    /// The run.
    pub run: RunId,
    /// The agent or user.
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

/// A standing approval.
#[derive(Debug, Clone, PartialEq)]
pub struct StandingRow {
    /// What was granted.
    pub granted: StandingGranted,
    /// The record that granted it; it locates the pattern.
    pub opened: u64,
    /// Its tenant.
    pub tenant: String,
    /// The run in which it was granted.
    pub run: RunId,
    /// When it was granted.
    pub since: Timestamp,
    /// Its state.
    pub state: StandingState,
    /// The decisions that it allowed, in order.
    pub uses: Vec<DecisionId>,
    /// How it ended, if it was ended before all uses.
    pub ended: Option<StandingEnded>,
}

impl StandingRow {
    /// How many more calls it may allow.
    #[must_use]
    pub fn uses_left(&self) -> u64 {
        self.granted.max_uses.saturating_sub(self.uses.len() as u64)
    }

    /// The event that ends it in `state`.
    #[must_use]
    pub fn ended_by(&self, state: StandingState, by: Option<&Uid>, note: Option<String>) -> Event {
        Event::StandingEnded(StandingEnded {
            by: by.cloned(),
            id: self.granted.id,
            note,
            state,
        })
    }
}
