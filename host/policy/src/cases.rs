//! Cases: requests with what is known about them, and the answers that they must get.
//!
//! A case leaves out what does not matter to it. It is played against a decision point, of a loaded gate
//! or of a [`World`] that is written down beside the cases; no component runs and nothing is recorded.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    pdp::{Bundle, Pdp, ToolTypes},
    policy::PolicyFile,
};
use tollgate_model::{
    decision::{Decision, Outcome},
    entity::{Entity, Kind, Uid},
    request::{Action, ActionContext, Facts, Granted, Request, RunFacts},
    time::{LocalTime, Timestamp},
};

/// A Saturday in 2026; only policies that compare `context.now` see it.
const NOW: Timestamp = Timestamp(1_795_249_800_250_000);

/// What a gate would build from its configuration and its components, written down.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// What it is, for readers.
    #[serde(default)]
    pub about: String,
    /// Roles of agents, by name.
    #[serde(default)]
    pub agents: BTreeMap<String, Vec<String>>,
    /// Every label that can occur.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Every role that can occur.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Names of secrets.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// By the name that agents see; the component stands before `__`.
    #[serde(default)]
    pub tools: BTreeMap<String, WorldTool>,
    /// Roles of users, by name.
    #[serde(default)]
    pub users: BTreeMap<String, Vec<String>>,
    /// What a case means that leaves it out.
    #[serde(default)]
    pub defaults: Defaults,
}

/// A tool of a [`World`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldTool {
    /// JSON Schema of its arguments.
    pub input: Value,
    /// Absent: `unlabelled`.
    pub labels: Option<Vec<String>>,
}

/// What a case means that leaves it out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Defaults {
    /// The agent in whose call a component asks for something.
    pub agent: Option<String>,
    /// The user for whom a call is made.
    pub on_behalf_of: Option<String>,
    /// The user who runs the agent.
    pub operator: Option<String>,
    /// The tool that is called, or that returned something.
    pub tool: Option<String>,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// A tool's name, or another action of the schema.
    pub action: String,
    /// The agent in whose call a component asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Roles that the escalation asks for, where the action answers one.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub asks: BTreeSet<String>,
    /// Roles that were asked as well, because nobody answered in time.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub asked_too: BTreeSet<String>,
    /// Roles whose approval the call already has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<BTreeSet<String>>,
    /// How many people gave it; 1 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approvals: Option<u64>,
    /// Labels of the grant that the file or directory is in, or of the state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub directory_labels: Vec<String>,
    /// Such as `production`; `test` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Whether the tool answered with an error.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub error: bool,
    /// Where a secret goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Labels of the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_labels: Vec<String>,
    /// Arguments.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub input: Value,
    /// Tuesday at ten if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalTime>,
    /// The request's method, `GET` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The user for whom it happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
    /// Who runs the agent whose call waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// The request's path, `/` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The request's port, 443 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Such as `Agent::support`.
    pub principal: String,
    /// Such as `File::files/data:/a.txt`; a call's is its tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// What the gate has counted in the run.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub run: Value,
    /// The request's scheme, `https` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// Bytes of content.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub size: u64,
    /// The tenant of the run that is looked at; the gate's own if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The tool that is called, or that returned something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Components through which a call is made.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub via: BTreeSet<String>,
    /// The answer.
    pub expect: Outcome,
    /// Policies that determine it; absent: whichever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Vec<String>>,
    /// Alternatives of an escalation, in words; absent: whichever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs: Option<Vec<String>>,
    /// What shadow policies would change; absent: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowAnswer>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// What shadow policies would have changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShadowAnswer {
    /// The outcome with them.
    pub outcome: Outcome,
    /// Policies that would have determined it.
    pub by: Vec<String>,
}

/// The answer that a case got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Which of the four.
    pub outcome: Outcome,
    /// Policies that determined it.
    pub by: Vec<String>,
    /// Alternatives of an escalation, in words.
    pub needs: Vec<String>,
    /// What shadow policies would change.
    pub shadow: Option<ShadowAnswer>,
    /// Why there is no answer.
    pub errors: Vec<String>,
}

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Played {
    /// The case's name.
    pub name: String,
    /// The answer that it got.
    pub answer: Answer,
    /// Each thing in which that is not the expected one.
    pub wrong: Vec<String>,
    /// Policies that applied, whether they determined the answer or not.
    pub applied: BTreeSet<String>,
}

impl World {
    /// Its entities, as a gate would have them.
    #[must_use]
    pub fn entities(&self) -> Vec<Entity> {
        let uids = |kind, ids: &[String]| -> Vec<Uid> {
            ids.iter().map(|id| Uid::new(kind, id)).collect()
        };
        let tenant = Uid::new(Kind::Tenant, "default");
        let mut entities = vec![
            Entity::new(Uid::new(Kind::Gate, "gate"), []),
            Entity::new(tenant.clone(), []),
        ];
        let alone = [
            (Kind::Role, &self.roles),
            (Kind::Label, &self.labels),
            (Kind::Secret, &self.secrets),
        ];
        for (kind, ids) in alone {
            let these = uids(kind, ids).into_iter();
            entities.extend(these.map(|uid| Entity::new(uid, [])));
        }
        for (kind, people) in [(Kind::Agent, &self.agents), (Kind::User, &self.users)] {
            entities.extend(people.iter().map(|(name, roles)| {
                let parents = uids(Kind::Role, roles).into_iter().chain([tenant.clone()]);
                Entity::new(Uid::new(kind, name), parents)
            }));
        }
        let components: BTreeSet<&str> = self.tools.keys().map(|tool| component(tool)).collect();
        let components = components.into_iter();
        entities.extend(components.map(|c| Entity::new(Uid::new(Kind::Component, c), [])));
        entities.extend(self.tools.iter().map(|(name, tool)| {
            let labels = tool
                .labels
                .clone()
                .unwrap_or_else(|| vec!["unlabelled".into()]);
            let parents = uids(Kind::Label, &labels)
                .into_iter()
                .chain([Uid::new(Kind::Component, component(name))]);
            Entity::new(Uid::new(Kind::Tool, name), parents)
        }));
        entities
    }

    /// What a decision point for it is loaded from.
    #[must_use]
    pub fn bundle(&self, policies: Vec<PolicyFile>) -> Bundle {
        let types = |tool: &WorldTool| ToolTypes {
            input_schema: tool.input.clone(),
            numbers: BTreeMap::new(),
        };
        let tools = self.tools.iter();
        let tools = tools.map(|(name, tool)| (name.clone(), types(tool)));
        Bundle::new(self.entities(), policies, tools.collect())
    }
}

fn component(tool: &str) -> &str {
    tool.split_once("__")
        .map_or(tool, |(component, _)| component)
}

/// `Agent::support` as the entity that it names.
///
/// # Errors
/// What is wrong with it.
pub fn uid(text: &str) -> Result<Uid, String> {
    let text = text.strip_prefix("Tollgate::").unwrap_or(text);
    let wrong =
        || format!("`{text}` is no entity: write its type and its id, as in Agent::support");
    let (kind, id) = text.split_once("::").ok_or_else(wrong)?;
    let id = id
        .strip_prefix('"')
        .and_then(|id| id.strip_suffix('"'))
        .unwrap_or(id);
    let kinds = Kind::ALL.iter().copied();
    let kind =
        kinds.clone().find(|k| k.name() == kind).ok_or_else(|| {
            match crate::policy::nearest(kind, kinds.map(Kind::name)) {
                Some(near) => format!("there is no entity type `{kind}`; did you mean `{near}`?"),
                None => wrong(),
            }
        })?;
    Ok(Uid::new(kind, id))
}

/// The ancestors of a file or directory `component/grant:/a/b`, and itself.
fn tree(resource: &Uid, labels: &[String]) -> Result<Vec<Entity>, String> {
    let (grant, path) = resource
        .id
        .split_once(":/")
        .ok_or_else(|| format!("{resource} is no file: write component/grant:/path"))?;
    let root = Uid::new(Kind::Directory, format!("{grant}:/"));
    let labels = labels.iter().map(|l| Uid::new(Kind::Label, l));
    let mut entities = vec![Entity::new(root.clone(), labels)];
    let (mut parent, mut at) = (root, String::new());
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    for (i, name) in names.iter().enumerate() {
        if !at.is_empty() {
            at.push('/');
        }
        at.push_str(name);
        let kind = if i + 1 == names.len() {
            resource.kind
        } else {
            Kind::Directory
        };
        let here = Uid::new(kind, format!("{grant}:/{at}"));
        entities.push(Entity::new(here.clone(), [parent]));
        parent = here;
    }
    Ok(entities)
}

/// What `component/scope:key` is in, and itself.
fn kept(resource: &Uid, labels: &[String]) -> Result<Vec<Entity>, String> {
    let wrong = || format!("{resource} is no state: write component/scope:key");
    let (scope, key) = resource.id.split_once(':').ok_or_else(wrong)?;
    let (component, _) = scope.split_once('/').ok_or_else(wrong)?;
    let scope = Uid::new(Kind::State, format!("{scope}:"));
    let component = Uid::new(Kind::Component, component);
    let mut entities = vec![Entity::new(scope.clone(), [component])];
    if !key.is_empty() {
        let labels = labels.iter().map(|l| Uid::new(Kind::Label, l));
        entities.push(Entity::new(
            resource.clone(),
            [scope].into_iter().chain(labels),
        ));
    }
    Ok(entities)
}

/// A host, and the domains that it is in.
fn host(host: &Uid, labels: &[String]) -> Vec<Entity> {
    let mut entities = Vec::new();
    let mut parents: BTreeSet<Uid> = labels.iter().map(|l| Uid::new(Kind::Label, l)).collect();
    let is_address = host.id.parse::<std::net::IpAddr>().is_ok();
    if !is_address && host.id.contains('.') {
        let begins = host.id.match_indices('.').map(|(at, _)| at + 1);
        let domains: Vec<Uid> = std::iter::once(0)
            .chain(begins)
            .filter_map(|at| host.id.get(at..))
            .map(|domain| Uid::new(Kind::Domain, domain))
            .collect();
        for (i, domain) in domains.iter().enumerate() {
            entities.push(Entity::new(domain.clone(), domains.get(i + 1).cloned()));
        }
        parents.extend(domains.first().cloned());
    }
    entities.push(Entity::new(host.clone(), parents));
    entities
}

impl Case {
    /// The action that it asks for.
    #[must_use]
    pub fn asked(&self) -> Action {
        let fixed = Action::FIXED.iter().find(|a| a.id() == self.action);
        fixed
            .cloned()
            .unwrap_or_else(|| Action::Call(self.action.clone()))
    }

    /// The request and its facts.
    ///
    /// # Errors
    /// What the case does not say, or says wrongly.
    pub fn build(&self, pdp: &Pdp, defaults: &Defaults) -> Result<(Request, Facts), String> {
        let action = self.asked();
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
                    on_behalf_of: for_whom()?,
                    agent: agent()?,
                    tool: tool()?,
                    method: self.method.clone().unwrap_or_else(|| "GET".into()),
                    scheme,
                    port: self.port.unwrap_or(443),
                    path: self.path.clone().unwrap_or_else(|| "/".into()),
                    size: self.size,
                };
                let entities = host(&resource, &self.host_labels);
                (context, resource, entities)
            }
            Action::UseSecret => {
                let to = said(&self.host, &None, "host")?;
                let to = Uid::new(Kind::Host, to);
                let entities = host(&to, &self.host_labels);
                let context = ActionContext::Secret {
                    on_behalf_of: for_whom()?,
                    agent: agent()?,
                    tool: tool()?,
                    host: to,
                    scheme,
                };
                (context, resource()?, entities)
            }
            action if action.is_capability() => {
                let resource = resource()?;
                let entities = match resource.kind {
                    Kind::State => kept(&resource, &self.directory_labels)?,
                    _ => tree(&resource, &self.directory_labels)?,
                };
                let context = ActionContext::Capability {
                    on_behalf_of: for_whom()?,
                    agent: agent()?,
                    tool: tool()?,
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
                    asked_too: self.asked_too.clone(),
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

    /// The decision on it, and what that was made from.
    ///
    /// # Errors
    /// As [`Case::build`], or there is nothing to approve.
    pub fn decide(
        &self,
        pdp: &Pdp,
        defaults: &Defaults,
    ) -> Result<(Decision, Request, Facts), String> {
        let (request, mut facts) = self.build(pdp, defaults)?;
        let first = pdp.decide(&request, &facts);
        let Some(roles) = self.approved_by.clone() else {
            return Ok((first, request, facts));
        };
        let Decision::Escalate(_, requirement) = first else {
            return Err(format!(
                "there is nothing to approve: without an approval it is {}",
                first.outcome()
            ));
        };
        facts.approval = Some(Granted {
            count: self.approvals.unwrap_or(1),
            lifts: requirement.lifts,
            roles,
        });
        Ok((pdp.decide(&request, &facts), request, facts))
    }

    /// Play it.
    #[must_use]
    pub fn play(&self, pdp: &Pdp, defaults: &Defaults) -> Played {
        let (decision, request, facts) = match self.decide(pdp, defaults) {
            Ok(decided) => decided,
            Err(problem) => {
                return Played {
                    name: self.name.clone(),
                    answer: Answer {
                        outcome: Outcome::Error,
                        by: Vec::new(),
                        needs: Vec::new(),
                        shadow: None,
                        errors: vec![problem.clone()],
                    },
                    wrong: vec![problem],
                    applied: BTreeSet::new(),
                };
            }
        };
        let answer = Answer::of(&decision);
        Played {
            name: self.name.clone(),
            wrong: self.wrong(&answer),
            applied: pdp.applied(&request, &facts),
            answer,
        }
    }

    /// Each thing in which `answer` is not the expected one.
    fn wrong(&self, answer: &Answer) -> Vec<String> {
        let mut wrong = Vec::new();
        let list = |these: &[String]| match these {
            [] => "nothing".to_owned(),
            these => these.join(", "),
        };
        if answer.outcome != self.expect {
            wrong.push(format!("expected {}, got {}", self.expect, answer.outcome));
        }
        for (what, expected, got) in [
            ("by", &self.by, &answer.by),
            ("needs", &self.needs, &answer.needs),
        ] {
            if let Some(expected) = expected.as_ref().filter(|e| *e != got) {
                wrong.push(format!(
                    "{what}: expected {}, got {}",
                    list(expected),
                    list(got)
                ));
            }
        }
        if answer.shadow != self.shadow {
            let told = |s: &Option<ShadowAnswer>| match s {
                None => "no change".to_owned(),
                Some(s) => format!("{} by {}", s.outcome, list(&s.by)),
            };
            wrong.push(format!(
                "shadow: expected {}, got {}",
                told(&self.shadow),
                told(&answer.shadow)
            ));
        }
        if !wrong.is_empty() {
            wrong.extend(answer.errors.iter().cloned());
        }
        wrong
    }
}

impl Answer {
    /// What `decision` says.
    #[must_use]
    pub fn of(decision: &Decision) -> Self {
        let basis = decision.basis();
        let needs = match decision {
            Decision::Escalate(_, r) => r.alternatives.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        };
        Self {
            outcome: decision.outcome(),
            by: basis.ids().map(str::to_owned).collect(),
            needs,
            shadow: basis.shadow.clone().map(|s| ShadowAnswer {
                outcome: s.outcome,
                by: s.policies,
            }),
            errors: basis.errors.iter().map(ToString::to_string).collect(),
        }
    }
}
