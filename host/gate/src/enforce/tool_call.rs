//! A tool call, as it is decided, recorded and executed.

use std::sync::Arc;

use serde_json::Value;
use tollgate_model::record::KeyedDigest;

use crate::tool::Tool;

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

    /// Keyed digest of tool and arguments.
    #[must_use]
    pub fn digest(&self) -> &KeyedDigest {
        &self.digest
    }
}
