//! The bundle: everything that decisions depend on, as data.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tollgate_model::entity::{Entity, Kind, Uid};
use tollgate_policy::{
    pdp::{Bundle, CheckedNames, ToolTypes},
    policy::{ConfiguredNames, PolicyFile},
};

use super::{LoadError, facts};
use crate::{
    config::Config,
    history,
    tool::{Feature, Tools},
};

/// What decisions depend on: policies, tools, prompts and the configured entities.
pub(super) fn bundle(config: &Config, tools: &Tools, others: &Tools) -> Result<Bundle, LoadError> {
    facts::check(config, tools, others)?;
    let prompts = || {
        others
            .values()
            .filter(|other| other.feature == Feature::Prompt)
    };
    let mut entities = config.entities();
    entities.extend(
        config
            .components
            .keys()
            .chain(config.upstreams.keys())
            .chain(config.external.keys())
            .map(|c| Entity::new(Uid::new(Kind::Component, c), [])),
    );
    // A resource comes with its request; here, one without a URI represents those of its server.
    let named = tools.values().chain(others.values());
    entities.extend(named.map(|tool| tool.entity(&Value::Null)));
    let types = tools.values().map(|tool| {
        let numbers = config
            .tools
            .get(&tool.name)
            .map(|t| t.numbers.clone())
            .unwrap_or_default();
        (
            tool.name.clone(),
            ToolTypes {
                input_schema: tool.input_schema.clone(),
                numbers,
            },
        )
    });
    let prompts = prompts().map(|prompt| {
        let types = ToolTypes {
            input_schema: prompt.input_schema.clone(),
            numbers: BTreeMap::new(),
        };
        (prompt.prompt_name(), types)
    });
    let with_budgets = |mut files: Vec<PolicyFile>| {
        files.extend(config.budgets.policies());
        files
    };
    Ok(Bundle {
        checked: checked(config, tools),
        candidate: config.candidate_files()?.map(with_budgets),
        facts: history::shapes(&config.facts),
        prompts: prompts.collect(),
        ..Bundle::new(
            entities,
            with_budgets(config.policy_files()?),
            types.collect(),
        )
    })
}

/// By what policies are checked, and not decided.
fn checked(config: &Config, tools: &Tools) -> CheckedNames {
    let (mut grants, mut config_entries) = (BTreeSet::new(), BTreeSet::new());
    for (name, component) in &config.components {
        let within = |key: &String| format!("{name}/{key}");
        grants.extend(component.grants.keys().map(within));
        config_entries.extend(component.config.keys().map(within));
    }
    let schemas = tools.values().filter_map(|tool| {
        let schema = tool.output_schema.clone()?;
        Some((tool.name.clone(), schema))
    });
    CheckedNames {
        configured: ConfiguredNames {
            grants,
            config_entries,
        },
        output_schemas: schemas.collect(),
    }
}
