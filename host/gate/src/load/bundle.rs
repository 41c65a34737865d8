//! The bundle: everything that decisions depend on, as data.

use tollgate_model::entity::{Entity, Kind, Uid};
use tollgate_policy::{
    pdp::{Bundle, ToolTypes},
    policy::PolicyFile,
};

use super::LoadError;
use crate::{config::Config, tool::Tools};

/// What decisions depend on: policies, tools and the configured entities.
pub(super) fn bundle(config: &Config, tools: &Tools) -> Result<Bundle, LoadError> {
    let label = |l: &String| Uid::new(Kind::Label, l);
    let mut entities = config.entities();
    entities.extend(
        config
            .components
            .keys()
            .chain(config.upstreams.keys())
            .chain(config.external.keys())
            .map(|c| Entity::new(Uid::new(Kind::Component, c), [])),
    );
    entities.extend(tools.values().map(|tool| {
        let component = Uid::new(Kind::Component, &tool.source.name);
        let parents = tool.labels.iter().map(label).chain([component]);
        Entity::new(Uid::new(Kind::Tool, &tool.name), parents)
    }));
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
    let with_budgets = |mut files: Vec<PolicyFile>| {
        files.extend(config.budgets.policies());
        files
    };
    Ok(Bundle {
        candidate: config.candidate_files()?.map(with_budgets),
        ..Bundle::new(
            entities,
            with_budgets(config.policy_files()?),
            types.collect(),
        )
    })
}
