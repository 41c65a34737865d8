//! A human's answers: who may give one, and what it changes.
//!
//! Approving is itself decided and recorded. This module never runs the call that waits: whoever asked
//! repeats it, and it is decided again.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError},
};

use serde::Serialize;
use tollgate_model::{
    decision::Decision,
    entity::{Entity, Kind, Uid},
    ids::{ApprovalId, DecisionId},
    life::{ApprovalEvent, ApprovalState},
    record::{AdminAction, Administered, ApprovalAnswered, Event, Record},
    request::{Action, ActionContext, Request},
};

use super::{Pep, Refusal};
use crate::{
    config::{CLI_AGENT, Config},
    snapshot::Snapshot,
    text::printable,
};
use tollgate_ledger::{ApprovalRow, Batch, CommitError, Condition, LedgerError};

/// How often an answer is tried again because somebody else answered meanwhile.
pub(super) const MAX_ATTEMPTS: u32 = 16;

/// Why an answer was not taken.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ApprovalError {
    /// Nothing has this id.
    #[error("there is no approval `{0}`; list those that wait with `tollgate approvals list`")]
    NotFound(ApprovalId),
    /// It was answered, used or voided before.
    #[error("approval {id} is {} already", state.as_str())]
    Resolved {
        /// Which.
        id: ApprovalId,
        /// Its state.
        state: ApprovalState,
    },
    /// The same person approved before; others are needed.
    #[error("{user} has approved {id} already; it still needs {needs}")]
    Twice {
        /// Which.
        id: ApprovalId,
        /// Who.
        user: String,
        /// What is still missing.
        needs: String,
    },
    /// The digest that the answer names is not that of the call.
    #[error(
        "the call that waits is not the one that was shown; look again with `tollgate approvals show {0}`"
    )]
    OtherCall(ApprovalId),
    /// Policy does not let this person answer.
    #[error("{}", denied(.0))]
    Denied(Box<Refusal>),
    /// The store.
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

/// What an approver says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words<'a> {
    pub(crate) approve: bool,
    /// Digest of the call that they were shown.
    pub(crate) seen: Option<&'a str>,
    pub(crate) note: Option<&'a str>,
    pub(crate) channel: &'a str,
}

/// What became of an answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answered {
    /// Which approval.
    pub id: ApprovalId,
    /// Its state now.
    pub state: ApprovalState,
    /// The decision that let this person answer.
    pub decision: DecisionId,
    /// What is still missing while it is pending.
    pub needs: Option<String>,
}

/// An approval as the approver sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ApprovalView {
    /// The approval.
    #[serde(flatten)]
    pub row: ApprovalRow,
    /// The canonical arguments whole, control and bidirectional characters escaped; absent once it is
    /// resolved, or if this person may not answer it.
    pub arguments: Option<String>,
    /// Reasons of the policies that stopped the call.
    pub reasons: Vec<String>,
    /// Labels of the run.
    pub labels: BTreeSet<String>,
}

fn request(
    config: &Config,
    user: &Uid,
    row: &ApprovalRow,
    action: Action,
) -> (Request, Vec<Entity>) {
    let tool = Uid::new(Kind::Tool, &row.tool);
    let resource = Uid::new(Kind::Approval, row.id.to_string());
    let operator = match row.principal.kind {
        Kind::User => row.principal.clone(),
        _ => config.agents.get(&row.principal.id).map_or_else(
            || row.on_behalf_of.clone(),
            |a| Uid::new(Kind::User, &a.operator),
        ),
    };
    let request = Request {
        principal: user.clone(),
        action,
        resource: resource.clone(),
        context: ActionContext::Approver {
            tool: tool.clone(),
            on_behalf_of: row.on_behalf_of.clone(),
            operator,
            roles: row.requirement.roles(),
            asked_too: row.escalated_to.clone(),
        },
    };
    (request, vec![Entity::new(resource, [tool])])
}

impl Pep {
    /// Answer an approval as `user`. `seen` is the digest of the call that the approver was shown.
    pub(crate) async fn answer(
        &self,
        snapshot: &Arc<Snapshot>,
        user: &Uid,
        id: ApprovalId,
        words: Words<'_>,
    ) -> Result<Answered, ApprovalError> {
        let Words {
            approve,
            seen,
            note,
            channel,
        } = words;
        let mut judged_once = None;
        for _ in 0..MAX_ATTEMPTS {
            let row = self.ledger.reader().approval(id)?;
            let row = row
                .filter(|row| is_here(snapshot, row))
                .ok_or(ApprovalError::NotFound(id))?;
            if seen.is_some_and(|seen| seen != row.arguments.as_str()) {
                return Err(ApprovalError::OtherCall(id));
            }
            let action = if approve {
                Action::Approve
            } else {
                Action::Reject
            };
            let (request, entities) = request(&snapshot.config, user, &row, action);
            let judged = self.judge(snapshot, request, entities);
            let (record, payload) =
                self.judged_record(snapshot, &judged, Some(row.run), Some(id))?;
            if !matches!(judged.decision, Decision::Allow(_)) {
                let batch = Batch {
                    records: vec![record],
                    payloads: vec![payload],
                    conditions: Vec::new(),
                };
                let decision = DecisionId(self.commit(batch).await.map_err(Refusal::from)?.first());
                let basis = judged.decision.basis().clone();
                return Err(Refusal::Denied { decision, basis }.into());
            }
            let roles = snapshot
                .config
                .users
                .get(&user.id)
                .map(|user| user.roles.clone())
                .unwrap_or_default();
            let answered = |took_effect| {
                Event::ApprovalAnswered(ApprovalAnswered {
                    approve,
                    by: user.clone(),
                    channel: channel.into(),
                    id,
                    roles: roles.clone(),
                    took_effect,
                    note: note.map(|n| printable(n, 1000)),
                })
            };
            let now = judged.facts.now;
            let of_run = |event| Record::new(row.tenant.clone(), Some(row.run), now, event);
            let (next, needs) = if approve {
                vote(&row, user, &roles)
            } else {
                (Some(ApprovalEvent::Reject), None)
            };
            let expired = row.expires <= now
                && matches!(row.state, ApprovalState::Pending | ApprovalState::Approved);
            let event = if expired {
                Some(ApprovalEvent::Expire)
            } else {
                next
            };
            let Some(event) = event else {
                let needs = needs.unwrap_or_default();
                return Err(ApprovalError::Twice {
                    id,
                    user: user.id.clone(),
                    needs,
                });
            };
            let state = row.state.after(event);
            let mut batch = Batch {
                records: vec![record],
                payloads: vec![payload],
                conditions: Vec::new(),
            };
            batch
                .records
                .push(of_run(answered(state.is_some() && !expired)));
            if let Some(state) = state {
                batch
                    .conditions
                    .push(Condition::ApprovalUnchanged(id, row.version));
                if state != ApprovalState::Pending {
                    batch.records.push(of_run(row.resolved(state)));
                }
            }
            match self.commit(batch).await {
                Ok(receipt) => {
                    let decision = DecisionId(receipt.first());
                    return match state {
                        Some(state) if !expired => Ok(Answered {
                            id,
                            state,
                            decision,
                            needs,
                        }),
                        state => Err(ApprovalError::Resolved {
                            id,
                            state: state.unwrap_or(row.state),
                        }),
                    };
                }
                Err(CommitError::ApprovalChanged) => judged_once = Some(row.state),
                Err(error) => return Err(Refusal::from(error).into()),
            }
        }
        Err(ApprovalError::Resolved {
            id,
            state: judged_once.unwrap_or(ApprovalState::Pending),
        })
    }

    /// Whether `user` may answer it as things are.
    pub(crate) fn could_answer(
        &self,
        snapshot: &Arc<Snapshot>,
        user: &Uid,
        row: &ApprovalRow,
    ) -> bool {
        if !is_here(snapshot, row) {
            return false;
        }
        let (request, entities) = request(&snapshot.config, user, row, Action::Approve);
        let decision = self.judge(snapshot, request, entities).decision;
        matches!(decision, Decision::Allow(_))
    }

    /// An approval as `user` may see it: the arguments only if they may answer it, and that they were shown is
    /// recorded before.
    pub(crate) async fn approval_view(
        &self,
        snapshot: &Arc<Snapshot>,
        user: &Uid,
        row: ApprovalRow,
    ) -> Result<ApprovalView, ApprovalError> {
        let may_answer = self.could_answer(snapshot, user, &row);
        let arguments = match row.payload {
            Some(digest) if may_answer => {
                self.note_shown(user, &row).await?;
                let plain = self.ledger.unseal(row.opened, digest, "arguments")?;
                let text: String = serde_json::from_slice(&plain)
                    .map_err(|e| ApprovalError::Store(e.to_string()))?;
                Some(printable(&text, usize::MAX))
            }
            _ => None,
        };
        let policies = snapshot.pdp.policies();
        let reasons = row
            .requirement
            .lifts
            .iter()
            .filter_map(|lifted| policies.get(&lifted.id))
            .map(|policy| policy.determining.reason.clone())
            .collect();
        let labels = self
            .ledger
            .run_state(row.run, None)?
            .map(|state| state.labels)
            .unwrap_or_default();
        Ok(ApprovalView {
            row,
            arguments,
            reasons,
            labels,
        })
    }

    /// Record that `user` is shown what an approval is for; once, however often they look.
    async fn note_shown(&self, user: &Uid, row: &ApprovalRow) -> Result<(), ApprovalError> {
        let shown = || self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown().get(&row.id).is_some_and(|to| to.contains(user)) {
            return Ok(());
        }
        let event = Event::Administered(Administered {
            action: AdminAction::ApprovalArgumentsViewed,
            by: user.id.clone(),
            target: row.id.to_string(),
        });
        let batch = Batch {
            records: vec![Record::new(
                row.tenant.clone(),
                Some(row.run),
                self.now(),
                event,
            )],
            ..Batch::default()
        };
        self.commit(batch).await.map_err(Refusal::from)?;
        let mut shown = shown();
        let mut to = shown.get(&row.id).cloned().unwrap_or_default();
        to.insert(user.clone());
        shown.insert(row.id, to);
        Ok(())
    }
}

/// Whether an approval is of this gate's tenant: nobody here has to do with those of others in its store.
fn is_here(snapshot: &Snapshot, row: &ApprovalRow) -> bool {
    row.tenant == snapshot.config.gate.tenant
}

/// What an approval by `user` does, and what is missing after it. Nothing, if they approved before.
fn vote(
    row: &ApprovalRow,
    user: &Uid,
    roles: &BTreeSet<String>,
) -> (Option<ApprovalEvent>, Option<String>) {
    let missing = format!(
        "{}; {} approved so far",
        row.requirement,
        row.approvers.len()
    );
    let open = row.state == ApprovalState::Pending;
    if open && row.approvers.iter().any(|(by, _)| by == user) {
        return (None, Some(missing));
    }
    let mut held = roles.clone();
    held.extend(
        row.approvers
            .iter()
            .flat_map(|(_, roles)| roles.iter().cloned()),
    );
    let count = row.approvers.len() as u64 + 1;
    if row.requirement.met_by(&held, count) {
        (Some(ApprovalEvent::Approve), None)
    } else {
        (
            Some(ApprovalEvent::Vote),
            Some(format!("{}; {count} approved so far", row.requirement)),
        )
    }
}

/// The agent that stands for people at the command line.
pub(crate) fn cli_agent() -> Uid {
    Uid::new(Kind::Agent, CLI_AGENT)
}
