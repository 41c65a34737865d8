//! The request and the facts that a case describes.

use std::collections::BTreeMap;

use serde_json::Value;
use tollgate_model::{
    entity::{Entity, Kind, Uid},
    history::{FactShape, FactType, FactValue},
    provenance::ProvenanceFacts,
    request::{Action, ActionContext, Facts, GuestCaller, Request, RunFacts, StandingTerms},
    standing::StandingScope,
    time::{LocalTime, Timestamp},
};

use super::{
    Case, Defaults, uid,
    world::{config_entities, host_entities, path_entities, resource_entities, state_entities},
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
        let described = CaseRequest {
            case: self,
            defaults,
            principal: uid(&self.principal)?,
        };
        let asked = described.ask(&action, pdp)?;
        let request = Request {
            action,
            context: asked.context,
            principal: described.principal,
            resource: asked.resource,
        };
        let facts = Facts {
            approval: None,
            entities: asked.entities,
            environment: self.environment.clone().unwrap_or_else(|| "test".into()),
            history: self.history_facts(pdp)?,
            local: self.local.unwrap_or(LocalTime {
                minute: 600,
                weekday: 2,
            }),
            now: NOW,
            provenance: self.provenance_facts()?,
            run: self.run_facts()?,
        };
        Ok((request, facts))
    }

    /// The facts that the case names; numbers that it leaves out and that are always known are 0.
    fn history_facts(&self, pdp: &Pdp) -> Result<BTreeMap<String, FactValue>, String> {
        let shapes = pdp.facts();
        let zero = |(name, shape): (&String, &FactShape)| match (shape.absent, shape.ty) {
            (None, FactType::Long) => Some((name.clone(), FactValue::Long(0))),
            (None, FactType::Decimal) => Some((name.clone(), FactValue::Decimal(0))),
            _ => None,
        };
        let mut facts: BTreeMap<String, FactValue> = shapes.iter().filter_map(zero).collect();
        for (name, written) in self.facts.as_object().into_iter().flatten() {
            let Some(shape) = shapes.get(name) else {
                let near = crate::policy::nearest(name, shapes.keys().map(String::as_str));
                return Err(match near {
                    Some(near) => format!("there is no fact `{name}`; did you mean `{near}`?"),
                    None => format!("there is no fact `{name}`; [facts] configures them"),
                });
            };
            let value = FactValue::parse(written, shape.ty, NOW);
            let value = value.map_err(|expected| format!("`facts.{name}`: {expected}"))?;
            facts.insert(name.clone(), value);
        }
        Ok(facts)
    }

    fn provenance_facts(&self) -> Result<ProvenanceFacts, String> {
        const NAMES: [&str; 10] = [
            "asked", "echoed", "expected", "exposed", "known", "links", "request", "sinks",
            "urged", "values",
        ];
        let given = self.provenance.as_object().into_iter().flatten();
        for (name, _) in given {
            if !NAMES.contains(&name.as_str()) {
                return Err(format!(
                    "there is no fact `{name}` of provenance; there are {}",
                    NAMES.join(", ")
                ));
            }
        }
        match &self.provenance {
            Value::Null => Ok(ProvenanceFacts::default()),
            given => {
                serde_json::from_value(given.clone()).map_err(|e| format!("`provenance`: {e}"))
            }
        }
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

/// One call of one run within an hour.
const ONE_CALL: StandingTerms = StandingTerms {
    lifetime: 3_600_000_000,
    scope: StandingScope::Run,
    uses: 1,
};

/// What depends on the action: the context, the resource, and the entities that go with it.
struct RequestParts {
    context: ActionContext,
    resource: Uid,
    entities: Vec<Entity>,
}

/// A case, and where it says nothing the defaults.
struct CaseRequest<'a> {
    case: &'a Case,
    defaults: &'a Defaults,
    principal: Uid,
}

impl CaseRequest<'_> {
    fn ask(&self, action: &Action, pdp: &Pdp) -> Result<RequestParts, String> {
        match action {
            Action::Call(name) => self.ask_to_call(name, pdp),
            Action::GetPrompt => self.ask_for_prompt(pdp),
            Action::ReadResource => self.ask_for_resource(pdp),
            Action::ReturnResult => self.ask_to_return(pdp),
            Action::HttpRequest => self.ask_for_http(),
            Action::UseSecret => self.ask_for_secret(),
            Action::ElicitInput => self.ask_for_input(),
            action if action.is_capability() => self.ask_for_capability(),
            Action::Approve | Action::Reject | Action::ApproveEdited | Action::AnswerInput => {
                self.ask_to_answer(None)
            }
            Action::ApproveStanding => {
                let terms = self.case.standing.unwrap_or(ONE_CALL);
                self.ask_to_answer(Some(terms))
            }
            Action::ViewRun | Action::ViewPayload | Action::AnnotateRun | Action::ExportRuns => {
                self.ask_for_run()
            }
            Action::MakeToken => self.ask_for_token(),
            _ => Ok(RequestParts {
                context: ActionContext::Operator,
                resource: self.named_or(Kind::Gate, "gate")?,
                entities: Vec::new(),
            }),
        }
    }

    fn ask_to_call(&self, name: &str, pdp: &Pdp) -> Result<RequestParts, String> {
        let typed = pdp.tool(name).ok_or_else(|| {
            let names = pdp.tools().map(|(name, _)| name);
            match crate::policy::nearest(name, names) {
                Some(near) => {
                    format!("there is no tool or action `{name}`; did you mean `{near}`?")
                }
                None => format!("there is no tool or action `{name}`"),
            }
        })?;
        let mut context = self.call(self.case.input.clone())?;
        if let ActionContext::Call { input, .. } = &mut context {
            typed.apply_defaults(input);
        }
        Ok(RequestParts {
            context,
            resource: self.named_or(Kind::Tool, name)?,
            entities: Vec::new(),
        })
    }

    fn ask_for_prompt(&self, pdp: &Pdp) -> Result<RequestParts, String> {
        let resource = self.resource()?;
        if pdp.prompt(&resource.id).is_none() {
            return Err(format!("there is no prompt `{}`", resource.id));
        }
        Ok(RequestParts {
            context: self.call(self.case.input.clone())?,
            resource,
            entities: Vec::new(),
        })
    }

    fn ask_for_resource(&self, pdp: &Pdp) -> Result<RequestParts, String> {
        let resource = self.resource()?;
        let entities = self.resource_entities(&resource, pdp)?;
        let (_, uri) = resource.id.split_once('/').unwrap_or_default();
        Ok(RequestParts {
            context: self.call(serde_json::json!({ "uri": uri }))?,
            resource,
            entities,
        })
    }

    fn call(&self, input: Value) -> Result<ActionContext, String> {
        Ok(ActionContext::Call {
            on_behalf_of: self.for_whom()?,
            input: match input {
                Value::Null => Value::Object(serde_json::Map::new()),
                input => input,
            },
            via: self.case.via.clone(),
        })
    }

    /// A resource of an upstream server, with the labels that the case names or else those that are configured.
    fn resource_entities(&self, resource: &Uid, pdp: &Pdp) -> Result<Vec<Entity>, String> {
        let server = resource.id.split('/').next().unwrap_or_default();
        let labels = match self.case.directory_labels.as_slice() {
            [] => pdp.resource_labels(server),
            named => named.to_vec(),
        };
        resource_entities(resource, &labels)
    }

    fn ask_to_return(&self, pdp: &Pdp) -> Result<RequestParts, String> {
        let context = ActionContext::Result {
            on_behalf_of: self.for_whom()?,
            error: self.case.error,
            size: self.case.size,
        };
        let resource = match self.named()? {
            Some(resource) => resource,
            None => self.tool()?,
        };
        Ok(RequestParts {
            context,
            entities: match resource.kind {
                Kind::Resource => self.resource_entities(&resource, pdp)?,
                _ => Vec::new(),
            },
            resource,
        })
    }

    fn ask_for_http(&self) -> Result<RequestParts, String> {
        let case = self.case;
        let resource = self.resource()?;
        let context = ActionContext::Http {
            guest: self.guest()?,
            method: self.method(),
            scheme: self.scheme(),
            port: case.port.unwrap_or(443),
            path: self.path(),
            size: case.size,
        };
        let entities = host_entities(&resource, &case.host_labels);
        Ok(RequestParts {
            context,
            resource,
            entities,
        })
    }

    fn ask_for_secret(&self) -> Result<RequestParts, String> {
        let to = said(&self.case.host, &None, "host")?;
        let to = Uid::new(Kind::Host, to);
        let entities = host_entities(&to, &self.case.host_labels);
        let context = ActionContext::Secret {
            guest: self.guest()?,
            host: to,
            method: self.method(),
            scheme: self.scheme(),
            port: self.case.port.unwrap_or(443),
            path: self.path(),
        };
        Ok(RequestParts {
            context,
            resource: self.resource()?,
            entities,
        })
    }

    /// To have a person asked by a server.
    fn ask_for_input(&self) -> Result<RequestParts, String> {
        let case = self.case;
        let fields = case.schema.get("properties").and_then(Value::as_object);
        let fields = fields.into_iter().flat_map(|fields| fields.keys().cloned());
        let context = ActionContext::Elicitation {
            guest: self.guest()?,
            mode: case.mode.clone().unwrap_or_else(|| "form".into()),
            message: case.message.clone().unwrap_or_default(),
            fields: fields.collect(),
            schema: match &case.schema {
                Value::Null => String::new(),
                schema => schema.to_string(),
            },
            url: case.url.clone().unwrap_or_default(),
            host: case.host.clone().unwrap_or_default(),
            size: case.size,
        };
        let resource = self.tool()?;
        Ok(RequestParts {
            context,
            entities: self.asking_feature(&resource),
            resource,
        })
    }

    /// The entity of a prompt or of resources in whose call a server asks. The configuration names tools.
    fn asking_feature(&self, resource: &Uid) -> Vec<Entity> {
        if !resource.id.contains(':') {
            return Vec::new();
        }
        let labels = self.case.directory_labels.iter();
        let labels = labels.map(|label| Uid::new(Kind::Label, label));
        let parents = labels.chain([self.principal.clone()]);
        vec![Entity::new(resource.clone(), parents)]
    }

    fn ask_for_capability(&self) -> Result<RequestParts, String> {
        let labels = &self.case.directory_labels;
        let resource = self.resource()?;
        let entities = match resource.kind {
            Kind::State => state_entities(&resource, labels)?,
            Kind::ConfigEntry => config_entities(&resource, labels)?,
            _ => path_entities(&resource, labels)?,
        };
        let context = ActionContext::Capability {
            guest: self.guest()?,
            size: self.case.size,
        };
        Ok(RequestParts {
            context,
            resource,
            entities,
        })
    }

    /// To approve or reject what waits.
    fn ask_to_answer(&self, standing: Option<StandingTerms>) -> Result<RequestParts, String> {
        let (case, defaults) = (self.case, self.defaults);
        let on_behalf_of = said(&case.on_behalf_of, &defaults.on_behalf_of, "on_behalf_of")?;
        let operator = said(&case.operator, &defaults.operator, "operator")?;
        let tool = self.tool()?;
        let context = ActionContext::Approver {
            tool: tool.clone(),
            on_behalf_of: Uid::new(Kind::User, on_behalf_of),
            operator: Uid::new(Kind::User, operator),
            roles: case.asks.clone(),
            escalated_to: case.escalated_to.clone(),
            speaker: case.speaker.as_ref().map(|user| Uid::new(Kind::User, user)),
            standing,
            makers: case.makers.clone(),
            channel: case.channel.clone().unwrap_or_else(|| "rest".into()),
        };
        let approval = self.named_or(Kind::Approval, "apr-0707070707070707")?;
        let entities = vec![Entity::new(approval.clone(), [tool])];
        Ok(RequestParts {
            context,
            resource: approval,
            entities,
        })
    }

    /// To read, annotate or export a run.
    fn ask_for_run(&self) -> Result<RequestParts, String> {
        let run = self.named_or(Kind::Run, "run")?;
        let tenant = self.case.tenant.as_deref().unwrap_or("default");
        let tenant = Uid::new(Kind::Tenant, tenant);
        let entities = vec![
            Entity::new(tenant.clone(), []),
            Entity::new(run.clone(), [tenant]),
        ];
        Ok(RequestParts {
            context: ActionContext::Operator,
            resource: run,
            entities,
        })
    }

    /// To make a token, or to confirm one.
    fn ask_for_token(&self) -> Result<RequestParts, String> {
        let resource = self.resource()?;
        let on_behalf_of = match (&self.case.on_behalf_of, resource.kind) {
            (None, Kind::User) => resource.clone(),
            (own, _) => {
                let user = said(own, &self.defaults.operator, "on_behalf_of")?;
                Uid::new(Kind::User, user)
            }
        };
        let context = ActionContext::Token {
            on_behalf_of,
            people: self.case.people.unwrap_or(1),
            first: self.case.first,
        };
        Ok(RequestParts {
            context,
            resource,
            entities: Vec::new(),
        })
    }

    fn for_whom(&self) -> Result<Uid, String> {
        match (&self.case.on_behalf_of, self.principal.kind) {
            (None, Kind::User) => Ok(self.principal.clone()),
            (own, _) => said(own, &self.defaults.on_behalf_of, "on_behalf_of")
                .map(|user| Uid::new(Kind::User, user)),
        }
    }

    fn tool(&self) -> Result<Uid, String> {
        let tool = said(&self.case.tool, &self.defaults.tool, "tool")?;
        Ok(Uid::new(Kind::Tool, tool))
    }

    fn guest(&self) -> Result<GuestCaller, String> {
        let agent = said(&self.case.agent, &self.defaults.agent, "agent")?;
        Ok(GuestCaller {
            agent: Uid::new(Kind::Agent, agent),
            on_behalf_of: self.for_whom()?,
            tool: self.tool()?,
        })
    }

    fn method(&self) -> String {
        let method = self.case.method.clone();
        method.unwrap_or_else(|| "GET".into())
    }

    fn path(&self) -> String {
        self.case.path.clone().unwrap_or_else(|| "/".into())
    }

    fn scheme(&self) -> String {
        let scheme = self.case.scheme.clone();
        scheme.unwrap_or_else(|| "https".into())
    }

    /// The resource, if the case names one.
    fn named(&self) -> Result<Option<Uid>, String> {
        self.case.resource.as_deref().map(uid).transpose()
    }

    fn named_or(&self, kind: Kind, id: &str) -> Result<Uid, String> {
        Ok(self.named()?.unwrap_or_else(|| Uid::new(kind, id)))
    }

    fn resource(&self) -> Result<Uid, String> {
        let named = self.named()?;
        named.ok_or_else(|| "the case does not say `resource`".to_owned())
    }
}

/// What the case says, or else the defaults.
fn said(own: &Option<String>, default: &Option<String>, what: &str) -> Result<String, String> {
    let said = own.clone().or_else(|| default.clone());
    said.ok_or_else(|| format!("the case does not say `{what}`"))
}
