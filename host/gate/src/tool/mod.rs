//! A loaded tool: its public definition, its labels and limits, and its provider.

mod schema_check;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use serde_json::Value;
#[cfg(doc)]
use tollgate_model::request::{preview_call, prompt_call, resource_call};
use tollgate_model::{
    canonical::Sha256Digest,
    entity::{Entity, Kind, Uid},
    provenance::{ArgumentRoles, DeclaredNames, FieldTrust, Trust, marked_trust},
};

pub use self::schema_check::{SchemaCheck, SchemaError};
pub use tollgate_model::tool::{
    Annotations, Content, EmbeddedResource, Execution, FailureKind, Limits, ResourceBody, Size,
    ToolDefinition, ToolFailure,
};

/// What the name of a preview begins with; see [`preview_call`].
const PREVIEW: &str = "preview:";

/// What a provider has under one name, as MCP divides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Feature {
    /// A tool.
    Tool,
    /// A prompt of an upstream server.
    Prompt,
    /// All resources of an upstream server: which one is an argument.
    Resources,
    /// A tool of a component, run with its reads alone.
    Preview,
}

impl Feature {
    /// The name in JSON: `tool`, `prompt`, `resources` or `preview`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// What can be called: a loaded tool, a prompt, or the resources of an upstream server.
pub struct Tool {
    /// The name by which it is called: `<component>__<tool>`, or the configured new name; for a prompt
    /// [`prompt_call`], for resources [`resource_call`], for a preview [`preview_call`].
    pub name: String,
    /// The name that its component, upstream server or external executor uses.
    pub own_name: String,
    /// What its provider has under this name.
    pub feature: Feature,
    /// Its provider.
    pub source: ToolSource,
    /// A name for people.
    pub title: Option<String>,
    /// For the model. Untrusted: its author wrote it.
    pub description: String,
    /// JSON Schema of the arguments.
    pub input_schema: Value,
    /// JSON Schema of structured content.
    pub output_schema: Option<Value>,
    /// Hints of its author. No decision is based on them.
    pub annotations: Annotations,
    /// Checks structured content, if there is a schema for it.
    pub output_check: Option<SchemaCheck>,
    /// Labels that the operator gave it; `unlabelled` by default.
    pub labels: BTreeSet<String>,
    /// Labels that its content adds to the run, besides its own.
    pub taints: BTreeSet<String>,
    /// Where its values come from and go.
    pub provenance: ToolProvenance,
    /// Limits of an execution.
    pub limits: Limits,
}

/// What the gate knows about the values of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolProvenance {
    /// Words of a user's request that ask for it.
    pub asked_by: Vec<String>,
    /// What its arguments decide about the call.
    pub roles: ArgumentRoles,
    /// Which fields of its results strangers cannot write.
    pub trust: FieldTrust,
    /// Names in its arguments that are not content.
    pub argument_names: DeclaredNames,
    /// Names in its results that are not content.
    pub result_names: DeclaredNames,
}

impl ToolProvenance {
    /// Adds what the output schema says. Its marks as untrusted always hold, those as trusted only if the operator
    /// trusts the schema.
    pub(crate) fn read_output_schema(&mut self, schema: &Value, is_trusted: bool) {
        let holds = |(_, trust): &(_, Trust)| is_trusted || *trust == Trust::Untrusted;
        let marks = marked_trust(schema).into_iter().filter(holds);
        self.trust.add_marks(marks.collect());
        self.result_names.add_schema(schema);
    }
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Tool {
    /// The entity that policies see as the resource of a call with these arguments, and its parents.
    #[must_use]
    pub fn entity(&self, arguments: &Value) -> Entity {
        let uid = match self.feature {
            Feature::Tool | Feature::Preview => Uid::new(Kind::Tool, self.tool_name()),
            Feature::Prompt => Uid::new(Kind::Prompt, self.prompt_name()),
            Feature::Resources => {
                let uri = arguments.get("uri").and_then(Value::as_str);
                let id = format!("{}/{}", self.source.name, uri.unwrap_or_default());
                Uid::new(Kind::Resource, id)
            }
        };
        let labels = self.labels.iter().map(|label| Uid::new(Kind::Label, label));
        let component = Uid::new(Kind::Component, &self.source.name);
        Entity::new(uid, labels.chain([component]))
    }

    /// The name of a tool in policies. Of a preview, that of the tool that it is about.
    #[must_use]
    pub fn tool_name(&self) -> &str {
        match self.feature {
            Feature::Preview => self.name.strip_prefix(PREVIEW).unwrap_or(&self.name),
            _ => &self.name,
        }
    }

    /// The name of a prompt that agents see: `<server>__<prompt>`.
    #[must_use]
    pub fn prompt_name(&self) -> String {
        format!("{}__{}", self.source.name, self.own_name)
    }

    /// Labels that a run holds once it has the tool's result.
    #[must_use]
    pub fn content_labels(&self) -> BTreeSet<String> {
        self.labels.union(&self.taints).cloned().collect()
    }
}

/// Loaded tools, by the name that agents see.
pub type Tools = BTreeMap<String, Arc<Tool>>;

/// The provider of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolSource {
    /// Its name in the configuration; policies see it as `Component::"<name>"`.
    pub name: String,
    /// SHA-256 of the accepted component file, or of the accepted canonical definitions.
    pub digest: Sha256Digest,
    /// How its calls are executed.
    pub kind: SourceKind,
}

impl ToolSource {
    /// Whether its calls run in the sandbox, where each of their effects is decided.
    #[must_use]
    pub fn is_sandboxed(&self) -> bool {
        self.kind == SourceKind::Component
    }
}

/// How the calls of a tool are executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum SourceKind {
    /// In the sandbox; each effect is decided.
    Component,
    /// By an upstream MCP server; only the call is decided.
    Upstream,
    /// By the caller; the gate decides and records, and executes nothing.
    External,
}

impl SourceKind {
    /// The name in JSON: `component`, `upstream` or `external`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The name for people.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::Upstream => "upstream server",
            Self::External => "external executor",
        }
    }

    /// Its table in the configuration.
    #[must_use]
    pub fn table(self) -> &'static str {
        match self {
            Self::Component => "components",
            Self::Upstream => "upstream",
            Self::External => "external",
        }
    }
}

#[cfg(test)]
mod tests;
