//! What a server offers at one time, and how that differs from the accepted definitions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tollgate_model::canonical::Sha256Digest;

use super::{Definition, Definitions, PromptDefinition, ResourceDefinition, TemplateDefinition};

/// The most tools of a server, and the most entries of each of its other lists.
pub const MAX_TOOLS: usize = 256;
/// The most bytes of a server's instructions.
pub const MAX_INSTRUCTIONS: usize = 16 << 10;

/// The entries of a server's lists, all pages together, and its instructions.
#[derive(Debug, Clone, Default)]
pub struct Listings {
    /// Of `tools/list`.
    pub tools: Vec<Value>,
    /// Of `prompts/list`.
    pub prompts: Vec<Value>,
    /// Of `resources/list`.
    pub resources: Vec<Value>,
    /// Of `resources/templates/list`.
    pub templates: Vec<Value>,
    /// The text for the model.
    pub instructions: Option<String>,
    /// Lists that the server did not give, such as `prompts`, with reasons.
    pub unanswered: BTreeMap<String, String>,
}

/// The offer of a server: each definition, or why it cannot be used.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Offer {
    tools: List<Definition>,
    prompts: List<PromptDefinition>,
    resources: List<ResourceDefinition>,
    templates: List<TemplateDefinition>,
    instructions: Option<Result<String, String>>,
    unanswered: BTreeMap<String, String>,
}

/// The entries of one list, each by its key, or why it cannot be used.
#[derive(Debug, Clone, PartialEq)]
struct List<D>(BTreeMap<String, Result<D, String>>);

impl<D> Default for List<D> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<D: Clone> List<D> {
    /// Entries beyond [`MAX_TOOLS`] are not looked at, and it is said how many those are. `choose` says what an
    /// operator can do about it.
    fn new(
        entries: &[Value],
        what: &str,
        choose: &str,
        read: impl Fn(&Value) -> Result<(String, D), (String, String)>,
    ) -> Self {
        let mut list = BTreeMap::new();
        for entry in entries.iter().take(MAX_TOOLS) {
            let (key, definition) = match read(entry) {
                Ok((key, definition)) => (key, Ok(definition)),
                Err((key, problem)) => (key, Err(problem)),
            };
            list.entry(key)
                .and_modify(|twice| *twice = Err(format!("two {what} have this name")))
                .or_insert(definition);
        }
        if let Some(surplus @ 1..) = entries.len().checked_sub(MAX_TOOLS) {
            let problem = format!(
                "only {MAX_TOOLS} {what} of a server are taken; choose with `{choose}` in its table"
            );
            list.insert(format!("({surplus} more)"), Err(problem));
        }
        Self(list)
    }

    fn definitions(&self) -> BTreeMap<String, D> {
        let usable = |(key, definition): (&String, &Result<D, String>)| {
            Some((key.clone(), definition.as_ref().ok()?.clone()))
        };
        self.0.iter().filter_map(usable).collect()
    }

    /// What cannot be used, each under the name that `named` makes of its key.
    fn left_out<'a>(
        &'a self,
        named: impl Fn(&str) -> String + 'a,
    ) -> impl Iterator<Item = (String, String)> + 'a {
        self.0.iter().filter_map(move |(key, definition)| {
            Some((named(key), definition.as_ref().err()?.clone()))
        })
    }
}

impl Offer {
    /// The offer of a server that has tools alone: the entries of a `tools/list` result, all pages together.
    #[must_use]
    pub fn new(tools: &[Value]) -> Self {
        let listings = Listings {
            tools: tools.to_vec(),
            ..Listings::default()
        };
        Self::of(&listings)
    }

    /// The offer of a server with these lists.
    #[must_use]
    pub fn of(listings: &Listings) -> Self {
        let instructions = listings.instructions.as_ref();
        let instructions =
            instructions
                .filter(|text| !text.trim().is_empty())
                .map(|text| match text.len() {
                    size if size > MAX_INSTRUCTIONS => Err(format!(
                        "they have {size} bytes, more than {MAX_INSTRUCTIONS}"
                    )),
                    _ => Ok(text.clone()),
                });
        Self {
            tools: List::new(&listings.tools, "tools", "tools = [\"NAME\", ..]", |tool| {
                let tool = Definition::read(tool)?;
                Ok((tool.name.clone(), tool))
            }),
            prompts: List::new(
                &listings.prompts,
                "prompts",
                "prompts = [\"NAME\", ..]",
                |prompt| {
                    let prompt = PromptDefinition::read(prompt)?;
                    Ok((prompt.name.clone(), prompt))
                },
            ),
            resources: List::new(
                &listings.resources,
                "resources",
                "resources = [\"URI*\", ..]",
                |one| {
                    let resource = ResourceDefinition::read(one)?;
                    Ok((resource.uri.clone(), resource))
                },
            ),
            templates: List::new(
                &listings.templates,
                "templates",
                "resources = [\"URI*\", ..]",
                |one| {
                    let template = TemplateDefinition::read(one)?;
                    Ok((template.uri_template.clone(), template))
                },
            ),
            instructions,
            unanswered: listings.unanswered.clone(),
        }
    }

    /// The tool with this name.
    pub(super) fn tool(&self, own_name: &str) -> Option<&Result<Definition, String>> {
        self.tools.0.get(own_name)
    }

    /// The prompt with this name.
    pub(super) fn prompt(&self, own_name: &str) -> Option<&Result<PromptDefinition, String>> {
        self.prompts.0.get(own_name)
    }

    /// The instructions, if they can be used.
    pub(super) fn instructions(&self) -> Option<&str> {
        self.instructions.as_ref()?.as_deref().ok()
    }

    /// The usable definitions.
    #[must_use]
    pub fn definitions(&self) -> Definitions {
        Definitions {
            instructions: self.instructions().map(str::to_owned),
            prompts: self.prompts.definitions(),
            resources: self.resources.definitions(),
            templates: self.templates.definitions(),
            tools: self.tools.definitions(),
        }
    }

    /// What cannot be used, with reasons: tools by their names, the rest as in `prompt NAME`.
    #[must_use]
    pub fn left_out(&self) -> BTreeMap<String, String> {
        let instructions = self
            .instructions
            .as_ref()
            .and_then(|text| text.as_ref().err());
        let instructions = instructions.map(|why| ("instructions".to_owned(), why.clone()));
        let unanswered = self.unanswered.clone().into_iter();
        (self.tools.left_out(str::to_owned))
            .chain(self.prompts.left_out(|name| format!("prompt {name}")))
            .chain(self.resources.left_out(|uri| format!("resource {uri}")))
            .chain(self.templates.left_out(|uri| format!("template {uri}")))
            .chain(instructions)
            .chain(unanswered)
            .collect()
    }
}

/// How the entries of one list differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes<D> {
    /// Those that are offered and were not accepted.
    pub added: Vec<D>,
    /// Those whose definitions have changed: the accepted and the current definition.
    pub changed: Vec<(D, D)>,
    /// Accepted ones that are no longer offered.
    pub vanished: Vec<D>,
    /// Unchanged ones, by name or URI.
    pub same: Vec<String>,
}

impl<D> Default for Changes<D> {
    fn default() -> Self {
        Self {
            added: Vec::new(),
            changed: Vec::new(),
            vanished: Vec::new(),
            same: Vec::new(),
        }
    }
}

impl<D: Clone + PartialEq> Changes<D> {
    fn between(before: &BTreeMap<String, D>, now: &BTreeMap<String, D>) -> Self {
        let mut changes = Self::default();
        for (key, definition) in now {
            match before.get(key) {
                None => changes.added.push(definition.clone()),
                Some(old) if old == definition => changes.same.push(key.clone()),
                Some(old) => changes.changed.push((old.clone(), definition.clone())),
            }
        }
        let gone = before.iter().filter(|(key, _)| !now.contains_key(*key));
        changes.vanished = gone.map(|(_, old)| old.clone()).collect();
        changes
    }

    /// Whether there is nothing to list.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How a text differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextChange {
    /// The accepted text.
    pub accepted: Option<String>,
    /// The current one.
    pub now: Option<String>,
}

/// The server's offer now, compared with the accepted definitions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Digest of the offer.
    pub digest: Sha256Digest,
    /// Digest of the accepted definitions; `None` if there are none.
    pub accepted: Option<Sha256Digest>,
    /// Tools that it offers and that were not accepted.
    pub added: Vec<Definition>,
    /// Tools whose definitions have changed: the accepted and the current definition.
    pub changed: Vec<(Definition, Definition)>,
    /// Accepted tools that it no longer offers.
    pub vanished: Vec<Definition>,
    /// Unchanged tools, by name.
    pub same: Vec<String>,
    /// Tools and other entries that cannot be used, with reasons.
    pub left_out: BTreeMap<String, String>,
    /// Its prompts.
    #[serde(default, skip_serializing_if = "Changes::is_empty")]
    pub prompts: Changes<PromptDefinition>,
    /// Its listed resources.
    #[serde(default, skip_serializing_if = "Changes::is_empty")]
    pub resources: Changes<ResourceDefinition>,
    /// Its templates of resources' URIs.
    #[serde(default, skip_serializing_if = "Changes::is_empty")]
    pub templates: Changes<TemplateDefinition>,
    /// Its instructions, where they differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<TextChange>,
}

impl Difference {
    /// The difference between the accepted definitions and the offer.
    #[must_use]
    pub fn between(accepted: Option<&Definitions>, offer: &Offer) -> Self {
        let now = offer.definitions();
        let nothing = Definitions::default();
        let before = accepted.unwrap_or(&nothing);
        let Changes {
            added,
            changed,
            vanished,
            same,
        } = Changes::between(&before.tools, &now.tools);
        let instructions = (before.instructions != now.instructions).then(|| TextChange {
            accepted: before.instructions.clone(),
            now: now.instructions.clone(),
        });
        Self {
            digest: now.digest(),
            accepted: accepted.map(Definitions::digest),
            added,
            changed,
            vanished,
            same,
            left_out: offer.left_out(),
            prompts: Changes::between(&before.prompts, &now.prompts),
            resources: Changes::between(&before.resources, &now.resources),
            templates: Changes::between(&before.templates, &now.templates),
            instructions,
        }
    }

    /// Whether the server offers exactly what was accepted.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.accepted == Some(self.digest)
    }
}

#[cfg(test)]
mod tests;
