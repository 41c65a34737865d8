//! From a definition to a tool: named, labelled, with a compiled schema.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tollgate_model::{
    canonical,
    provenance::{
        ArgumentRoles, DeclaredNames, FieldTrust, Trust, acts, proposed_roles, proposed_words,
    },
    request::{prompt_call, resource_call},
};
use tollgate_policy::{
    pdp,
    tool_input::{NumberMapping, ToolInput, mend},
};

use super::LoadError;
use crate::{
    config::{Config, ToolProvenanceConfig, UNLABELLED, UNTRUSTED},
    tool::{
        Annotations, Feature, Limits, SchemaCheck, SourceKind, Tool, ToolDefinition,
        ToolProvenance, ToolSource,
    },
    upstream::PromptDefinition,
};

/// The longest name that model APIs accept.
const MAX_TOOL_NAME: usize = 64;

/// The tool with which agents resume a waiting call; the gate provides it itself.
pub const RESUME_TOOL: &str = "tollgate_resume";

/// The configuration for all tools of one source.
pub(super) struct ToolDefaults<'a> {
    pub(super) source: ToolSource,
    pub(super) rename: &'a BTreeMap<String, String>,
    pub(super) labels: Option<&'a BTreeSet<String>>,
    pub(super) taints: Option<&'a BTreeSet<String>>,
    pub(super) limits: &'a Limits,
}

/// A tool as agents and policies see it.
///
/// # Errors
/// [`LoadError::ToolName`], [`LoadError::ToolSchema`].
pub(super) fn tool(
    config: &Config,
    defaults: &ToolDefaults<'_>,
    definition: ToolDefinition,
) -> Result<Tool, LoadError> {
    let own_name = definition.name;
    let source = &defaults.source;
    let renamed = defaults.rename.get(&own_name).cloned();
    let name = renamed.unwrap_or_else(|| format!("{}__{own_name}", source.name));
    if let Some(problem) = name_problem(&name) {
        return Err(tool_name_error(source, &name, &own_name, problem.into()));
    }
    let input_schema = mend(&definition.input_schema);
    // An unusable output schema checks nothing: the tool works as if it had none.
    let output_schema = definition.output_schema;
    let output_check = output_schema.as_ref().map(SchemaCheck::new);
    let output_check = output_check.and_then(Result::ok);
    let configured = config.tools.get(&name);
    let none = BTreeMap::new();
    let numbers = configured.map_or(&none, |tool| &tool.numbers);
    check_schema(source, (&name, &own_name), &input_schema, numbers)?;
    let output_schema = output_schema.filter(|_| output_check.is_some());
    let trusts_schema =
        configured.is_some_and(|tool| tool.provenance.trust_schema) && !is_reported(config, source);
    let mut tool = Tool {
        title: definition.title,
        description: definition.description,
        annotations: definition.annotations,
        output_check,
        ..called(
            config,
            defaults,
            Feature::Tool,
            name,
            own_name,
            input_schema,
        )
    };
    if let Some(schema) = &output_schema {
        tool.provenance.read_output_schema(schema, trusts_schema);
    }
    Ok(Tool {
        output_schema,
        ..tool
    })
}

/// A prompt as policies see it.
///
/// # Errors
/// [`LoadError::ToolSchema`].
pub(super) fn prompt(
    config: &Config,
    defaults: &ToolDefaults<'_>,
    definition: &PromptDefinition,
) -> Result<Tool, LoadError> {
    let own_name = &definition.name;
    let name = prompt_call(&format!("{}__{own_name}", defaults.source.name));
    let input_schema = definition.input_schema();
    check_schema(
        &defaults.source,
        (&name, own_name),
        &input_schema,
        &BTreeMap::new(),
    )?;
    let own_name = own_name.clone();
    Ok(Tool {
        title: definition.title.clone(),
        description: definition.description.clone(),
        ..called(
            config,
            defaults,
            Feature::Prompt,
            name,
            own_name,
            input_schema,
        )
    })
}

/// The resources of a server as policies see them.
pub(super) fn resources(config: &Config, defaults: &ToolDefaults<'_>) -> Tool {
    let name = resource_call(&defaults.source.name);
    let input_schema = json!({
        "type": "object",
        "properties": { "uri": { "type": "string" } },
        "required": ["uri"],
        "additionalProperties": false,
    });
    called(
        config,
        defaults,
        Feature::Resources,
        name,
        String::new(),
        input_schema,
    )
}

/// What is called `name`, with what is configured of it and nothing of its author but its schema.
fn called(
    config: &Config,
    defaults: &ToolDefaults<'_>,
    feature: Feature,
    name: String,
    own_name: String,
    input_schema: Value,
) -> Tool {
    let configured = config.tools.get(&name);
    let labels = |by_name: Option<&BTreeSet<String>>,
                  by_source: Option<&BTreeSet<String>>,
                  default: &str| {
        let labels = by_name.or(by_source).cloned();
        labels.unwrap_or_else(|| BTreeSet::from([default.to_owned()]))
    };
    let (labels, taints) = (
        labels(
            configured.and_then(|t| t.labels.as_ref()),
            defaults.labels,
            UNLABELLED,
        ),
        labels(
            configured.and_then(|t| t.taints.as_ref()),
            defaults.taints,
            UNTRUSTED,
        ),
    );
    let content: BTreeSet<&String> = labels.union(&taints).collect();
    let mut given = configured.map_or_else(ToolProvenanceConfig::default, |tool| {
        tool.provenance.clone()
    });
    let is_untrusted = is_reported(config, &defaults.source)
        || content
            .iter()
            .any(|label| matches!(label.as_str(), UNTRUSTED | UNLABELLED));
    if is_reported(config, &defaults.source) {
        given.results.retain(|(_, trust)| *trust != Trust::Trusted);
    }
    Tool {
        feature,
        provenance: provenance(given, &own_name, &input_schema, (&labels, is_untrusted)),
        labels,
        taints,
        limits: configured.map_or_else(
            || defaults.limits.clone(),
            |t| t.limits.over(defaults.limits),
        ),
        name,
        own_name,
        source: defaults.source.clone(),
        title: None,
        description: String::new(),
        input_schema,
        output_schema: None,
        // It only reads.
        annotations: Annotations {
            read_only: true,
            ..Annotations::default()
        },
        output_check: None,
    }
}

/// Whether the agent's own side says what the tools of `source` answer: nothing of it is trusted.
fn is_reported(config: &Config, source: &ToolSource) -> bool {
    let external = config.external.get(&source.name);
    source.kind == SourceKind::External && !external.is_some_and(|external| external.trust_outcomes)
}

/// What the operator says about a tool's values, and where he says nothing what its definition proposes.
fn provenance(
    given: ToolProvenanceConfig,
    own_name: &str,
    input_schema: &Value,
    (labels, is_untrusted): (&BTreeSet<String>, bool),
) -> ToolProvenance {
    let default = if is_untrusted {
        Trust::Untrusted
    } else {
        Trust::Trusted
    };
    let results = given.results.iter().map(|(pattern, _)| pattern);
    let roles = ArgumentRoles::new(given.arguments, proposed_roles(input_schema));
    let roles = roles.with_members(input_schema);
    ToolProvenance {
        asked_by: given.asked_by.unwrap_or_else(|| proposed_words(own_name)),
        argument_names: DeclaredNames::of_schema(input_schema),
        result_names: DeclaredNames::of_patterns(results),
        roles: match acts(labels) {
            true => roles.or_identifiers(input_schema),
            false => roles,
        },
        trust: FieldTrust::new(default, given.results),
    }
}

/// Why a tool with this name cannot be shown to agents.
fn name_problem(name: &str) -> Option<&'static str> {
    let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !name.bytes().all(letter) {
        Some("has other characters than letters, digits, `_` and `-`, which model APIs refuse")
    } else if name.len() > MAX_TOOL_NAME {
        Some("has more than 64 characters, which model APIs refuse")
    } else if name == RESUME_TOOL {
        Some("has the name of a tool of the gate itself")
    } else if pdp::is_fixed_action(name) {
        Some("has the name of an action of the gate")
    } else {
        None
    }
}

pub(super) fn tool_name_error(
    source: &ToolSource,
    tool: &str,
    own_name: &str,
    problem: String,
) -> LoadError {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let own = match own_name.bytes().all(bare) {
        true => own_name.to_owned(),
        false => format!("\"{own_name}\""),
    };
    LoadError::ToolName {
        source_kind: source.kind,
        component: source.name.clone(),
        tool: tool.into(),
        own,
        problem,
    }
}

/// Requires that the schema can be used to type arguments, and has a canonical form. `names` are the tool's
/// name and its own.
fn check_schema(
    source: &ToolSource,
    (name, own_name): (&str, &str),
    schema: &Value,
    numbers: &BTreeMap<String, NumberMapping>,
) -> Result<(), LoadError> {
    schema_problem(name, schema, numbers).map_or(Ok(()), |problem| {
        Err(LoadError::ToolSchema {
            what: source.kind.description(),
            component: source.name.clone(),
            tool: own_name.into(),
            problem,
        })
    })
}

fn schema_problem(
    name: &str,
    schema: &Value,
    numbers: &BTreeMap<String, NumberMapping>,
) -> Option<String> {
    if let Err(error) = ToolInput::from_json_schema(name, schema, numbers) {
        return Some(format!("cannot be used: {error}"));
    }
    let is_canonical = canonical::to_canonical(schema).is_ok();
    (!is_canonical).then(|| "has no canonical form".into())
}

/// Why agents could not have a tool with this name and schema of its arguments.
pub(super) fn tool_problem(name: &str, schema: &Value) -> Option<String> {
    if let Some(problem) = name_problem(name) {
        return Some(format!("its name {problem}"));
    }
    let problem = schema_problem(name, &mend(schema), &BTreeMap::new())?;
    Some(format!("its input schema {problem}"))
}
