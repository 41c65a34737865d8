//! Policies as they are loaded: parsed, annotated, validated strictly, or refused with the place.
//!
//! A set that does not load changes nothing; there is no partial load and no permissive default.

mod annotations;
pub(crate) mod approval_analysis;
mod depth_limit;
mod entity_ids;
mod load;
mod location;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use cedar_policy::{Effect, Policy};
use cedar_policy_core::ast;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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

/// Something to say about a policy file, with its place.
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
    /// Bytes.
    pub length: usize,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// How bad a [`Diagnostic`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth knowing; nothing is wrong.
    Note,
    /// The set loads all the same.
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

/// Whether a policy is enforced or only watched (`@mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It takes part in decisions.
    Enforce,
    /// `@mode("shadow")`: what it would change is recorded; it changes nothing.
    Shadow,
}

/// One loaded policy with what its annotations say.
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
    /// The file it stands in.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
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
    /// What deserves a look although it loads.
    pub warnings: Vec<Diagnostic>,
}

impl LoadedPolicy {
    /// Whether it permits; else it forbids.
    #[must_use]
    pub fn permits(&self) -> bool {
        self.effect == Effect::Permit
    }

    /// Something to say about the policy as a whole.
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

/// Why nobody should parse this text: it is nested too deep, or one policy of it is too long a chain.
#[must_use]
pub fn too_deep(text: &str) -> Option<String> {
    depth_limit::excess(text).map(|excess| format!("{}; {}", excess.message, excess.help))
}

/// What `policy` looks like in Cedar's JSON form.
pub(crate) type PolicyJson = Value;
