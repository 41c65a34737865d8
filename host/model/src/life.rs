//! The life of a call and of an approval: one pure transition table each.
//!
//! A transition that the table does not list cannot happen. The ledger's writer checks the table before it
//! changes a row, so a race has one winner.

/// Where a call is.
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
pub enum CallState {
    /// Its arguments did not match the tool's schema; nothing was decided.
    Invalid,
    /// Denied. Nothing ran.
    Denied,
    /// Waiting for an approval. Nothing ran.
    Pending,
    /// Allowed, and the start is durable; an effect may have happened.
    Started,
    /// It ran, and was stopped because one of its effects needs an approval. Earlier effects have happened;
    /// it runs again from the beginning after the approval.
    Suspended,
    /// It ran and its outcome is recorded.
    Closed,
    /// It started, and its outcome cannot be known.
    Indeterminate,
}

named!(CallState);

/// What can happen to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, strum::VariantArray)]
pub enum CallEvent {
    /// Arrived with arguments that do not match.
    Refuse,
    /// Decided: deny or error.
    Deny,
    /// Decided: escalate.
    Escalate,
    /// Decided: allow, and the start recorded with it.
    Start,
    /// Its outcome was recorded: it is suspended until an approval.
    Suspend,
    /// Its outcome was recorded.
    Close,
    /// The next start of the gate found it open.
    Recover,
}

impl CallEvent {
    /// Every event.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;
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

    /// The state after `event`, or `None` if the event is not allowed.
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
            // It will not run again, but it has run.
            (Some(Self::Suspended), E::Deny) => Some(Self::Closed),
            (Some(Self::Started), E::Close) => Some(Self::Closed),
            (Some(Self::Started), E::Recover) => Some(Self::Indeterminate),
            _ => None,
        }
    }

    /// Whether an effect may have happened.
    #[must_use]
    pub fn may_have_run(self) -> bool {
        matches!(
            self,
            Self::Started | Self::Suspended | Self::Closed | Self::Indeterminate
        )
    }
}

/// Where an approval is.
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
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum ApprovalState {
    /// Not enough people have answered.
    Pending,
    /// Enough people approved; the call has not run yet.
    Approved,
    /// Someone rejected it; the same call is denied until it expires.
    Rejected,
    /// It was not answered, or the answer was not used, in time.
    Expired,
    /// Voided by the requester, a halt, the end of its run, or another approval request of the same call.
    Cancelled,
    /// Used by the one call that it allowed.
    Consumed,
}

/// What can happen to an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, strum::VariantArray)]
pub enum ApprovalEvent {
    /// Someone approved, and more approvals are needed.
    Vote,
    /// Someone approved, and that is enough.
    Approve,
    /// Someone rejected.
    Reject,
    /// It expired.
    Expire,
    /// The requester withdrew it, or a halt or the end of the run voided it.
    Cancel,
    /// The call that it allows is started, or the effect inside a call is decided, in the same transaction.
    Consume,
}

impl ApprovalEvent {
    /// Every event.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;
}

impl ApprovalState {
    /// Every state.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The state after `event`, or `None` if the event is not allowed.
    #[must_use]
    pub fn after(self, event: ApprovalEvent) -> Option<Self> {
        use ApprovalEvent as E;
        match (self, event) {
            (Self::Pending, E::Vote) => Some(Self::Pending),
            (Self::Pending, E::Approve) => Some(Self::Approved),
            // A later rejection stops what has not run yet.
            (Self::Pending | Self::Approved, E::Reject) => Some(Self::Rejected),
            (Self::Pending | Self::Approved, E::Expire) => Some(Self::Expired),
            (Self::Pending | Self::Approved, E::Cancel) => Some(Self::Cancelled),
            (Self::Approved, E::Consume) => Some(Self::Consumed),
            _ => None,
        }
    }
}

named!(ApprovalState);

/// Where a standing approval is.
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
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum StandingState {
    /// It counts, as far as its approver may still approve.
    Active,
    /// It was used as often as it may be.
    Exhausted,
    /// Its time is over.
    Expired,
    /// A person ended it.
    Revoked,
    /// A halt, or the end of its run, ended it.
    Voided,
}

/// What can happen to a standing approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, strum::VariantArray)]
pub enum StandingEvent {
    /// A call that it allows is started, in the same transaction. Uses are left.
    Use,
    /// The same, and no use is left.
    UseLast,
    /// Its time is over.
    Expire,
    /// A person ended it.
    Revoke,
    /// A halt, or the end of its run, ended it.
    Void,
}

impl StandingState {
    /// Every state.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The state after `event`, or `None` if the event is not allowed.
    #[must_use]
    pub fn after(self, event: StandingEvent) -> Option<Self> {
        use StandingEvent as E;
        match (self, event) {
            (Self::Active, E::Use) => Some(Self::Active),
            (Self::Active, E::UseLast) => Some(Self::Exhausted),
            (Self::Active, E::Expire) => Some(Self::Expired),
            (Self::Active, E::Revoke) => Some(Self::Revoked),
            (Self::Active, E::Void) => Some(Self::Voided),
            (Self::Exhausted | Self::Expired | Self::Revoked | Self::Voided, _) => None,
        }
    }
}

named!(StandingState);

#[cfg(test)]
mod tests;
