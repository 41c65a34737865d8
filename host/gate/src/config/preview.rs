//! `preview` under `[tools.NAME]`: what approvers may see before they answer.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{ConfigError, raw, validate::Validation};

/// The word for a run of the tool itself.
const DRY_RUN: &str = "dry-run";

/// What shows approvers what a call would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PreviewConfig {
    /// The tool itself, run with its reads alone.
    DryRun,
    /// Another tool.
    Tool {
        /// Its name.
        name: String,
        /// Its arguments: pointers into those of the call. `None`: the same.
        arguments: Option<BTreeMap<String, String>>,
    },
}

impl PreviewConfig {
    /// The arguments of the other tool for a call with `arguments`. One whose pointer leads nowhere is left out.
    #[must_use]
    pub fn arguments(&self, arguments: &Value) -> Value {
        let Self::Tool {
            arguments: Some(named),
            ..
        } = self
        else {
            return arguments.clone();
        };
        let members = named.iter().filter_map(|(name, pointer)| {
            let value = arguments.pointer(pointer)?;
            Some((name.clone(), value.clone()))
        });
        Value::Object(members.collect::<Map<_, _>>())
    }
}

impl Validation<'_> {
    pub(super) fn preview(&self, given: raw::Preview) -> Result<PreviewConfig, ConfigError> {
        let (name, arguments) = match given {
            raw::Preview::Name(name) if name == DRY_RUN => return Ok(PreviewConfig::DryRun),
            raw::Preview::Name(name) => (name, None),
            raw::Preview::Tool(raw::PreviewTool { tool, arguments }) => (tool, Some(arguments)),
        };
        let mut pointers = arguments.iter().flat_map(BTreeMap::values);
        if let Some(wrong) = pointers.find(|pointer| !pointer.starts_with('/')) {
            let message = format!("`{}` is not a JSON pointer", wrong.escape_debug());
            let help = "it begins with `/`, as in preview = { tool = \"payments__quote\", arguments = { order = \"/order\" } }";
            return Err(self.error(wrong, message, help));
        }
        Ok(PreviewConfig::Tool { name, arguments })
    }
}
