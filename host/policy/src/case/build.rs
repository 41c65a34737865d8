//! The request and the facts that a case describes.

use serde_json::Value;
use tollgate_model::{
    entity::{Entity, Kind, Uid},
    request::{Action, ActionContext, Facts, GuestCaller, Request, RunFacts},
    time::{LocalTime, Timestamp},
};

use super::{
    Case, Defaults, uid,
    world::{config_entities, host_entities, path_entities, state_entities},
};
use crate::pdp::Pdp;

/// A Saturday in 2026; only policies that compare `context.now` see it.
const NOW: Timestamp = Timestamp(1_795_249_800_250_000);

impl Case {
    /// The action that it asks for.
    #[must_use]
    pub fn requested_action(&self) -> Action {
        let fixed = Action::FIXED.iter().find(|a| a.id() == self.action);
        fixed
            .cloned()
            .unwrap_or_else(|| Action::Call(self.action.clone()))
    }

    /// The request and its facts.
    ///
    /// # Errors
    /// The case lacks a member, or has a wrong one.
    pub fn build(&self, pdp: &Pdp, defaults: &Defaults) -> Result<(Request, Facts), String> {
        let action = self.requested_action();
        let principal = uid(&self.principal)?;
        let said = |own: &Option<String>, default: &Option<String>, what: &str| {
            let said = own.clone().or_else(|| default.clone());
            said.ok_or_else(|| format!("the case does not say `{what}`"))
        };
        let for_whom = || match (&self.on_behalf_of, principal.kind) {
            (None, Kind::User) => Ok(principal.clone()),
            _ => said(&self.on_behalf_of, &defaults.on_behalf_of, "on_behalf_of")
                .map(|user| Uid::new(Kind::User, user)),
        };
        let agent =
            || said(&self.agent, &defaults.agent, "agent").map(|a| Uid::new(Kind::Agent, a));
        let tool = || said(&self.tool, &defaults.tool, "tool").map(|t| Uid::new(Kind::Tool, t));
        let guest = || -> Result<GuestCaller, String> {
            Ok(GuestCaller {
                agent: agent()?,
                on_behalf_of: for_whom()?,
                tool: tool()?,
            })
        };
        let named = || match &self.resource {
            Some(text) => uid(text).map(Some),
            None => Ok(None),
        };
        let resource = || named()?.ok_or_else(|| "the case does not say `resource`".to_owned());
        let scheme = self.scheme.clone().unwrap_or_else(|| "https".into());
        let (context, resource, entities) = match &action {
            Action::Call(name) => {
                let typed = pdp.tool(name).ok_or_else(|| {
                    let names = pdp.tools().map(|(name, _)| name);
                    match crate::policy::nearest(name, names) {
                        Some(near) => {
                            format!("there is no tool or action `{name}`; did you mean `{near}`?")
                        }
                        None => format!("there is no tool or action `{name}`"),
                    }
                })?;
                let mut input = match &self.input {
                    Value::Null => Value::Object(serde_json::Map::new()),
                    input => input.clone(),
                };
                typed.apply_defaults(&mut input);
                let context = ActionContext::Call {
                    on_behalf_of: for_whom()?,
                    input,
                    via: self.via.clone(),
                };
                let called = named()?.unwrap_or_else(|| Uid::new(Kind::Tool, name));
                (context, called, Vec::new())
            }
            Action::ReturnResult => {
                let context = ActionContext::Result {
                    on_behalf_of: for_whom()?,
                    error: self.error,
                    size: self.size,
                };
                let returned = match named()? {
                    Some(resource) => resource,
                    None => tool()?,
                };
                (context, returned, Vec::new())
            }
            Action::HttpRequest => {
                let resource = resource()?;
                let context = ActionContext::Http {
                    guest: guest()?,
                    method: self.method.clone().unwrap_or_else(|| "GET".into()),
                    scheme,
                    port: self.port.unwrap_or(443),
                    path: self.path.clone().unwrap_or_else(|| "/".into()),
                    size: self.size,
                };
                let entities = host_entities(&resource, &self.host_labels);
                (context, resource, entities)
            }
            Action::UseSecret => {
                let to = said(&self.host, &None, "host")?;
                let to = Uid::new(Kind::Host, to);
                let entities = host_entities(&to, &self.host_labels);
                let context = ActionContext::Secret {
                    guest: guest()?,
                    host: to,
                    scheme,
                };
                (context, resource()?, entities)
            }
            action if action.is_capability() => {
                let resource = resource()?;
                let entities = match resource.kind {
                    Kind::State => state_entities(&resource, &self.directory_labels)?,
                    Kind::ConfigEntry => config_entities(&resource, &self.directory_labels)?,
                    _ => path_entities(&resource, &self.directory_labels)?,
                };
                let context = ActionContext::Capability {
                    guest: guest()?,
                    size: self.size,
                };
                (context, resource, entities)
            }
            Action::Approve | Action::Reject => {
                let on_behalf_of =
                    said(&self.on_behalf_of, &defaults.on_behalf_of, "on_behalf_of")?;
                let operator = said(&self.operator, &defaults.operator, "operator")?;
                let tool = tool()?;
                let context = ActionContext::Approver {
                    tool: tool.clone(),
                    on_behalf_of: Uid::new(Kind::User, on_behalf_of),
                    operator: Uid::new(Kind::User, operator),
                    roles: self.asks.clone(),
                    escalated_to: self.escalated_to.clone(),
                };
                let approval =
                    named()?.unwrap_or_else(|| Uid::new(Kind::Approval, "apr-0707070707070707"));
                let entity = Entity::new(approval.clone(), [tool]);
                (context, approval, vec![entity])
            }
            Action::ViewRun | Action::ViewPayload | Action::AnnotateRun | Action::ExportRuns => {
                let run = named()?.unwrap_or_else(|| Uid::new(Kind::Run, "run"));
                let tenant = self.tenant.as_deref().unwrap_or("default");
                let tenant = Uid::new(Kind::Tenant, tenant);
                let entities = vec![
                    Entity::new(tenant.clone(), []),
                    Entity::new(run.clone(), [tenant]),
                ];
                (ActionContext::Operator, run, entities)
            }
            _ => {
                let gate = named()?.unwrap_or_else(|| Uid::new(Kind::Gate, "gate"));
                (ActionContext::Operator, gate, Vec::new())
            }
        };
        let request = Request {
            action,
            context,
            principal,
            resource,
        };
        let facts = Facts {
            approval: None,
            entities,
            environment: self.environment.clone().unwrap_or_else(|| "test".into()),
            local: self.local.unwrap_or(LocalTime {
                minute: 600,
                weekday: 2,
            }),
            now: NOW,
            run: self.run_facts()?,
        };
        Ok((request, facts))
    }

    fn run_facts(&self) -> Result<RunFacts, String> {
        let mut whole = serde_json::to_value(RunFacts::default()).map_err(|e| e.to_string())?;
        for (name, value) in self.run.as_object().into_iter().flatten() {
            match whole.get_mut(name) {
                Some(fact) => *fact = value.clone(),
                None => return Err(format!("there is no run fact `{name}`")),
            }
        }
        serde_json::from_value(whole).map_err(|e| format!("`run`: {e}"))
    }
}
