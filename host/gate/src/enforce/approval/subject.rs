//! What an approver answers for, as policies see it.

use std::collections::BTreeSet;

use serde_json::Value;
use tollgate_ledger::{ApprovalRow, StandingRow};
use tollgate_model::{
    decision::Requirement,
    entity::{Entity, Kind, Uid},
    request::{Action, ActionContext, Request, StandingTerms},
};

use super::asking_side::AskingSide;
use crate::enforce::{CallContext, Ruleset};

/// What an approver answers for.
pub(super) struct Subject<'a> {
    /// The id of the approval.
    id: String,
    tool: &'a str,
    pub(super) side: AskingSide<'a>,
    roles: BTreeSet<String>,
    escalated_to: &'a BTreeSet<String>,
    standing: Option<StandingTerms>,
    /// The way by which the approver answers.
    channel: &'a str,
}

/// No roles, or no users.
static NONE: BTreeSet<String> = BTreeSet::new();

impl<'a> Subject<'a> {
    /// The call or the effect that waits for an approval.
    pub(super) fn waiting(row: &'a ApprovalRow, channel: &'a str) -> Self {
        Self {
            id: row.id.to_string(),
            tool: &row.tool,
            side: AskingSide {
                principal: &row.principal,
                on_behalf_of: &row.on_behalf_of,
                speaker: row.speaker.as_ref().map(|speaker| &speaker.by),
                makers: &row.makers,
            },
            roles: row.requirement.roles(),
            escalated_to: &row.escalated_to,
            standing: None,
            channel,
        }
    }

    /// A standing approval, by who makes its calls.
    pub(super) fn standing(row: &'a StandingRow, channel: &'a str) -> Self {
        let granted = &row.granted;
        Self {
            id: granted.id.to_string(),
            tool: &granted.tool,
            side: AskingSide {
                principal: &granted.principal,
                on_behalf_of: &granted.on_behalf_of,
                speaker: granted.speaker.as_ref(),
                makers: &granted.makers,
            },
            roles: granted.requirement.roles(),
            escalated_to: &NONE,
            standing: None,
            channel,
        }
    }

    /// A call that a standing approval would allow, by the way by which it was given.
    pub(super) fn covered(
        cx: &'a CallContext,
        row: &'a StandingRow,
        requirement: &Requirement,
    ) -> Self {
        Self {
            side: AskingSide {
                principal: &cx.principal,
                on_behalf_of: &cx.on_behalf_of,
                speaker: cx.speaker.as_ref().map(|speaker| &speaker.by),
                makers: &cx.makers,
            },
            roles: requirement.roles(),
            ..Self::standing(row, &row.granted.channel)
        }
    }

    /// The same, with the terms of a standing approval.
    pub(super) fn with_terms(self, terms: StandingTerms) -> Self {
        Self {
            standing: Some(terms),
            ..self
        }
    }

    /// The request of `user` to do `action` with it, and its entities.
    pub(super) fn request(
        &self,
        ruleset: &Ruleset,
        user: &Uid,
        action: Action,
    ) -> (Request, Vec<Entity>) {
        let tool = Uid::new(Kind::Tool, self.tool);
        let resource = Uid::new(Kind::Approval, &self.id);
        let request = Request {
            principal: user.clone(),
            action,
            resource: resource.clone(),
            context: ActionContext::Approver {
                tool: tool.clone(),
                on_behalf_of: self.side.on_behalf_of.clone(),
                operator: self.side.operator(&ruleset.config),
                roles: self.roles.clone(),
                escalated_to: self.escalated_to.clone(),
                speaker: self.side.speaker.cloned(),
                standing: self.standing,
                makers: self.side.makers.clone(),
                channel: self.channel.into(),
            },
        };
        // Roles and users of an earlier configuration stay known.
        let roles = self.roles.iter().chain(self.escalated_to);
        let roles = roles.map(|role| Entity::new(Uid::new(Kind::Role, role), []));
        let gone = |user: &&String| !ruleset.config.users.contains_key(*user);
        let makers = self.side.makers.iter().filter(gone);
        let makers = makers.map(|user| Entity::new(Uid::new(Kind::User, user), []));
        // For who may answer, a prompt or a resource is a tool: in the same component, with the same labels.
        let other = ruleset.others.get(self.tool);
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
}
