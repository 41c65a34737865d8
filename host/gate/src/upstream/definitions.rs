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
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::upstream::{Listings, Offer};

    fn digest(change: impl FnOnce(&mut Listings)) -> Sha256Digest {
        let prompt = json!({"name": "p", "description": "d", "arguments": [{"name": "a"}]});
        let mut listings = Listings {
            tools: vec![
                json!({"name": "a", "description": "d", "inputSchema": {"type": "object"}}),
            ],
            prompts: vec![prompt],
            resources: vec![json!({"uri": "note:a", "name": "a"})],
            templates: vec![json!({"uriTemplate": "note:{x}", "name": "a"})],
            instructions: Some("Be kind.".into()),
            ..Listings::default()
        };
        change(&mut listings);
        Offer::of(&listings).definitions().digest()
    }

    #[test]
    fn every_word_of_a_definition_is_in_the_digest() {
        let base = digest(|_| {});
        let set = |entry: &mut Vec<Value>, key: &str, value: Value| entry[0][key] = value;
        for (what, changed) in [
            (
                "instructions",
                digest(|l| l.instructions = Some("Be kind!".into())),
            ),
            ("no instructions", digest(|l| l.instructions = None)),
            (
                "title",
                digest(|l| set(&mut l.prompts, "title", json!("t"))),
            ),
            (
                "arguments",
                digest(|l| {
                    set(
                        &mut l.prompts,
                        "arguments",
                        json!([{"name": "a", "required": true}]),
                    )
                }),
            ),
            (
                "argument",
                digest(|l| {
                    set(
                        &mut l.prompts,
                        "arguments",
                        json!([{"name": "a", "description": "x"}]),
                    )
                }),
            ),
            (
                "own uri",
                digest(|l| set(&mut l.resources, "uri", json!("NOTE:a"))),
            ),
            (
                "name",
                digest(|l| set(&mut l.resources, "name", json!("b"))),
            ),
            (
                "media type",
                digest(|l| set(&mut l.resources, "mimeType", json!("a/b"))),
            ),
            (
                "template",
                digest(|l| set(&mut l.templates, "description", json!("b"))),
            ),
            (
                "tool",
                digest(|l| set(&mut l.tools, "description", json!("b"))),
            ),
        ] {
            assert_ne!(base, changed, "{what}");
        }
    }
}
