//! A tool call, as it is decided, recorded and executed.

use std::sync::Arc;

use serde_json::Value;
use tollgate_model::{entity::Entity, record::KeyedDigest};

use crate::tool::{Feature, Tool};

/// A tool call whose arguments match the tool's schema.
#[derive(Debug)]
pub struct ToolCall {
    tool: Arc<Tool>,
    arguments: Value,
    canonical: String,
    digest: KeyedDigest,
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
        }
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
            Feature::Tool | Feature::Prompt => None,
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
