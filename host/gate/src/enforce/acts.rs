//! The kinds of action, each an [`Act`].

use std::sync::Arc;

use serde_json::Value;
use tollgate_model::{
    entity::{Entity, Kind, Uid},
    ids::RunId,
    record::KeyedDigest,
    request::{Action, ActionContext, Request},
};

use super::{Act, CallContext};
use crate::tool::{Feature, Tool};

/// A call of a tool, a prompt or a resource, whose arguments match its schema.
#[derive(Debug)]
pub struct ToolCall {
    tool: Arc<Tool>,
    arguments: Value,
    canonical: String,
    digest: KeyedDigest,
}

impl ToolCall {
    /// Only the pipeline creates these, from validated and canonical arguments.
    pub(crate) fn new(
        tool: Arc<Tool>,
        arguments: Value,
        canonical: String,
        digest: KeyedDigest,
    ) -> Self {
        Self {
            tool,
            arguments,
            canonical,
            digest,
        }
    }

    /// The tool.
    #[must_use]
    pub fn tool(&self) -> &Arc<Tool> {
        &self.tool
    }

    /// The arguments.
    #[must_use]
    pub fn arguments(&self) -> &Value {
        &self.arguments
    }

    /// The RFC 8785 canonical form of the arguments: the guest gets exactly what was decided.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// The canonical URI, if a resource is read.
    #[must_use]
    pub fn uri(&self) -> Option<&str> {
        match self.tool.feature {
            Feature::Resources => self.arguments.get("uri").and_then(Value::as_str),
            Feature::Tool | Feature::Prompt => None,
        }
    }

    /// The entity that policies see as its resource, and its parents.
    pub(crate) fn entity(&self) -> Entity {
        self.tool.entity(&self.arguments)
    }

    /// Keyed digest of tool and arguments.
    #[must_use]
    pub fn digest(&self) -> &KeyedDigest {
        &self.digest
    }
}

impl Act for ToolCall {
    fn request(&self, cx: &CallContext) -> Request {
        Request {
            principal: cx.principal.clone(),
            action: match self.tool.feature {
                Feature::Tool => Action::Call(self.tool.name.clone()),
                Feature::Prompt => Action::GetPrompt,
                Feature::Resources => Action::ReadResource,
            },
            resource: self.entity().uid,
            context: ActionContext::Call {
                on_behalf_of: cx.on_behalf_of.clone(),
                input: self.arguments.clone(),
                via: cx.via().into_iter().collect(),
            },
        }
    }

    fn entities(&self) -> Vec<Entity> {
        match self.tool.feature {
            Feature::Resources => vec![self.entity()],
            // The configuration names them.
            Feature::Tool | Feature::Prompt => Vec::new(),
        }
    }
}

/// An operator's action on the gate.
#[derive(Debug, Clone)]
pub struct OperatorAct {
    action: Action,
    user: Uid,
}

impl OperatorAct {
    /// `user` wants to do `action` (halt, cancel a run, activate policies, administer).
    #[must_use]
    pub fn new(action: Action, user: &Uid) -> Self {
        Self {
            action,
            user: user.clone(),
        }
    }

    pub(crate) fn parts(&self) -> (Request, Vec<Entity>) {
        let request = Request {
            principal: self.user.clone(),
            action: self.action.clone(),
            resource: Uid::new(Kind::Gate, "gate"),
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
