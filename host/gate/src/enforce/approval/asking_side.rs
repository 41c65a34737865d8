//! The people for whose side a call is made: they cannot approve it with any token.

use tollgate_ledger::ApprovalRow;
use tollgate_model::entity::{Kind, Uid};

use super::{ApprovalResponse, Vote};
use crate::config::Config;

/// The operator of the agent that asks; the user itself if a user asks.
pub(super) fn operator(config: &Config, row: &ApprovalRow) -> Uid {
    match row.principal.kind {
        Kind::User => row.principal.clone(),
        _ => config.agents.get(&row.principal.id).map_or_else(
            || row.on_behalf_of.clone(),
            |agent| Uid::new(Kind::User, &agent.operator),
        ),
    }
}

/// A person on the asking side who made the token of an approval: the agent's operator, the user for whom it
/// acts, the user who made the call in its name, or a maker of the token by which the call was made.
pub(super) fn maker_on_asking_side(
    config: &Config,
    row: &ApprovalRow,
    response: &ApprovalResponse<'_>,
) -> Option<String> {
    if response.vote == Vote::Reject {
        return None;
    }
    let (operator, speaker) = (operator(config, row), row.speaker.as_ref());
    let mut side = [&operator, &row.on_behalf_of]
        .into_iter()
        .chain(speaker.map(|speaker| &speaker.by))
        .map(|user| &user.id)
        .chain(&row.makers);
    side.find(|user| response.token_makers.contains(*user))
        .cloned()
}
