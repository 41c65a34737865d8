//! A suite's tools with what the operator says about them, and the decision point for them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Value, json};
use tollgate_model::provenance::{
    ArgumentRoles, FieldTrust, PointerPattern, Role, Trust, acts, marked_trust, proposed_roles,
    proposed_words,
};
use tollgate_policy::{case::World, pdp::Pdp, policy::PolicyFile};

use super::{Arguments, data, data::Format};

/// The starter policies that are played, and a permit for what they do not hold.
const POLICIES: [(&str, &str); 3] = [
    (
        "provenance.cedar",
        include_str!("../../../../policies/provenance.cedar"),
    ),
    (
        "lethal-trifecta.cedar",
        include_str!("../../../../policies/lethal-trifecta.cedar"),
    ),
    (
        "destructive-needs-approval.cedar",
        include_str!("../../../../policies/destructive-needs-approval.cedar"),
    ),
];
const PERMIT: &str = r#"@id("calls") @owner("evaluation")
permit (principal, action in Tollgate::Action::"call", resource);"#;

/// Verbs of acts that cannot be undone.
const DESTRUCTIVE: [&str; 8] = [
    "delete", "remove", "erase", "drop", "purge", "cancel", "revoke", "destroy",
];

/// What the operator says about a tool: a table `[tools.NAME]` as in tollgate.toml.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct OperatorsTool {
    labels: Option<BTreeSet<String>>,
    taints: Option<BTreeSet<String>>,
    asked_by: Option<Vec<String>>,
    arguments: BTreeMap<String, String>,
    results: BTreeMap<String, String>,
    trust_schema: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct OperatorsFile {
    tools: BTreeMap<String, OperatorsTool>,
}

/// A tool as the gate would load it.
#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) changes: bool,
    pub(crate) labels: BTreeSet<String>,
    pub(crate) taints: BTreeSet<String>,
    pub(crate) asked_by: Vec<String>,
    pub(crate) roles: ArgumentRoles,
    pub(crate) trust: FieldTrust,
    schema: Value,
}

/// A suite.
#[derive(Debug)]
pub(crate) struct Suite {
    name: String,
    pub(crate) tools: BTreeMap<String, Tool>,
    pub(crate) pdp: Pdp,
}

impl Suite {
    pub(crate) fn new(
        name: &str,
        recorded: &[data::Tool],
        arguments: &Arguments,
    ) -> Result<Self, String> {
        let mut said = operators_file(name, arguments)?.tools;
        let mut tools = BTreeMap::new();
        for tool in recorded {
            let operators = said.remove(&tool.name).unwrap_or_default();
            let loaded = load(tool, operators)
                .map_err(|e| format!("{name}.toml: [tools.{}]: {e}", tool.name))?;
            tools.insert(tool.name.clone(), loaded);
        }
        if let Some(unknown) = said.keys().next() {
            return Err(format!("{name}.toml: the suite has no tool `{unknown}`"));
        }
        Ok(Self {
            name: name.to_owned(),
            pdp: pdp(name, &tools)?,
            tools,
        })
    }

    /// The name that agents and policies would see.
    pub(crate) fn full_name(&self, tool: &str) -> String {
        full_name(&self.name, tool)
    }

    /// Its tools, for people.
    pub(crate) fn to_json(&self) -> Value {
        let tools = self.tools.iter().map(|(name, tool)| {
            let roles = tool.roles.iter();
            let roles: BTreeMap<String, &str> =
                roles.map(|(p, role)| (p.to_string(), role.as_str())).collect();
            let tool = json!({
                "labels": tool.labels, "taints": tool.taints, "asked_by": tool.asked_by, "arguments": roles,
            });
            (name.clone(), tool)
        });
        Value::Object(tools.collect())
    }
}

/// The operator's file of a suite; empty if there is none.
fn operators_file(suite: &str, arguments: &Arguments) -> Result<OperatorsFile, String> {
    let file = format!("{suite}.toml");
    let is_its_own = |path: &&PathBuf| path.file_name().is_some_and(|name| *name == *file);
    let named = arguments.tools.iter().find(is_its_own).cloned();
    let form = match arguments.format {
        Format::Runs => "runs",
        Format::AgentDojo => "agentdojo",
    };
    let examples = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(form);
    let usual = [arguments.data.join(&file), examples.join(&file)];
    let path = named.or_else(|| usual.into_iter().find(|path| path.exists()));
    let Some(path) = path else {
        return Ok(OperatorsFile::default());
    };
    let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let text = fs::read_to_string(&path).map_err(|e| wrong(&e))?;
    toml::from_str(&text).map_err(|e| wrong(&e))
}

fn load(tool: &data::Tool, said: OperatorsTool) -> Result<Tool, String> {
    let words = tool.name.split(['_', '-']);
    let is_destructive = words.clone().any(|word| DESTRUCTIVE.contains(&word));
    let proposed = match (tool.changes, is_destructive) {
        (true, true) => BTreeSet::from(["destructive".to_owned()]),
        (true, false) => BTreeSet::from(["egress".to_owned()]),
        (false, _) => BTreeSet::from(["private".to_owned()]),
    };
    let taints = said
        .taints
        .unwrap_or_else(|| BTreeSet::from(["untrusted".to_owned()]));
    let default = match taints.contains("untrusted") {
        true => Trust::Untrusted,
        false => Trust::Trusted,
    };
    let pattern = |text: &String| PointerPattern::parse(text).map_err(|e| e.to_string());
    let mut fields = Vec::new();
    for (pointer, trust) in &said.results {
        let trust = Trust::from_name(trust)
            .ok_or_else(|| format!("`{trust}` is not `trusted`, `counterparty` or `untrusted`"))?;
        fields.push((pattern(pointer)?, trust));
    }
    let mut given = Vec::new();
    for (pointer, role) in &said.arguments {
        let role = match role.as_str() {
            "none" => None,
            name => {
                Some(Role::from_name(name).ok_or_else(|| format!("there is no role `{name}`"))?)
            }
        };
        given.push((pattern(pointer)?, role));
    }
    let mut trust = FieldTrust::new(default, fields);
    let marks = tool.output.as_ref().map(marked_trust).unwrap_or_default();
    let holds = |(_, trust): &(_, Trust)| said.trust_schema || *trust == Trust::Untrusted;
    trust.add_marks(marks.into_iter().filter(holds).collect());
    let labels = said.labels.unwrap_or(proposed);
    let roles = ArgumentRoles::new(given, proposed_roles(&tool.input));
    let roles = roles.with_members(&tool.input);
    let roles = match acts(&labels) {
        true => roles.or_identifiers(&tool.input),
        false => roles,
    };
    Ok(Tool {
        changes: tool.changes,
        labels,
        taints,
        asked_by: said.asked_by.unwrap_or_else(|| proposed_words(&tool.name)),
        roles,
        trust,
        schema: tool.input.clone(),
    })
}

fn full_name(suite: &str, tool: &str) -> String {
    format!("{suite}__{tool}")
}

fn pdp(suite: &str, tools: &BTreeMap<String, Tool>) -> Result<Pdp, String> {
    let mut labels: BTreeSet<&str> = BTreeSet::from([
        "egress",
        "destructive",
        "private",
        "untrusted",
        "unlabelled",
    ]);
    for tool in tools.values() {
        labels.extend(tool.labels.iter().chain(&tool.taints).map(String::as_str));
    }
    let typed: BTreeMap<String, Value> = tools
        .iter()
        .map(|(name, tool)| {
            (
                full_name(suite, name),
                json!({ "input": tool.schema, "labels": tool.labels }),
            )
        })
        .collect();
    let world: World = serde_json::from_value(json!({
        "agents": { "assistant": [] }, "users": { "user": [] }, "roles": ["operator", "security"],
        "labels": labels, "tools": typed,
    }))
    .map_err(|e| e.to_string())?;
    let permit = [("permit.cedar", PERMIT)];
    let policies = POLICIES
        .iter()
        .chain(&permit)
        .map(|(name, text)| PolicyFile {
            name: (*name).to_owned(),
            text: (*text).to_owned(),
        });
    Pdp::load(&world.bundle(policies.collect())).map_err(|e| format!("{e:?}"))
}
