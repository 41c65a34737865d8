//! Policies as they are loaded: parsed, annotated and validated strictly, or refused with a position.
//!
//! A set that does not load changes nothing; there is no partial load and no permissive default.

mod annotations;
pub(crate) mod approval_analysis;
mod depth_limit;
mod entity_ids;
mod load;
mod location;
mod remedy;
mod scope;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use cedar_policy::{Effect, Policy};
use cedar_policy_core::ast;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use depth_limit::on_large_stack;
pub use entity_ids::ConfiguredNames;
pub(crate) use entity_ids::{KnownNames, value_fault};
pub use load::load;
pub use tollgate_model::text::nearest;

use approval_analysis::ApprovalUse;
use tollgate_model::decision::{DeterminingPolicy, Severity};

/// One file of policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyFile {
    /// Path relative to the policy directory, with `/`.
    pub name: String,
    /// Cedar source.
    pub text: String,
}

/// A diagnostic about a policy file, with its position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// An error keeps the whole set from loading.
    pub level: Level,
    /// Stable name, such as `policy::duplicate-id`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The file.
    pub file: String,
    /// Byte offset in the file.
    pub offset: usize,
    /// Length in bytes.
    pub length: usize,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
}

/// The severity of a [`Diagnostic`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Information; nothing is wrong.
    Note,
    /// The set still loads.
    Warning,
    /// The set does not load.
    Error,
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}:{}:{}: {}",
            self.file, self.line, self.column, self.message
        )?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// Whether a policy is enforced or in shadow (`@mode`).
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "lowercase")]
pub enum Mode {
    /// It takes part in decisions.
    #[default]
    Enforce,
    /// `@mode("shadow")`: what it would change is recorded, and has no effect.
    Shadow,
}

tollgate_model::named!(Mode);

/// One loaded policy with its annotations.
#[derive(Debug, Clone)]
pub struct LoadedPolicy {
    /// Id, contents' digest, owner and reason.
    pub determining: DeterminingPolicy,
    /// Enforced or shadow.
    pub mode: Mode,
    /// `@severity`.
    pub severity: Severity,
    /// JSON pointers of `@redact`.
    pub redact: BTreeSet<String>,
    /// How it reads `context.approval`.
    pub(crate) approval: ApprovalUse,
    /// Permit or forbid.
    pub(crate) effect: Effect,
    /// The file that contains it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// Byte offset in the file.
    pub offset: usize,
    /// Bytes of its text, annotations included.
    pub length: usize,
    pub(crate) cedar: Policy,
    /// Scope and conditions as one expression.
    pub(crate) condition: ast::Expr,
}

/// A policy set that loaded.
#[derive(Debug)]
pub struct LoadedPolicies {
    /// By `@id`.
    pub policies: BTreeMap<String, Arc<LoadedPolicy>>,
    /// Warnings and notes.
    pub warnings: Vec<Diagnostic>,
}

impl LoadedPolicy {
    /// Whether it is a permit; otherwise it is a forbid.
    #[must_use]
    pub fn permits(&self) -> bool {
        self.effect == Effect::Permit
    }

    /// A diagnostic about the policy as a whole.
    pub(crate) fn diagnostic(
        &self,
        level: Level,
        code: &'static str,
        message: String,
        help: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic {
            level,
            code,
            message,
            help: Some(help.into()),
            file: self.file.clone(),
            offset: self.offset,
            length: self.length,
            line: self.line,
            column: self.column,
        }
    }
}

/// Why this text must not be parsed: it is nested too deep, or one policy of it has too long a chain.
#[must_use]
pub fn too_deep(text: &str) -> Option<String> {
    depth_limit::excess(text).map(|excess| format!("{}; {}", excess.message, excess.help))
}

/// What `policy` looks like in Cedar's JSON form.
pub(crate) type PolicyJson = Value;
