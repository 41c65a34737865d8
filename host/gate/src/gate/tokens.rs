//! Who may make a token: decided by `make_token`, whose resource is the agent or user that it identifies.

use std::collections::BTreeSet;

use tollgate_ledger::Token;
use tollgate_model::{
    decision::Outcome,
    entity::{Kind, Uid},
    record::AdminAction,
};

use super::{Gate, OperateError};
use crate::{enforce::TokenAct, text::printable};

/// The person who makes or confirms a token.
#[derive(Debug, Clone, Copy)]
pub struct TokenMaker<'a> {
    /// The user.
    pub user: &'a Uid,
    /// Other users who made the token by which this one is known.
    pub makers: &'a BTreeSet<String>,
}

/// Whether a new token is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenValidity {
    /// From now on.
    Valid,
    /// Once a second person confirms it.
    Unconfirmed,
}

impl TokenMaker<'_> {
    /// The users other than its own who can use a token that this person makes.
    #[must_use]
    pub fn makers_of(&self, principal: &Uid) -> BTreeSet<String> {
        let mut makers = self.makers.clone();
        makers.insert(self.user.id.clone());
        if principal.kind == Kind::User {
            makers.remove(&principal.id);
        }
        makers
    }
}

impl Gate {
    /// Decides and records that a person makes this token. Where policy denies it to one person, and would
    /// allow it to two, the token waits for the second one.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn make_token(
        &self,
        maker: TokenMaker<'_>,
        token: &Token,
    ) -> Result<TokenValidity, OperateError> {
        let alone = self.token_act(maker.user, token, 1)?;
        let with_second = TokenAct {
            people: 2,
            ..alone.clone()
        };
        let denied = match self.authorize_token(&alone).await {
            Ok(()) => {
                let made = AdminAction::TokenCreated;
                self.record_administration(maker.user, made, &target(token))
                    .await?;
                return Ok(TokenValidity::Valid);
            }
            Err(denied) => denied,
        };
        if token.principal.kind != Kind::User || !self.would_allow_token(&with_second) {
            return Err(denied);
        }
        let requested = AdminAction::TokenRequested;
        self.record_administration(maker.user, requested, &target(token))
            .await?;
        Ok(TokenValidity::Unconfirmed)
    }

    /// Decides and records that a second person confirms a token.
    ///
    /// # Errors
    /// [`OperateError`]; also if the person took part in making it.
    pub async fn confirm_token(
        &self,
        maker: TokenMaker<'_>,
        token: &Token,
    ) -> Result<(), OperateError> {
        let first = token.makers.as_ref();
        let people = maker.makers.iter().chain([&maker.user.id]);
        let same = first.and_then(|first| people.clone().find(|person| first.contains(*person)));
        if let Some(same) = same {
            return Err(OperateError::SamePerson(format!(
                "{} was made by {same}, so another person must confirm it",
                token.id
            )));
        }
        if token.is_confirmed || first.is_none() {
            return Err(OperateError::Unknown(format!(
                "{} waits for no second person",
                token.id
            )));
        }
        let act = self.token_act(maker.user, token, 2)?;
        self.authorize_token(&act).await?;
        self.record_administration(maker.user, AdminAction::TokenConfirmed, &target(token))
            .await
    }

    fn token_act(&self, user: &Uid, token: &Token, people: u64) -> Result<TokenAct, OperateError> {
        let config = &self.ruleset().config;
        let on_behalf_of = match (&token.on_behalf_of, token.principal.kind) {
            (Some(user), _) => user.clone(),
            (None, Kind::User) => token.principal.id.clone(),
            (None, _) => match config.agents.get(&token.principal.id) {
                Some(agent) => agent.operator.clone(),
                None => {
                    let name = printable(&token.principal.id, 80);
                    return Err(OperateError::Unknown(format!("there is no agent `{name}`")));
                }
            },
        };
        let act = TokenAct {
            user: user.clone(),
            principal: token.principal.clone(),
            on_behalf_of: Uid::new(Kind::User, on_behalf_of),
            people,
            first: false,
        };
        // Whether it is the first one takes a search of the ledger, which no one causes who may not make it anyway.
        let first = token.principal.kind == Kind::User
            && self.may_be_allowed(&act)
            && !self.has_way_in(&token.principal)?;
        Ok(TokenAct { first, ..act })
    }

    /// Whether policy allows the token to one person or two, be it the first one of its user or not.
    fn may_be_allowed(&self, act: &TokenAct) -> bool {
        let mut cases = [(1, false), (1, true), (2, false), (2, true)].into_iter();
        cases.any(|(people, first)| {
            let act = act.clone();
            self.would_allow_token(&TokenAct {
                people,
                first,
                ..act
            })
        })
    }

    /// Whether a user can sign in, or could before: by a login of this machine, the authorization server, a button in
    /// Slack, a link, or a token. One that is revoked or has expired counts as well, or else an operator could make
    /// first tokens of the same user again and again.
    fn has_way_in(&self, user: &Uid) -> Result<bool, OperateError> {
        let ruleset = self.ruleset();
        let config = &ruleset.config;
        let has_login = config
            .users
            .get(&user.id)
            .is_some_and(|u| u.login.is_some());
        let oauth = config.serve.oauth.as_ref();
        let (slack, links) = (&config.approvals.slack, &config.approvals.links);
        let has_answers = slack
            .as_ref()
            .is_some_and(|slack| slack.users.values().any(|name| *name == user.id))
            || links
                .as_ref()
                .is_some_and(|links| links.users.contains(&user.id));
        if has_login || has_answers || oauth.is_some_and(|oauth| !oauth.user_clients.is_empty()) {
            return Ok(true);
        }
        let reader = self.ledger().reader();
        let is_own = |token: &Token| token.principal == *user && token.is_confirmed;
        if reader.tokens()?.iter().any(is_own) {
            return Ok(true);
        }
        for action in [AdminAction::TokenCreated, AdminAction::TokenConfirmed] {
            let acts = reader.administrative_acts(action)?;
            if acts.iter().any(|act| is_token_of(&act.target, user)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn authorize_token(&self, act: &TokenAct) -> Result<(), OperateError> {
        let (request, entities) = act.parts();
        let ruleset = self.ruleset();
        self.pep()
            .authorize(&ruleset, request, entities, None)
            .await?;
        Ok(())
    }

    fn would_allow_token(&self, act: &TokenAct) -> bool {
        let (request, entities) = act.parts();
        let judged = self.pep().judge(&self.ruleset(), request, entities);
        judged.decision.outcome() == Outcome::Allow
    }
}

/// Whether a record's target is a token of this user.
fn is_token_of(target: &str, user: &Uid) -> bool {
    let whose = target.split_once(" of ").map(|(_, whose)| whose);
    let rest = whose.and_then(|whose| whose.strip_prefix(&user.to_string()));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" on behalf of "))
}

/// The token as records name it.
fn target(token: &Token) -> String {
    let mut target = format!("{} of {}", token.id, token.principal);
    if let Some(user) = &token.on_behalf_of {
        target.push_str(&format!(" on behalf of {user}"));
    }
    target
}
