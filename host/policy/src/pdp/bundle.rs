//! Everything that a decision depends on, apart from the request and its facts.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tollgate_model::{
    canonical::{self, Sha256Digest},
    entity::Entity,
    history::FactShape,
};

use super::LoadError;
use crate::{
    policy::{ConfiguredNames, PolicyFile},
    schema,
    tool_input::NumberMapping,
};

/// Everything that a decision depends on, apart from the request and its facts. Every decision names its
/// digest, and it is stored, so that a decision can be replayed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bundle {
    /// Sources of a whole policy set in shadow, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Vec<PolicyFile>>,
    /// Cedar's version, such as `4.14.0`.
    pub cedar: String,
    /// By what else policies are checked. No decision depends on it, so it is neither recorded nor part of the digest.
    #[serde(skip)]
    pub checked: CheckedNames,
    /// Entities of the configuration, with their parents.
    pub entities: Vec<Entity>,
    /// History facts, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, FactShape>,
    /// Policy sources.
    pub policies: Vec<PolicyFile>,
    /// Loaded prompts of upstream servers, by the name that agents see.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub prompts: BTreeMap<String, ToolTypes>,
    /// The fixed schema.
    pub schema: String,
    /// Loaded tools, by the name that agents see.
    pub tools: BTreeMap<String, ToolTypes>,
}

/// What of the configuration and of tools only the checks of policies read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CheckedNames {
    /// Grants and configuration entries.
    pub configured: ConfiguredNames,
    /// Output schemas, by the name of their tool.
    pub output_schemas: BTreeMap<String, Value>,
}

/// The types of the arguments of a tool or a prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolTypes {
    /// Its JSON Schema.
    pub input_schema: Value,
    /// Numbers that policies do not see as decimals, by JSON pointer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub numbers: BTreeMap<String, NumberMapping>,
}

impl Bundle {
    /// A bundle for this build's Cedar and fixed schema.
    #[must_use]
    pub fn new(
        entities: Vec<Entity>,
        policies: Vec<PolicyFile>,
        tools: BTreeMap<String, ToolTypes>,
    ) -> Self {
        Self {
            candidate: None,
            checked: CheckedNames::default(),
            cedar: cedar_policy::get_sdk_version().to_string(),
            entities,
            facts: BTreeMap::new(),
            policies,
            prompts: BTreeMap::new(),
            schema: schema::FIXED.into(),
            tools,
        }
    }

    /// The names of arguments of all prompts.
    #[must_use]
    pub fn prompt_arguments(&self) -> BTreeSet<String> {
        let properties = |types: &ToolTypes| {
            let properties = types.input_schema.get("properties");
            properties.and_then(Value::as_object).cloned()
        };
        let prompts = self.prompts.values().filter_map(properties);
        prompts
            .flat_map(|properties| properties.into_iter().map(|(name, _)| name))
            .collect()
    }

    /// Its canonical JSON and the SHA-256 of that JSON.
    ///
    /// # Errors
    /// [`LoadError::Bundle`] if it cannot be written as JSON.
    pub fn seal(&self) -> Result<(Vec<u8>, Sha256Digest), LoadError> {
        let bytes = canonical::to_canonical(self).map_err(|e| LoadError::Bundle(e.to_string()))?;
        let digest = Sha256Digest::of(&bytes);
        Ok((bytes, digest))
    }
}
