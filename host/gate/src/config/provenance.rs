//! Where values come from and where they go: roles of arguments, trust in results, the user's request.

use std::collections::{BTreeMap, BTreeSet};

use tollgate_model::provenance::{PointerPattern, Role, Trust};

use super::{ConfigError, raw, validate::Validation};

/// How the user's request reaches the gate.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::EnumString, strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum RequestChannel {
    /// The header `Tollgate-User-Request` of a call, over MCP or REST.
    Header,
    /// `_meta` of the calls of an MCP client.
    Mcp,
    /// The attribute `tollgate.user_request` of a span that the agent's host reports.
    Otlp,
    /// `POST /v1/requests`, which hooks of agents use, too.
    Rest,
}

/// The operator's settings for the values of a tool.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolProvenanceConfig {
    /// Words that ask for it; `None`: those that its name proposes.
    pub asked_by: Option<Vec<String>>,
    /// Roles of arguments, before those that the schema proposes. `None` takes a proposal away.
    pub arguments: Vec<(PointerPattern, Option<Role>)>,
    /// Trust in the fields of its results.
    pub results: Vec<(PointerPattern, Trust)>,
    /// Whether fields are trusted that its output schema marks so.
    pub trust_schema: bool,
}

impl Validation<'_> {
    pub(super) fn tool_provenance(
        &self,
        tool: &raw::Tool,
    ) -> Result<ToolProvenanceConfig, ConfigError> {
        let role = |name: &str| match name {
            "none" => Some(None),
            name => Role::from_name(name).map(Some),
        };
        let roles: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
        let roles = format!("write one of {}, or none", roles.join(", "));
        let trust = "write trusted, counterparty or untrusted";
        Ok(ToolProvenanceConfig {
            asked_by: tool.asked_by.clone(),
            arguments: self.pointers(&tool.arguments, "role", role, &roles)?,
            results: self.pointers(&tool.results, "trust", Trust::from_name, trust)?,
            trust_schema: tool.trust_schema,
        })
    }

    /// A table of pointers.
    fn pointers<T>(
        &self,
        table: &BTreeMap<String, String>,
        what: &str,
        parse: impl Fn(&str) -> Option<T>,
        help: &str,
    ) -> Result<Vec<(PointerPattern, T)>, ConfigError> {
        let entry = |(pointer, name): (&String, &String)| {
            let pattern = PointerPattern::parse(pointer).map_err(|e| {
                let help =
                    "it begins with `/`, as in \"/items/*/id\"; `*` stands for any item or member";
                self.error(pointer, e.to_string(), help)
            })?;
            let value = parse(name)
                .ok_or_else(|| self.error(name, format!("there is no {what} `{name}`"), help))?;
            Ok((pattern, value))
        };
        table.iter().map(entry).collect()
    }

    pub(super) fn request_channels(
        &self,
        names: Vec<String>,
    ) -> Result<BTreeSet<RequestChannel>, ConfigError> {
        let channel = |name: String| {
            name.parse().map_err(|_| {
                let message = format!("there is no channel `{name}` for the user's request");
                let help =
                    "write one or more of request_from = [\"rest\", \"mcp\", \"header\", \"otlp\"]";
                self.error(&name, message, help)
            })
        };
        names.into_iter().map(channel).collect()
    }
}
