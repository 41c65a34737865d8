//! `[external.NAME]`: tools that the caller executes.

use std::{collections::BTreeSet, path::PathBuf};

use super::{ConfigError, raw, validate::Validation};
use crate::tool::{Limits, Size};

/// An external executor: the gate decides and records its tools' calls.
#[derive(Debug, Clone, PartialEq)]
pub struct ExternalConfig {
    /// The source of its tools' schemas.
    pub tools: ExternalTools,
    /// Default labels of its tools; `None` means `unlabelled`.
    pub labels: Option<BTreeSet<String>>,
    /// Default taints of its tools; `None` means `untrusted`.
    pub taints: Option<BTreeSet<String>>,
    /// Whether its caller's word for a result counts: whether a field of it may be trusted.
    pub trust_outcomes: bool,
    /// How long a call may be open. Other limits do not apply outside the gate.
    pub limits: Limits,
}

/// The source of an executor's tool schemas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExternalTools {
    /// Built in: a coding agent's own tools.
    Preset(ExternalPreset),
    /// In a file: a JSON array of `{name, description, inputSchema}`.
    File(PathBuf),
}

/// A coding agent with built-in tool schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum ExternalPreset {
    /// Claude Code.
    ClaudeCode,
    /// Codex.
    Codex,
    /// Gemini CLI.
    GeminiCli,
    /// Cursor.
    Cursor,
}

impl ExternalPreset {
    /// All of them.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The name in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl Validation<'_> {
    pub(super) fn external(
        &self,
        name: &str,
        external: raw::External,
    ) -> Result<ExternalConfig, ConfigError> {
        self.provider_name("external executor", name)?;
        let table = format!("[external.{name}]");
        let tools = match (external.preset.as_deref(), external.tools) {
            (Some(named), None) => {
                let mut presets = ExternalPreset::ALL.iter().copied();
                let Some(preset) = presets.find(|preset| preset.as_str() == named) else {
                    let message = format!("there is no preset `{named}`");
                    let names = ExternalPreset::ALL.iter().map(|preset| preset.as_str());
                    let names = names.collect::<Vec<_>>().join(", ");
                    let help = format!("use one of {names}; or `tools`");
                    return Err(self.error(named, message, &help));
                };
                ExternalTools::Preset(preset)
            }
            (None, Some(file)) => ExternalTools::File(self.base.join(file)),
            _ => {
                let message = format!("[external.{name}] needs either `preset` or `tools`");
                let help = "write preset = \"claude-code\", or tools = \"tools.json\"";
                return Err(self.error(&table, message, help));
            }
        };
        let names = |names: Option<Vec<String>>| names.map(|n| self.names("label", n)).transpose();
        let mut limits = Limits::of(Size::Standard);
        limits.wall = self.duration(external.time.as_deref().unwrap_or("1h"))?;
        Ok(ExternalConfig {
            tools,
            labels: names(external.labels)?,
            taints: names(external.taints)?,
            trust_outcomes: external.trust_outcomes,
            limits,
        })
    }
}
