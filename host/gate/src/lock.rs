//! `tollgate.lock`: component files, by digest, and the definitions of upstream servers that an operator
//! has accepted.
//!
//! A component that is not in it, or whose file has changed, is refused until an operator accepts it. An
//! upstream server has exactly the tools and prompts that are in it, as they are defined there.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tollgate_ledger::durable_file::{self, FileMode};
use tollgate_model::canonical::Sha256Digest;

use crate::upstream::{
    Definition, Definitions, Offer, PromptDefinition, ResourceDefinition, TemplateDefinition,
};

/// The file's name, in the directory of the configuration.
pub const FILE_NAME: &str = "tollgate.lock";

/// Why the lock file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {reason}")]
pub struct LockError {
    file: String,
    reason: String,
}

/// The accepted components and upstream servers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// By name.
    #[serde(default)]
    pub components: BTreeMap<String, LockedComponent>,
    /// By name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub upstream: BTreeMap<String, LockedUpstream>,
}

/// An accepted upstream server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedUpstream {
    /// SHA-256 of the definitions' canonical form.
    pub digest: Sha256Digest,
    /// The text for the model that it gives in its handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// Its tools.
    #[serde(default)]
    pub tools: Vec<Definition>,
    /// What else it offered, and why that cannot be used. Not part of the digest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out: BTreeMap<String, String>,
    /// Its prompts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prompts: Vec<PromptDefinition>,
    /// Its listed resources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ResourceDefinition>,
    /// Its templates of resources' URIs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<TemplateDefinition>,
}

impl LockedUpstream {
    /// These definitions, accepted.
    #[must_use]
    pub fn new(definitions: Definitions) -> Self {
        Self {
            digest: definitions.digest(),
            instructions: definitions.instructions,
            tools: definitions.tools.into_values().collect(),
            left_out: BTreeMap::new(),
            prompts: definitions.prompts.into_values().collect(),
            resources: definitions.resources.into_values().collect(),
            templates: definitions.templates.into_values().collect(),
        }
    }

    /// What can be used of an offer, accepted.
    #[must_use]
    pub fn of(offer: &Offer) -> Self {
        Self {
            left_out: offer.left_out(),
            ..Self::new(offer.definitions())
        }
    }

    /// The accepted definitions; `None` if they do not match the digest.
    #[must_use]
    pub fn definitions(&self) -> Option<Definitions> {
        let definitions = Definitions {
            instructions: self.instructions.clone(),
            prompts: keyed(&self.prompts, |prompt| &prompt.name),
            resources: keyed(&self.resources, |resource| &resource.uri),
            templates: keyed(&self.templates, |template| &template.uri_template),
            tools: keyed(&self.tools, |tool| &tool.name),
        };
        (definitions.digest() == self.digest).then_some(definitions)
    }
}

fn keyed<D: Clone>(definitions: &[D], key: impl Fn(&D) -> &String) -> BTreeMap<String, D> {
    let keyed = definitions.iter().map(|d| (key(d).clone(), d.clone()));
    keyed.collect()
}

/// An accepted component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedComponent {
    /// SHA-256 of its file.
    pub digest: Sha256Digest,
}

impl Lock {
    /// The path of the lock of the configuration `config`.
    #[must_use]
    pub fn path(config: &Path) -> PathBuf {
        config.with_file_name(FILE_NAME)
    }

    /// Read the lock at `path`; empty if there is none.
    ///
    /// # Errors
    /// [`LockError`] if it cannot be read or is malformed.
    pub fn read(path: &Path) -> Result<Self, LockError> {
        let failed = |reason: String| LockError {
            file: path.display().to_string(),
            reason,
        };
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(path, &text),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(failed(e.to_string())),
        }
    }

    /// The lock in the text of the file at `path`.
    ///
    /// # Errors
    /// [`LockError`] if it is malformed.
    pub fn parse(path: &Path, text: &str) -> Result<Self, LockError> {
        toml::from_str(text).map_err(|e| LockError {
            file: path.display().to_string(),
            reason: format!(
                "{}; remove the file and accept again what is in it",
                e.message()
            ),
        })
    }

    /// Writes the lock to `path` atomically.
    ///
    /// # Errors
    /// [`LockError`] if it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), LockError> {
        let failed = |reason: String| LockError {
            file: path.display().to_string(),
            reason,
        };
        let text = toml::to_string(self).map_err(|e| failed(e.to_string()))?;
        let text = format!(
            "# What an operator has accepted. Made by `tollgate component accept` and `tollgate upstream accept`.\n\n{text}"
        );
        durable_file::replace(path, text.as_bytes(), FileMode::Public)
            .map_err(|e| failed(e.to_string()))
    }
}
