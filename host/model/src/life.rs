//! The life of a call and of an approval: one pure transition table each.
//!
//! Whatever happens, in whatever order, is an event; what the table does not list cannot happen. The
//! ledger's writer asks here before it changes a row, so a race has one winner.

use serde::{Deserialize, Serialize};

/// Where a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// Its arguments did not match the tool's schema; nothing was decided.
    Invalid,
    /// Decided: no. Nothing ran.
    Denied,
    /// Waiting for a human. Nothing ran.
    Pending,
    /// Decided and started, durably; the effect may have happened.
    Started,
    /// It ran, and was ended because something that it asked for waits for a human. What it had done by
    /// then is done; it runs again from the beginning once that is approved.
    Suspended,
    /// It ran and its outcome is recorded.
    Closed,
    /// It started and its outcome will never be known.
    Indeterminate,
}

/// What can happen to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CallEvent {
    /// Arrived with arguments that do not match.
    Refuse,
    /// Decided: deny or error.
    Deny,
    /// Decided: escalate.
    Escalate,
    /// Decided: allow, and the start recorded with it.
    Start,
    /// Its outcome was recorded: it waits for a human.
    Suspend,
    /// Its outcome was recorded.
    Close,
    /// The next start of the gate found it open.
    Recover,
}

impl CallEvent {
    /// Every event.
    pub const ALL: &[Self] = &[
        Self::Refuse,
        Self::Deny,
        Self::Escalate,
        Self::Start,
        Self::Suspend,
        Self::Close,
        Self::Recover,
    ];
}

impl CallState {
    /// Every state, and the absence of one before the first event.
    pub const ALL: &[Option<Self>] = &[
        None,
        Some(Self::Invalid),
        Some(Self::Denied),
        Some(Self::Pending),
        Some(Self::Started),
        Some(Self::Suspended),
        Some(Self::Closed),
        Some(Self::Indeterminate),
    ];

    /// The state after `event`, or `None` if that cannot happen.
    #[must_use]
    pub fn after(state: Option<Self>, event: CallEvent) -> Option<Self> {
        use CallEvent as E;
        match (state, event) {
            (None, E::Refuse) => Some(Self::Invalid),
            (None | Some(Self::Pending), E::Deny) => Some(Self::Denied),
            (None | Some(Self::Pending), E::Escalate) => Some(Self::Pending),
            (None | Some(Self::Pending | Self::Suspended), E::Start) => Some(Self::Started),
            (Some(Self::Started), E::Suspend) => Some(Self::Suspended),
            (Some(Self::Suspended), E::Escalate) => Some(Self::Suspended),
            // It will not run again; that it has run stays true.
            (Some(Self::Suspended), E::Deny) => Some(Self::Closed),
            (Some(Self::Started), E::Close) => Some(Self::Closed),
            (Some(Self::Started), E::Recover) => Some(Self::Indeterminate),
            _ => None,
        }
    }

    /// Whether an effect can have happened.
    #[must_use]
    pub fn may_have_run(self) -> bool {
        matches!(
            self,
            Self::Started | Self::Suspended | Self::Closed | Self::Indeterminate
        )
    }
}

/// Where an approval is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    /// Nobody decided yet, or not enough people.
    Pending,
    /// Enough people approved; the call has not run yet.
    Approved,
    /// Somebody rejected it; the same call is denied until it expires.
    Rejected,
    /// Nobody answered, or nobody used the answer, in time.
    Expired,
    /// Voided by whoever asked, a halt, the end of its run, or another escalation of the same call.
    Cancelled,
    /// Used by the one call that it allowed.
    Consumed,
}

/// What can happen to an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ApprovalEvent {
    /// Somebody approved, and more are needed.
    Vote,
    /// Somebody approved, and that is enough.
    Approve,
    /// Somebody rejected.
    Reject,
    /// Its time is over.
    Expire,
    /// Whoever asked withdraws it, or a halt or the end of the run voids it.
    Cancel,
    /// The call that it allows is started, or the effect in mid-call decided, in the same transaction.
    Consume,
}

impl ApprovalEvent {
    /// Every event.
    pub const ALL: &[Self] = &[
        Self::Vote,
        Self::Approve,
        Self::Reject,
        Self::Expire,
        Self::Cancel,
        Self::Consume,
    ];
}

impl ApprovalState {
    /// Every state.
    pub const ALL: &[Self] = &[
        Self::Pending,
        Self::Approved,
        Self::Rejected,
        Self::Expired,
        Self::Cancelled,
        Self::Consumed,
    ];

    /// The state after `event`, or `None` if that cannot happen.
    #[must_use]
    pub fn after(self, event: ApprovalEvent) -> Option<Self> {
        use ApprovalEvent as E;
        match (self, event) {
            (Self::Pending, E::Vote) => Some(Self::Pending),
            (Self::Pending, E::Approve) => Some(Self::Approved),
            // A second thought stops what has not run yet.
            (Self::Pending | Self::Approved, E::Reject) => Some(Self::Rejected),
            (Self::Pending | Self::Approved, E::Expire) => Some(Self::Expired),
            (Self::Pending | Self::Approved, E::Cancel) => Some(Self::Cancelled),
            (Self::Approved, E::Consume) => Some(Self::Consumed),
            _ => None,
        }
    }

    /// As columns and attributes spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Consumed => "consumed",
        }
    }

    /// The state that a column or attribute spells.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|s| s.as_str() == name)
    }
}

#[cfg(test)]
mod tests;
