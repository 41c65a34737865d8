//! What a person answers.

use std::{collections::BTreeSet, sync::Arc};

use tollgate_ledger::ApprovalRow;
use tollgate_model::{
    entity::Uid,
    ids::ApprovalId,
    record::{ApprovalAnswered, EditedArguments},
};

use super::{ApprovalResponse, Vote, subject::Subject};
use crate::{
    enforce::{Ruleset, ToolCall},
    text::printable,
};

/// What a person answers, and how.
#[derive(Clone, Copy)]
pub(crate) struct Responder<'a> {
    pub(crate) ruleset: &'a Arc<Ruleset>,
    pub(crate) user: &'a Uid,
    pub(crate) response: ApprovalResponse<'a>,
    /// The call with the arguments of [`ApprovalResponse::edit`].
    pub(crate) edited: Option<&'a ToolCall>,
}

impl Responder<'_> {
    /// The roles that the person has now.
    pub(super) fn roles(&self) -> BTreeSet<String> {
        let user = self.ruleset.config.users.get(&self.user.id);
        user.map_or_else(BTreeSet::new, |user| user.roles.clone())
    }

    /// A person on the side that asks who made the token of the approval.
    pub(super) fn maker_on(&self, subject: &Subject<'_>) -> Option<String> {
        let (config, makers) = (&self.ruleset.config, self.response.token_makers);
        match self.response.vote {
            Vote::Approve => subject.side.maker_among(config, makers),
            Vote::Reject => None,
        }
    }

    /// The answer as it is recorded, to one approval of `question`.
    pub(super) fn answered(
        &self,
        row: &ApprovalRow,
        question: Option<ApprovalId>,
        edited: Option<EditedArguments>,
        took_effect: bool,
    ) -> ApprovalAnswered {
        let response = self.response;
        ApprovalAnswered {
            approve: response.vote == Vote::Approve,
            by: self.user.clone(),
            channel: response.channel.into(),
            edited,
            elicitation: None,
            id: row.id,
            link: response.link,
            question,
            roles: self.roles(),
            took_effect,
            note: response.note.map(|note| printable(note, 1000)),
            token_makers: response.token_makers.clone(),
        }
    }
}
