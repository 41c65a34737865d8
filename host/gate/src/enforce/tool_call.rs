//! A tool call, as it is decided, recorded and executed.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;
use tollgate_model::{decision::Redaction, entity::Entity, record::KeyedDigest};

use crate::tool::{Feature, Tool};

/// A tool call whose arguments match the tool's schema.
#[derive(Debug)]
pub struct ToolCall {
    tool: Arc<Tool>,
    arguments: Value,
    canonical: String,
    digest: KeyedDigest,
    /// What policy has removed from what the caller sent.
    redaction: Redaction,
}

impl ToolCall {
    /// Only the pipeline creates these, from validated and canonical arguments.
    pub(crate) fn new(
        tool: Arc<Tool>,
        arguments: Value,
        canonical: String,
        digest: KeyedDigest,
    ) -> Self {
        Self {
            tool,
            arguments,
            canonical,
            digest,
            redaction: Redaction::default(),
        }
    }

    /// The same after this redaction.
    pub(crate) fn after(self, redaction: Redaction) -> Self {
        Self { redaction, ..self }
    }

    /// Pointers into the arguments at which the gate has removed something.
    pub(crate) fn redacted_pointers(&self) -> BTreeSet<String> {
        self.redaction.pointers.clone()
    }

    /// What policy has removed from the arguments. The others are those that remain.
    #[must_use]
    pub fn redaction(&self) -> &Redaction {
        &self.redaction
    }

    /// The tool.
    #[must_use]
    pub fn tool(&self) -> &Arc<Tool> {
        &self.tool
    }

    /// The arguments.
    #[must_use]
    pub fn arguments(&self) -> &Value {
        &self.arguments
    }

    /// The RFC 8785 canonical form of the arguments: the guest gets exactly what was decided.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// The canonical URI, if a resource is read.
    #[must_use]
    pub fn uri(&self) -> Option<&str> {
        match self.tool.feature {
            Feature::Resources => self.arguments.get("uri").and_then(Value::as_str),
            Feature::Tool | Feature::Prompt | Feature::Preview => None,
        }
    }

    /// The entity that policies see as its resource, and its parents.
    pub(crate) fn entity(&self) -> Entity {
        self.tool.entity(&self.arguments)
    }

    /// Keyed digest of tool and arguments.
    #[must_use]
    pub fn digest(&self) -> &KeyedDigest {
        &self.digest
    }
}
