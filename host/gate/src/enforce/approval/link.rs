//! Answers by links: a link counts for its own user, approval and call, once, and never for two people, nor besides an
//! answer from Slack.

use std::sync::Arc;

use tollgate_ledger::{ApprovalLink, ApprovalRow};
use tollgate_model::{
    entity::Uid,
    life::ApprovalState,
    record::{AnswerChannel, AnswerRefusal, ApprovalLinkState},
};

use super::{ApprovalError, ApprovalResponse, Pep, Ruleset, Vote};

impl Pep {
    /// Checks the link of an answer, if it comes by one, and that no link counts besides an answer from Slack.
    pub(super) fn check_link(
        &self,
        ruleset: &Arc<Ruleset>,
        user: &Uid,
        row: &ApprovalRow,
        response: &ApprovalResponse<'_>,
    ) -> Result<(), ApprovalError> {
        let refused = |reason| ApprovalError::Link { id: row.id, reason };
        let slack = AnswerChannel::Slack.as_str();
        let mut counted = (row.answers.iter()).filter(|a| a.approve && a.took_effect);
        let is_vote = response.vote == Vote::Approve && row.state == ApprovalState::Pending;
        let Some(link) = response.link else {
            let is_second =
                is_vote && response.channel == slack && counted.any(|answer| answer.link.is_some());
            return match is_second {
                true => Err(refused(AnswerRefusal::SecondLink)),
                false => Ok(()),
            };
        };
        let found = self.ledger.reader().approval_link(link)?;
        let found = found.filter(|link| {
            link.approval == row.id && link.user == *user && link.arguments == *row.shown_digest()
        });
        let link = found.ok_or_else(|| refused(AnswerRefusal::UnknownLink))?;
        if let Some(reason) = self.link_refusal(ruleset, &link) {
            return Err(refused(reason));
        }
        // All links go out by one webhook, so that one reader of its messages could use several of them, or one besides
        // an own button. As a first answer did not suffice, policy asks for more people: they prove who they are
        // otherwise.
        if is_vote && counted.any(|answer| answer.link.is_some() || answer.channel == slack) {
            return Err(refused(AnswerRefusal::SecondLink));
        }
        Ok(())
    }

    /// Why a link may not be used now; absent if it may.
    pub(crate) fn link_refusal(
        &self,
        ruleset: &Ruleset,
        link: &ApprovalLink,
    ) -> Option<AnswerRefusal> {
        let config = &ruleset.config;
        let links = config.approvals.links.as_ref();
        let may_have = config.users.contains_key(&link.user.id)
            && links.is_some_and(|links| links.users.contains(&link.user.id));
        match link.state {
            ApprovalLinkState::Used => Some(AnswerRefusal::UsedLink),
            ApprovalLinkState::Revoked => Some(AnswerRefusal::RevokedLink),
            ApprovalLinkState::Open if !may_have => Some(AnswerRefusal::RevokedLink),
            ApprovalLinkState::Open if link.expires <= self.now() => {
                Some(AnswerRefusal::ExpiredLink)
            }
            ApprovalLinkState::Open => None,
        }
    }
}
