//! The schema that policies are validated against: a fixed part, and one action per loaded tool.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Schema, SchemaFragment};
use serde_json::{Map, Value, json};

use crate::tool_input::ToolInput;
use tollgate_model::{
    entity::NAMESPACE,
    history::{FactShape, FactType},
};

/// The fixed part, in Cedar's schema syntax.
pub const FIXED: &str = include_str!("../../../policies/tollgate.cedarschema");

/// Why a schema could not be built.
#[derive(Debug, thiserror::Error)]
#[error("the schema does not build: {0}")]
pub struct SchemaBuildError(String);

/// The types of a prompt's arguments and of history facts, to which the fixed part refers.
const PROMPT_INPUT: &str = "PromptInput";
const HISTORY_FACTS: &str = "HistoryFacts";

/// What is loaded: the part of a schema that is generated.
#[derive(Debug, Clone, Copy)]
pub struct LoadedTypes<'a> {
    /// The arguments of each tool.
    pub tools: &'a BTreeMap<String, ToolInput>,
    /// The names of arguments of all prompts.
    pub prompt_arguments: &'a BTreeSet<String>,
    /// History facts.
    pub facts: &'a BTreeMap<String, FactShape>,
}

impl<'a> LoadedTypes<'a> {
    /// Tools, and nothing else.
    #[must_use]
    pub fn of_tools(tools: &'a BTreeMap<String, ToolInput>) -> Self {
        static NO_ARGUMENTS: BTreeSet<String> = BTreeSet::new();
        static NO_FACTS: BTreeMap<String, FactShape> = BTreeMap::new();
        Self {
            tools,
            prompt_arguments: &NO_ARGUMENTS,
            facts: &NO_FACTS,
        }
    }
}

/// The actions of tools, and the types of prompts' arguments and of history facts, in Cedar's JSON schema format.
/// The attributes of calls depend on the fixed part: recorded ones of before have no provenance, and no facts.
fn generated(fixed: &str, types: LoadedTypes<'_>) -> Value {
    let (has_provenance, has_history) = (has_provenance(fixed), has_history(fixed));
    let tools = types.tools;
    let mut namespaces: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let mut actions = Map::new();
    for (name, input) in tools {
        let mut action = action(input);
        if has_provenance && let Some(attributes) = action.pointer_mut(ATTRIBUTES) {
            add_provenance(attributes);
        }
        if has_history && let Some(attributes) = action.pointer_mut(ATTRIBUTES) {
            add_history(attributes);
        }
        actions.insert(name.clone(), action);
        for (namespace, types) in input.enumerations() {
            namespaces.entry(namespace).or_default().extend(types);
        }
    }
    let mut fragment = Map::new();
    for (namespace, types) in namespaces {
        fragment.insert(namespace, json!({ "entityTypes": types, "actions": {} }));
    }
    fragment.insert(
        NAMESPACE.into(),
        json!({
            "commonTypes": {
                PROMPT_INPUT: prompt_input(types.prompt_arguments),
                HISTORY_FACTS: history_facts(types.facts),
            },
            "entityTypes": { "Null": {} },
            "actions": actions,
        }),
    );
    Value::Object(fragment)
}

/// The attributes of an action's context.
const ATTRIBUTES: &str = "/appliesTo/context/attributes";

/// Whether calls have facts about where their values come from. Recorded schemas of before have not.
pub(crate) fn has_provenance(fixed: &str) -> bool {
    fixed.contains("ProvenanceFacts")
}

fn add_provenance(attributes: &mut Value) {
    let Some(attributes) = attributes.as_object_mut() else {
        return;
    };
    let name = |name: &str| format!("{NAMESPACE}::{name}");
    attributes.insert(
        "provenance".into(),
        json!({ "type": "EntityOrCommon", "name": name("ProvenanceFacts") }),
    );
    attributes.insert(
        "sinks".into(),
        json!({ "type": "Set", "element": { "type": "Entity", "name": name("Origin") } }),
    );
}

/// Whether calls have history facts. Recorded schemas of before have not.
pub(crate) fn has_history(fixed: &str) -> bool {
    fixed.contains(HISTORY_FACTS)
}

fn add_history(attributes: &mut Value) {
    if let Some(attributes) = attributes.as_object_mut() {
        let name = format!("{NAMESPACE}::{HISTORY_FACTS}");
        attributes.insert(
            "facts".into(),
            json!({ "type": "EntityOrCommon", "name": name }),
        );
    }
}

/// A record of facts. One that can be unknown is optional.
fn history_facts(facts: &BTreeMap<String, FactShape>) -> Value {
    let attribute = |(name, shape): (&String, &FactShape)| {
        let mut ty = match shape.ty {
            FactType::Long => json!({ "type": "Long" }),
            FactType::Decimal => json!({ "type": "Extension", "name": "decimal" }),
            FactType::Datetime => json!({ "type": "Extension", "name": "datetime" }),
        };
        if let Some(ty) = ty.as_object_mut() {
            ty.insert("required".into(), shape.absent.is_none().into());
        }
        (name.clone(), ty)
    };
    let attributes: Map<String, Value> = facts.iter().map(attribute).collect();
    json!({ "type": "Record", "attributes": attributes })
}

/// A record of texts. One prompt does not have the arguments of another, so each is optional.
fn prompt_input(arguments: &BTreeSet<String>) -> Value {
    let text = |name: &String| (name.clone(), json!({ "type": "String", "required": false }));
    let attributes: Map<String, Value> = arguments.iter().map(text).collect();
    json!({ "type": "Record", "attributes": attributes })
}

fn action(input: &ToolInput) -> Value {
    let common =
        |name: &str| json!({ "type": "EntityOrCommon", "name": format!("{NAMESPACE}::{name}") });
    json!({
        "memberOf": [{ "id": "call" }],
        "appliesTo": {
            "principalTypes": [
                format!("{NAMESPACE}::Agent"),
                format!("{NAMESPACE}::Component"),
                format!("{NAMESPACE}::User"),
            ],
            "resourceTypes": [format!("{NAMESPACE}::Tool")],
            "context": {
                "type": "Record",
                "attributes": {
                    "input": input.cedar_type(),
                    "on_behalf_of": { "type": "Entity", "name": format!("{NAMESPACE}::User") },
                    "run": common("RunFacts"),
                    "approval": common("ApprovalFacts"),
                    "now": { "type": "Extension", "name": "datetime" },
                    "local": common("LocalTime"),
                    "environment": { "type": "String" },
                    "via": {
                        "type": "Set",
                        "element": { "type": "Entity", "name": format!("{NAMESPACE}::Component") },
                    },
                },
            },
        },
    })
}

/// The whole schema: the fixed part, usually [`FIXED`], and what is generated for `types`.
///
/// # Errors
/// If Cedar refuses it, with Cedar's reason: for example two tools whose enumerations clash.
pub fn build(fixed_text: &str, types: LoadedTypes<'_>) -> Result<Schema, SchemaBuildError> {
    let (fixed, _) = SchemaFragment::from_cedarschema_str(fixed_text).map_err(refused)?;
    let generated =
        SchemaFragment::from_json_value(generated(fixed_text, types)).map_err(refused)?;
    Schema::from_schema_fragments([fixed, generated]).map_err(refused)
}

/// The whole schema as text, in Cedar's schema syntax: the fixed part with the tools' actions and the types of prompts'
/// arguments and of facts at its end, then the tools' enumerations.
///
/// # Errors
/// The errors of [`build`].
pub fn text(types: LoadedTypes<'_>) -> Result<String, SchemaBuildError> {
    let Value::Object(mut enumerations) = generated(FIXED, types) else {
        return Ok(FIXED.into());
    };
    let actions = enumerations
        .remove(NAMESPACE)
        .map(|own| json!({ NAMESPACE: own }));
    let print = |fragment: Value| {
        let fragment = SchemaFragment::from_json_value(fragment).map_err(refused)?;
        fragment.to_cedarschema().map_err(refused)
    };
    let actions = print(actions.unwrap_or_else(|| json!({})))?;
    // Cedar accepts a namespace only once per document, so the actions move into that of the fixed part.
    let opening = format!("namespace {NAMESPACE} {{\n");
    let within = actions
        .trim_end()
        .strip_prefix(&opening)
        .and_then(|rest| rest.strip_suffix('}'));
    let fixed = FIXED.trim_end().strip_suffix('}');
    let (Some(fixed), Some(within)) = (fixed, within) else {
        return Err(SchemaBuildError("its parts do not fit together".into()));
    };
    Ok(format!(
        "{fixed}\n{within}}}\n\n{}",
        print(Value::Object(enumerations))?
    ))
}

fn refused(error: impl std::fmt::Display) -> SchemaBuildError {
    SchemaBuildError(error.to_string())
}

#[cfg(test)]
mod tests;
