//! The tools as MCP lists them: in one order, made once for each ruleset.

use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::{Tool, ToolAnnotations};
use serde_json::Value;
use tollgate::{enforce::Ruleset, gate::Gate, tool::SourceKind};

use super::{handler::resume_tool, output};

/// The list of the latest ruleset.
#[derive(Debug, Default)]
pub(super) struct Listing(Mutex<Option<CachedListing>>);

#[derive(Debug, Clone)]
struct CachedListing {
    ruleset: Arc<Ruleset>,
    tools: Arc<[Tool]>,
}

impl Listing {
    fn listed(&self, gate: &Gate) -> CachedListing {
        let ruleset = gate.ruleset();
        let mut listed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*listed {
            Some(latest) if Arc::ptr_eq(&latest.ruleset, &ruleset) => latest.clone(),
            _ => {
                let latest = CachedListing {
                    tools: list(&ruleset),
                    ruleset,
                };
                listed.insert(latest).clone()
            }
        }
    }

    /// The tools in force.
    pub(super) fn tools(&self, gate: &Gate) -> Arc<[Tool]> {
        self.listed(gate).tools
    }
}

fn list(ruleset: &Ruleset) -> Arc<[Tool]> {
    // External tools are executed by their caller, so they cannot be called here.
    let called = ruleset.tools.values();
    let called = called.filter(|tool| !matches!(tool.source.kind, SourceKind::External));
    let tools = called.map(|tool| {
        let input = object(&tool.input_schema);
        let description = Some(tool.description.clone()).filter(|text| !text.is_empty());
        let mut listed = Tool::new_with_raw(
            tool.name.clone(),
            description.map(Into::into),
            Arc::new(input),
        );
        listed.title.clone_from(&tool.title);
        let output = tool.output_schema.as_ref().and_then(output::listed);
        listed.output_schema = output.map(Arc::new);
        let hints = tool.annotations;
        listed.annotations = Some(
            ToolAnnotations::new()
                .read_only(hints.read_only)
                .destructive(hints.destructive)
                .idempotent(hints.idempotent)
                .open_world(hints.open_world),
        );
        listed
    });
    // What the gate itself offers stands last.
    let own = serde_json::from_value::<Tool>(resume_tool()).ok();
    tools.chain(own).collect()
}

fn object(schema: &Value) -> rmcp::model::JsonObject {
    schema.as_object().cloned().unwrap_or_default()
}
