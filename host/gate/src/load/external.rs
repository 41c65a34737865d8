//! External executors: tools whose calls the caller executes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use tollgate_model::canonical::{self, Sha256Digest};

use super::{
    LoadError,
    declaration::{Declaration, declarations},
    preset,
    tool::{ToolDefaults, tool},
};
use crate::{
    config::{Config, ExternalConfig, ExternalTools},
    tool::{Annotations, SourceKind, Tool, ToolDefinition, ToolSource},
};

fn declared(tools: &ExternalTools) -> Result<Vec<Declaration>, String> {
    match tools {
        ExternalTools::Preset(preset) => preset::tools(*preset),
        ExternalTools::File(path) => {
            let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
            declarations(&text)
        }
    }
}

/// The names of the tools that an executor declares.
///
/// # Errors
/// What is wrong with the file of declarations.
pub fn external_tool_names(tools: &ExternalTools) -> Result<BTreeSet<String>, String> {
    let tools = declared(tools)?.into_iter();
    Ok(tools.map(|tool| tool.name).collect())
}

/// The tools of an external executor.
///
/// # Errors
/// [`LoadError`].
pub(super) fn tools(
    config: &Config,
    name: &str,
    settings: &ExternalConfig,
) -> Result<Vec<Tool>, LoadError> {
    let (digest, definitions) = definitions(settings).map_err(|reason| LoadError::External {
        name: name.into(),
        reason,
    })?;
    let none = BTreeMap::new();
    let defaults = ToolDefaults {
        source: ToolSource {
            name: name.into(),
            digest,
            kind: SourceKind::External,
        },
        rename: &none,
        labels: settings.labels.as_ref(),
        taints: settings.taints.as_ref(),
        limits: &settings.limits,
    };
    definitions
        .into_iter()
        .map(|definition| tool(config, &defaults, definition))
        .collect()
}

/// The definitions with the digest of their canonical form.
fn definitions(settings: &ExternalConfig) -> Result<(Sha256Digest, Vec<ToolDefinition>), String> {
    let declared = declared(&settings.tools)?;
    let bytes = canonical::to_canonical(&declared).map_err(|e| e.to_string())?;
    let definitions = declared.into_iter().map(|tool| ToolDefinition {
        name: tool.name,
        title: None,
        description: tool.description,
        input_schema: tool.input_schema,
        output_schema: None,
        annotations: Annotations::default(),
    });
    Ok((Sha256Digest::of(&bytes), definitions.collect()))
}
