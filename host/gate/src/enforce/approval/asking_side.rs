//! The people for whose side a call is made: they cannot approve it with any token.

use std::collections::BTreeSet;

use tollgate_model::entity::{Kind, Uid};

use crate::config::Config;

/// The parties that ask.
#[derive(Debug, Clone, Copy)]
pub(super) struct AskingSide<'a> {
    /// The agent or user that makes the call.
    pub(super) principal: &'a Uid,
    /// The user for whom it acts.
    pub(super) on_behalf_of: &'a Uid,
    /// The user who made the call in the agent's name.
    pub(super) speaker: Option<&'a Uid>,
    /// Users who made the token by which the call was made.
    pub(super) makers: &'a BTreeSet<String>,
}

impl AskingSide<'_> {
    /// The operator of the agent that asks; the user itself if a user asks.
    pub(super) fn operator(&self, config: &Config) -> Uid {
        match self.principal.kind {
            Kind::User => self.principal.clone(),
            _ => config.agents.get(&self.principal.id).map_or_else(
                || self.on_behalf_of.clone(),
                |agent| Uid::new(Kind::User, &agent.operator),
            ),
        }
    }

    /// A person on this side who is among the makers of a token: the agent's operator, the user for whom it
    /// acts, the user who made the call in its name, or a maker of the token by which the call was made.
    pub(super) fn maker_among(
        &self,
        config: &Config,
        token_makers: &BTreeSet<String>,
    ) -> Option<String> {
        let operator = self.operator(config);
        let mut side = [&operator, self.on_behalf_of]
            .into_iter()
            .chain(self.speaker)
            .map(|user| &user.id)
            .chain(self.makers);
        side.find(|user| token_makers.contains(*user)).cloned()
    }
}
