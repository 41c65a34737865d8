//! All that an operator accepts of a server, pinned together.

use std::collections::BTreeMap;

use serde::Serialize;
use tollgate_model::canonical::{self, Sha256Digest};

use super::{Definition, PromptDefinition, ResourceDefinition, TemplateDefinition};

/// The definitions that a server offers, or that were accepted of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Definitions {
    /// The text for the model that the server gives in its handshake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// Prompts, by the server's own names.
    pub prompts: BTreeMap<String, PromptDefinition>,
    /// Listed resources, by canonical URI.
    pub resources: BTreeMap<String, ResourceDefinition>,
    /// Templates of resources' URIs, by their text.
    pub templates: BTreeMap<String, TemplateDefinition>,
    /// Tools, by the server's own names.
    pub tools: BTreeMap<String, Definition>,
}

impl Definitions {
    /// SHA-256 of the RFC 8785 canonical form; without anything but tools, of the tools alone.
    #[must_use]
    pub fn digest(&self) -> Sha256Digest {
        let tools_alone = Self {
            tools: self.tools.clone(),
            ..Self::default()
        };
        // Schemas are objects that were parsed as canonical JSON, so they have this form.
        let bytes = match *self == tools_alone {
            true => canonical::to_canonical(&self.tools),
            false => canonical::to_canonical(self),
        };
        Sha256Digest::of(&bytes.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
