//! Approvals: who may answer one, and the effect of an answer.
//!
//! Answering is itself decided and recorded. It does not run the waiting call: the caller repeats the call,
//! and it is decided again.

use std::{collections::BTreeSet, sync::Arc};

use serde::Serialize;
use serde_json::Value;
use tollgate_model::{
    decision::{Basis, Decision},
    entity::{Entity, Kind, Uid},
    ids::{ApprovalId, DecisionId, LinkId},
    life::{ApprovalEvent, ApprovalState},
    record::{AnswerRefusal, ApprovalAnswered, Event, Record},
    request::{Action, ActionContext, PriorApproval, Request},
    time::Timestamp,
};

mod asking_side;
mod elicitation;
mod link;
mod pending_call;
mod view;

use asking_side::{maker_on_asking_side, operator};
pub use elicitation::{ElicitationResponse, GivenInput};
pub use pending_call::PendingCall;
pub use view::ApprovalView;

use super::{Pep, Refusal, Ruleset};
use crate::{config::Config, elicitation::InputError, text::printable};
use tollgate_ledger::{ApprovalRow, Batch, CommitError, Condition, LedgerError};

/// How often an answer is tried again because another answer came first.
pub(super) const MAX_ATTEMPTS: u32 = 16;

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
    #[error("{}", link::problem(*reason))]
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

/// An approver's answer.
#[derive(Debug, Clone, Copy)]
pub struct ApprovalResponse<'a> {
    /// Approve or reject.
    pub vote: Vote,
    /// Digest of the call that the approver saw, which must be that of the waiting call.
    pub seen: Option<&'a str>,
    /// A note for the record.
    pub note: Option<&'a str>,
    /// The channel, such as `cli` or `rest`.
    pub channel: &'a str,
    /// Users other than the approver who made the token by which the approver is known.
    pub token_makers: &'a BTreeSet<String>,
    /// The link by which it comes; it counts only for its own user, approval and call, once.
    pub link: Option<LinkId>,
}

/// Of an answer without a token, or with one that the approver made.
static NO_MAKERS: BTreeSet<String> = BTreeSet::new();

impl<'a> ApprovalResponse<'a> {
    /// An answer without a note and without a check of the digest.
    #[must_use]
    pub fn new(vote: Vote, channel: &'a str) -> Self {
        Self {
            vote,
            seen: None,
            note: None,
            channel,
            token_makers: &NO_MAKERS,
            link: None,
        }
    }
}

/// An approver's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vote {
    /// The call may run.
    Approve,
    /// The call may not run, until the approval would have expired.
    Reject,
}

/// An approval after an answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ApprovalResult {
    /// The approval.
    pub id: ApprovalId,
    /// Its state now.
    pub state: ApprovalState,
    /// The decision that allowed this person to answer.
    pub decision: DecisionId,
    /// What is still missing while it is pending.
    pub needs: Option<String>,
}

fn request(
    ruleset: &Ruleset,
    user: &Uid,
    row: &ApprovalRow,
    action: Action,
    channel: &str,
) -> (Request, Vec<Entity>) {
    let config = &ruleset.config;
    let tool = Uid::new(Kind::Tool, &row.tool);
    let resource = Uid::new(Kind::Approval, row.id.to_string());
    let operator = operator(config, row);
    let request = Request {
        principal: user.clone(),
        action,
        resource: resource.clone(),
        context: ActionContext::Approver {
            tool: tool.clone(),
            on_behalf_of: row.on_behalf_of.clone(),
            operator,
            roles: row.requirement.roles(),
            escalated_to: row.escalated_to.clone(),
            speaker: row.speaker.as_ref().map(|speaker| speaker.by.clone()),
            makers: row.makers.clone(),
            channel: channel.into(),
        },
    };
    // Roles and users of an earlier configuration stay known.
    let asked = row.requirement.roles();
    let roles = asked.iter().chain(&row.escalated_to);
    let roles = roles.map(|role| Entity::new(Uid::new(Kind::Role, role), []));
    let gone = |user: &&String| !config.users.contains_key(*user);
    let makers = row.makers.iter().filter(gone);
    let makers = makers.map(|user| Entity::new(Uid::new(Kind::User, user), []));
    // For who may answer, a prompt or a resource is a tool: in the same component, with the same labels.
    let other = ruleset.others.get(&row.tool);
    let other = other.map(|other| Entity {
        uid: tool.clone(),
        ..other.entity(&Value::Null)
    });
    let approval = Entity::new(resource, [tool]);
    let entities = other
        .into_iter()
        .chain([approval])
        .chain(roles)
        .chain(makers);
    (request, entities.collect())
}

/// Requires that the digest in an answer, if it has one, is that of the waiting call.
fn require_shown(row: &ApprovalRow, seen: Option<&str>) -> Result<(), ApprovalError> {
    match seen {
        Some(seen) if seen != row.arguments.as_str() => Err(ApprovalError::OtherCall(row.id)),
        _ => Ok(()),
    }
}

impl Pep {
    /// An approval of this gate.
    fn approval_row(
        &self,
        ruleset: &Ruleset,
        id: ApprovalId,
    ) -> Result<ApprovalRow, ApprovalError> {
        let row = self.ledger.reader().approval(id)?;
        row.filter(|row| is_here(ruleset, row))
            .ok_or(ApprovalError::NotFound(id))
    }

    /// Answers an approval as `user`.
    pub(crate) async fn answer(
        &self,
        ruleset: &Arc<Ruleset>,
        user: &Uid,
        id: ApprovalId,
        response: ApprovalResponse<'_>,
    ) -> Result<ApprovalResult, ApprovalError> {
        let mut last_state = ApprovalState::Pending;
        for _ in 0..MAX_ATTEMPTS {
            let row = self.approval_row(ruleset, id)?;
            if row.elicitation.is_some() {
                return Err(ApprovalError::Question(id));
            }
            last_state = row.state;
            require_shown(&row, response.seen)?;
            self.check_link(ruleset, user, &row, &response)?;
            if let Some(result) = self.answer_once(ruleset, user, &row, response).await? {
                return Ok(result);
            }
        }
        Err(ApprovalError::Resolved {
            id,
            state: last_state,
        })
    }

    /// Decides and records the answer. `None` if the approval has changed since it was read.
    async fn answer_once(
        &self,
        ruleset: &Arc<Ruleset>,
        user: &Uid,
        row: &ApprovalRow,
        response: ApprovalResponse<'_>,
    ) -> Result<Option<ApprovalResult>, ApprovalError> {
        let id = row.id;
        let action = match response.vote {
            Vote::Approve => Action::Approve,
            Vote::Reject => Action::Reject,
        };
        let (request, entities) = request(ruleset, user, row, action, response.channel);
        let judged = self.judge(ruleset, request, entities);
        let (record, payload) = self.judged_record(ruleset, &judged, Some(row.run), Some(id))?;
        let mut batch = Batch {
            records: vec![record],
            payloads: vec![payload],
            conditions: Vec::new(),
        };
        if !matches!(judged.decision, Decision::Allow(_)) {
            let decision = DecisionId(self.commit(batch).await.map_err(Refusal::from)?.first());
            let basis = Box::new(judged.decision.basis().clone());
            return Err(Refusal::Denied { decision, basis }.into());
        }
        let configured = ruleset.config.users.get(&user.id);
        let roles = configured.map_or_else(BTreeSet::new, |user| user.roles.clone());
        let now = judged.facts.now;
        let maker = maker_on_asking_side(&ruleset.config, row, &response);
        let Effect { event, needs } = effect(row, user, &roles, &response, now)?;
        let expired = event == ApprovalEvent::Expire;
        let state = row
            .state
            .after(event)
            .filter(|_| maker.is_none() || expired);
        let of_run = |event| Record::new(row.tenant.clone(), Some(row.run), now, event);
        let answered = ApprovalAnswered {
            approve: response.vote == Vote::Approve,
            by: user.clone(),
            channel: response.channel.into(),
            elicitation: None,
            id,
            link: response.link,
            roles,
            took_effect: state.is_some() && !expired,
            note: response.note.map(|note| printable(note, 1000)),
            token_makers: response.token_makers.clone(),
        };
        batch
            .records
            .push(of_run(Event::ApprovalAnswered(answered)));
        if let Some(state) = state {
            let unchanged = Condition::ApprovalUnchanged(id, row.version);
            batch.conditions.push(unchanged);
            if state != ApprovalState::Pending {
                batch.records.push(of_run(row.resolved(state)));
            }
        }
        let decision = match self.commit(batch).await {
            Ok(receipt) => DecisionId(receipt.first()),
            Err(CommitError::ApprovalChanged) => return Ok(None),
            Err(error) => return Err(Refusal::from(error).into()),
        };
        match (state, maker) {
            (Some(state), _) if !expired => Ok(Some(ApprovalResult {
                id,
                state,
                decision,
                needs,
            })),
            (None, Some(maker)) => Err(ApprovalError::TokenOfAsker {
                id,
                user: user.id.clone(),
                maker,
            }),
            (state, _) => Err(ApprovalError::Resolved {
                id,
                state: state.unwrap_or(row.state),
            }),
        }
    }

    /// Whether `user` may approve it now by this channel.
    pub(crate) fn can_answer(
        &self,
        ruleset: &Arc<Ruleset>,
        user: &Uid,
        row: &ApprovalRow,
        channel: &str,
    ) -> bool {
        if !is_here(ruleset, row) {
            return false;
        }
        let action = match row.elicitation {
            Some(_) if *user == row.principal => return false,
            Some(_) => Action::AnswerInput,
            None => Action::Approve,
        };
        let (request, entities) = request(ruleset, user, row, action, channel);
        let decision = self.judge(ruleset, request, entities).decision;
        matches!(decision, Decision::Allow(_))
    }
}

/// Whether an approval belongs to this gate's tenant. Those of other tenants in the store are hidden.
fn is_here(ruleset: &Ruleset, row: &ApprovalRow) -> bool {
    row.tenant == ruleset.config.gate.tenant
}

/// The effect of an answer on an approval.
struct Effect {
    event: ApprovalEvent,
    /// What is still missing after it.
    needs: Option<String>,
}

fn effect(
    row: &ApprovalRow,
    user: &Uid,
    roles: &BTreeSet<String>,
    response: &ApprovalResponse<'_>,
    now: Timestamp,
) -> Result<Effect, ApprovalError> {
    let is_open = matches!(row.state, ApprovalState::Pending | ApprovalState::Approved);
    // The maker of a token can answer in its user's name, so both are one person.
    let is_same_person = |person: &str| person == user.id || response.token_makers.contains(person);
    let mut counted = (row.answers.iter()).filter(|answer| answer.approve && answer.took_effect);
    if response.vote == Vote::Approve
        && row.state == ApprovalState::Pending
        && counted.any(|answer| answer.people().any(is_same_person))
        && row.expires > now
    {
        return Err(ApprovalError::Twice {
            id: row.id,
            user: user.id.clone(),
            needs: missing(row, row.approvers.len() as u64),
        });
    }
    if is_open && row.expires <= now {
        let event = ApprovalEvent::Expire;
        return Ok(Effect { event, needs: None });
    }
    let event = match response.vote {
        Vote::Reject => ApprovalEvent::Reject,
        Vote::Approve => {
            let earlier = row.approvers.iter().flat_map(|(_, roles)| roles);
            let held: BTreeSet<String> = roles.iter().chain(earlier).cloned().collect();
            let count = row.approvers.len() as u64 + 1;
            if !row.requirement.met_by(&held, count) {
                return Ok(Effect {
                    event: ApprovalEvent::Vote,
                    needs: Some(missing(row, count)),
                });
            }
            ApprovalEvent::Approve
        }
    };
    Ok(Effect { event, needs: None })
}

fn missing(row: &ApprovalRow, approved: u64) -> String {
    format!("{}; {approved} approved so far", row.requirement)
}

/// The approval of a row as policies see it. An approver's roles count only if they still have them, and an
/// answer of a former user does not count.
pub(crate) fn grant_from_row(row: &ApprovalRow, config: &Config) -> PriorApproval {
    let mut granted = PriorApproval {
        count: 0,
        lifts: row.requirement.lifts.clone(),
        roles: BTreeSet::new(),
    };
    for (approver, roles) in &row.approvers {
        let Some(user) = config.users.get(&approver.id) else {
            continue;
        };
        granted.count += 1;
        granted
            .roles
            .extend(roles.intersection(&user.roles).cloned());
    }
    granted
}

/// The refusal of a call that waits for this approval.
pub(crate) fn pending_refusal(decision: DecisionId, basis: Basis, row: &ApprovalRow) -> Refusal {
    Refusal::Pending {
        decision,
        basis: Box::new(basis),
        approval: row.id,
        requirement: Box::new(row.requirement.clone()),
        expires: row.expires,
        happened: Vec::new(),
    }
}
