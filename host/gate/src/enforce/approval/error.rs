//! Why an answer was not accepted.

use tollgate_ledger::LedgerError;
use tollgate_model::{
    ids::{ApprovalId, StandingId},
    life::{ApprovalState, StandingState},
    record::AnswerRefusal,
};

use crate::{elicitation::InputError, enforce::Refusal};

/// Why an answer was not accepted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ApprovalError {
    /// There is no approval with this id.
    #[error("there is no approval `{0}`; list pending ones with `tollgate approvals list`")]
    NotFound(ApprovalId),
    /// It was already answered, used or voided.
    #[error("approval {id} is {} already", state.as_str())]
    Resolved {
        /// The approval.
        id: ApprovalId,
        /// Its state.
        state: ApprovalState,
    },
    /// The same person has already approved, perhaps as another user whose token one of them made; others
    /// are needed.
    #[error(
        "{user} has approved {id} already, or the maker of a token has; it still needs {needs}"
    )]
    Twice {
        /// The approval.
        id: ApprovalId,
        /// The user.
        user: String,
        /// What is still missing.
        needs: String,
    },
    /// The token of the answer was made by a person on the asking side.
    #[error(
        "your token was made by {maker}, for whose side this call is made, so your approval does not count: \
         sign in by other means, or with a token of {user} that another person made"
    )]
    TokenOfAsker {
        /// The approval.
        id: ApprovalId,
        /// The user.
        user: String,
        /// The person who made the token.
        maker: String,
    },
    /// The digest in the answer differs from that of the call.
    #[error(
        "the waiting call is not the one that was shown; look again with `tollgate approvals show {0}`"
    )]
    OtherCall(ApprovalId),
    /// The link of the answer does not count.
    #[error("{}", link_problem(*reason))]
    Link {
        /// The approval.
        id: ApprovalId,
        /// Why not.
        reason: AnswerRefusal,
    },
    /// It asks for input, not for an approval.
    #[error(
        "`{0}` asks for input, not for an approval; answer it with `tollgate approvals answer {0}`"
    )]
    Question(ApprovalId),
    /// It asks for an approval, not for input.
    #[error("`{0}` asks for an approval, not for input; use `tollgate approvals approve {0}`")]
    NoQuestion(ApprovalId),
    /// The values do not fit the form.
    #[error("{0}; look again with `tollgate approvals show`")]
    Input(InputError),
    /// The user who would answer makes the calls of the run.
    #[error(
        "{user} makes the calls of this run, so an answer of {user} could be its agent's: another person must answer"
    )]
    OwnQuestion {
        /// The user.
        user: String,
    },
    /// The policies ask for a person with another role.
    #[error("{user} lacks a role that the policies ask for: {needs}")]
    RoleMissing {
        /// The user.
        user: String,
        /// What they ask for.
        needs: String,
    },
    /// The answer cannot be given for the calls like this one as well. Nothing was answered.
    #[error("no standing approval was made, and nothing was answered: {0}")]
    NotStanding(String),
    /// The arguments cannot be changed like this. Nothing was answered.
    #[error("the arguments were not changed, and nothing was answered: {0}")]
    NotEdited(String),
    /// It has no preview, or not for this person. The approval is as before.
    #[error("there is no preview: {0}")]
    NotPreviewed(String),
    /// There is no standing approval with this id.
    #[error(
        "there is no standing approval `{0}`; list them with `tollgate approvals standing list`"
    )]
    NoStanding(StandingId),
    /// The standing approval does not count any more.
    #[error("standing approval {id} is {} already", state.as_str())]
    StandingOver {
        /// The standing approval.
        id: StandingId,
        /// Its state.
        state: StandingState,
    },
    /// Policy does not let this person answer.
    #[error("{}", denied(.0))]
    Denied(Box<Refusal>),
    /// An error of the store.
    #[error("{0}")]
    Store(String),
}

fn denied(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Denied { decision, basis } | Refusal::Undecidable { decision, basis } => {
            format!(
                "you may not answer this approval: {} (decision {decision})",
                basis.reason()
            )
        }
        Refusal::Unrecorded { reason } => reason.clone(),
        _ => "you may not answer this approval".into(),
    }
}

impl From<LedgerError> for ApprovalError {
    fn from(error: LedgerError) -> Self {
        Self::Store(error.to_string())
    }
}

impl From<Refusal> for ApprovalError {
    fn from(refusal: Refusal) -> Self {
        Self::Denied(Box::new(refusal))
    }
}

/// What is wrong with a link, and what to do.
fn link_problem(reason: AnswerRefusal) -> &'static str {
    match reason {
        AnswerRefusal::ExpiredLink => {
            "this link has expired; answer with `tollgate approvals`, or wait for the next request"
        }
        AnswerRefusal::UsedLink => "this link was used before, and counts once",
        AnswerRefusal::RevokedLink => "this link was revoked",
        AnswerRefusal::SecondLink => {
            "policy asks for more than one person, and another answer by link or from Slack counts already: both prove \
             only that a person reads the messages; answer with `tollgate approvals` or by REST"
        }
        _ => "this link is not one of this gate for this approval",
    }
}
