//! Tools as they are declared in a file.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tollgate_model::canonical;

/// A tool as it is declared.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Declaration {
    pub(super) name: String,
    #[serde(default)]
    pub(super) description: String,
    #[serde(rename = "inputSchema")]
    pub(super) input_schema: Value,
}

/// The tools of a JSON array of `{name, description, inputSchema}`.
pub(super) fn declarations(text: &str) -> Result<Vec<Declaration>, String> {
    let value = canonical::parse(text).map_err(|e| e.to_string())?;
    serde_json::from_value(value)
        .map_err(|e| format!("they are not an array of {{name, description, inputSchema}}: {e}"))
}
