//! External executors: tools whose calls the caller executes.

use std::{collections::BTreeMap, fs};

use serde::Deserialize;
use serde_json::Value;
use tollgate_model::canonical::{self, Sha256Digest};

use super::{
    LoadError,
    tool::{ToolDefaults, tool},
};
use crate::{
    config::{Config, ExternalConfig, ExternalTools},
    tool::{Annotations, SourceKind, Tool, ToolDefinition, ToolSource},
};

/// Claude Code's own tools.
const CLAUDE_CODE: &str = include_str!("claude_code.json");

/// A tool as it is declared.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Declaration {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(rename = "inputSchema")]
    input_schema: Value,
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
    let text = match &settings.tools {
        ExternalTools::ClaudeCode => CLAUDE_CODE.to_owned(),
        ExternalTools::File(path) => {
            fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?
        }
    };
    let value = canonical::parse(&text).map_err(|e| e.to_string())?;
    let bytes = canonical::to_canonical(&value).map_err(|e| e.to_string())?;
    let declared: Vec<Declaration> = serde_json::from_value(value)
        .map_err(|e| format!("they are not an array of {{name, description, inputSchema}}: {e}"))?;
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
