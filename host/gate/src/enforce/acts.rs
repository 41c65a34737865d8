//! The kinds of action, each an [`Act`].

use tollgate_model::{
    entity::{Entity, Kind, Uid},
    ids::RunId,
    request::{Action, ActionContext, Request},
};

use super::{Act, CallContext, ToolCall};
use crate::tool::Feature;

impl Act for ToolCall {
    fn request(&self, cx: &CallContext) -> Request {
        Request {
            principal: cx.principal.clone(),
            action: match self.tool().feature {
                Feature::Tool => Action::Call(self.tool().name.clone()),
                Feature::Prompt => Action::GetPrompt,
                Feature::Preview => Action::PreviewCall,
                Feature::Resources => Action::ReadResource,
            },
            resource: self.entity().uid,
            context: ActionContext::Call {
                on_behalf_of: cx.on_behalf_of.clone(),
                input: self.arguments().clone(),
                via: cx.via().into_iter().collect(),
            },
        }
    }

    fn entities(&self) -> Vec<Entity> {
        match self.tool().feature {
            Feature::Resources => vec![self.entity()],
            // The configuration names them.
            Feature::Tool | Feature::Prompt | Feature::Preview => Vec::new(),
        }
    }
}

/// An operator's action on the gate.
#[derive(Debug, Clone)]
pub struct OperatorAct {
    action: Action,
    user: Uid,
    resource: Uid,
}

impl OperatorAct {
    /// `user` wants to do `action` (halt, cancel a run, activate policies, administer).
    #[must_use]
    pub fn new(action: Action, user: &Uid) -> Self {
        Self {
            action,
            user: user.clone(),
            resource: Uid::new(Kind::Gate, "gate"),
        }
    }

    /// `user` wants the gate to act with their rights at this upstream server.
    #[must_use]
    pub fn connection(user: &Uid, upstream: &str) -> Self {
        Self {
            action: Action::ConnectUpstream,
            user: user.clone(),
            resource: Uid::new(Kind::Component, upstream),
        }
    }

    pub(crate) fn parts(&self) -> (Request, Vec<Entity>) {
        let request = Request {
            principal: self.user.clone(),
            action: self.action.clone(),
            resource: self.resource.clone(),
            context: ActionContext::Operator,
        };
        (request, Vec::new())
    }
}

/// A person reads a run.
#[derive(Debug, Clone)]
pub struct RunAct {
    action: Action,
    user: Uid,
    run: RunId,
    tenant: String,
}

impl RunAct {
    /// `user` wants to do `action` (view the run, view its payloads) with a run of `tenant`.
    #[must_use]
    pub fn new(action: Action, user: &Uid, run: RunId, tenant: &str) -> Self {
        Self {
            action,
            user: user.clone(),
            run,
            tenant: tenant.into(),
        }
    }

    pub(crate) fn parts(&self) -> (Request, Vec<Entity>) {
        let resource = Uid::new(Kind::Run, self.run.to_string());
        let request = Request {
            principal: self.user.clone(),
            action: self.action.clone(),
            resource: resource.clone(),
            context: ActionContext::Operator,
        };
        (
            request,
            vec![Entity::new(
                resource,
                [Uid::new(Kind::Tenant, &self.tenant)],
            )],
        )
    }
}

/// A person makes a token, or confirms one.
#[derive(Debug, Clone)]
pub struct TokenAct {
    /// The person.
    pub user: Uid,
    /// The agent or user that the token identifies.
    pub principal: Uid,
    /// The user for whom its bearer acts.
    pub on_behalf_of: Uid,
    /// How many people ask for it.
    pub people: u64,
    /// Whether it is of a user who has no other way to sign in.
    pub first: bool,
}

impl TokenAct {
    pub(crate) fn parts(&self) -> (Request, Vec<Entity>) {
        let request = Request {
            principal: self.user.clone(),
            action: Action::MakeToken,
            resource: self.principal.clone(),
            context: ActionContext::Token {
                on_behalf_of: self.on_behalf_of.clone(),
                people: self.people,
                first: self.first,
            },
        };
        (request, Vec::new())
    }
}
