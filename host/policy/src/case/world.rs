//! A file with everything that a gate would build from its configuration and its components.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use tollgate_model::{
    entity::{Entity, Kind, Uid},
    history::FactShape,
};

use super::Defaults;
use crate::{
    pdp::{Bundle, ToolTypes},
    policy::PolicyFile,
};

/// Everything that a gate would build from its configuration and its components.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// A description for readers.
    #[serde(default)]
    pub about: String,
    /// Roles of agents, by name.
    #[serde(default)]
    pub agents: BTreeMap<String, Vec<String>>,
    /// History facts, by name: `type` (`long`, `decimal` or `datetime`) and, where it can be absent, `absent` (`never` or
    /// `unknown`).
    #[serde(default)]
    pub facts: BTreeMap<String, FactShape>,
    /// Every label that can occur.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Every role that can occur.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Names of secrets.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Prompts of upstream servers, by the name that agents see.
    #[serde(default)]
    pub prompts: BTreeMap<String, WorldTool>,
    /// By the name that agents see; the part before `__` is the component.
    #[serde(default)]
    pub tools: BTreeMap<String, WorldTool>,
    /// Roles of users, by name.
    #[serde(default)]
    pub users: BTreeMap<String, Vec<String>>,
    /// Defaults for members that a case leaves out.
    #[serde(default)]
    pub defaults: Defaults,
}

/// A tool or a prompt of a [`World`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldTool {
    /// JSON Schema of its arguments.
    pub input: Value,
    /// Absent: `unlabelled`.
    pub labels: Option<Vec<String>>,
}

impl World {
    /// Its entities, as a gate would build them.
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
        let names = self.tools.keys().chain(self.prompts.keys());
        let components: BTreeSet<&str> = names.map(|name| component(name)).collect();
        let components = components.into_iter();
        entities.extend(components.map(|c| Entity::new(Uid::new(Kind::Component, c), [])));
        for (kind, offered) in [(Kind::Tool, &self.tools), (Kind::Prompt, &self.prompts)] {
            entities.extend(offered.iter().map(|(name, tool)| {
                let labels = tool
                    .labels
                    .clone()
                    .unwrap_or_else(|| vec!["unlabelled".into()]);
                let parents = uids(Kind::Label, &labels)
                    .into_iter()
                    .chain([Uid::new(Kind::Component, component(name))]);
                Entity::new(Uid::new(kind, name), parents)
            }));
        }
        entities
    }

    /// The bundle of its decision point.
    #[must_use]
    pub fn bundle(&self, policies: Vec<PolicyFile>) -> Bundle {
        let types = |tool: &WorldTool| ToolTypes {
            input_schema: tool.input.clone(),
            numbers: BTreeMap::new(),
        };
        let typed = |offered: &BTreeMap<String, WorldTool>| {
            let offered = offered.iter();
            offered
                .map(|(name, tool)| (name.clone(), types(tool)))
                .collect()
        };
        Bundle {
            facts: self.facts.clone(),
            prompts: typed(&self.prompts),
            ..Bundle::new(self.entities(), policies, typed(&self.tools))
        }
    }
}

fn component(tool: &str) -> &str {
    tool.split_once("__")
        .map_or(tool, |(component, _)| component)
}

/// The ancestors of a file or directory `component/grant:/a/b`, and itself.
pub(super) fn path_entities(resource: &Uid, labels: &[String]) -> Result<Vec<Entity>, String> {
    let (grant, path) = resource
        .id
        .split_once(":/")
        .ok_or_else(|| format!("{resource} is not a file: write component/grant:/path"))?;
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

/// The ancestors of `component/scope:key`, and itself.
pub(super) fn state_entities(resource: &Uid, labels: &[String]) -> Result<Vec<Entity>, String> {
    let wrong = || format!("{resource} is not state: write component/scope:key");
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

/// The configuration entry `component/key`, in its component.
pub(super) fn config_entities(resource: &Uid, labels: &[String]) -> Result<Vec<Entity>, String> {
    let (component, _) = resource
        .id
        .split_once('/')
        .ok_or_else(|| format!("{resource} is not a configuration entry: write component/key"))?;
    let labels = labels.iter().map(|l| Uid::new(Kind::Label, l));
    let parents = [Uid::new(Kind::Component, component)]
        .into_iter()
        .chain(labels);
    Ok(vec![Entity::new(resource.clone(), parents)])
}

/// The resource `server/uri`, in its server.
pub(super) fn resource_entities(resource: &Uid, labels: &[String]) -> Result<Vec<Entity>, String> {
    let (server, _) = resource
        .id
        .split_once('/')
        .ok_or_else(|| format!("{resource} is not a resource: write server/uri"))?;
    let labels = labels.iter().map(|l| Uid::new(Kind::Label, l));
    let parents = [Uid::new(Kind::Component, server)]
        .into_iter()
        .chain(labels);
    Ok(vec![Entity::new(resource.clone(), parents)])
}

/// A host, and the domains that it is in.
pub(super) fn host_entities(host: &Uid, labels: &[String]) -> Vec<Entity> {
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
