//! Why a policy set does not load.

use crate::{
    policy::{Diagnostic, Level},
    schema::SchemaBuildError,
    tool_input::InputError,
};

/// Why a policy set does not load.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Invalid policies; errors first, each with its position.
    #[error("{}", all_of(.0))]
    Policies(Vec<Diagnostic>),
    /// The shadow set is invalid, with the same details.
    #[error("the candidate: {}", all_of(.0))]
    Candidate(Vec<Diagnostic>),
    /// A tool's arguments cannot be typed.
    #[error("tool `{tool}`: {error}")]
    Tool {
        /// The tool.
        tool: String,
        /// What is wrong with its schema.
        error: InputError,
    },
    /// The schema does not build.
    #[error(transparent)]
    Schema(#[from] SchemaBuildError),
    /// The entities are inconsistent.
    #[error("the configured entities are inconsistent: {0}")]
    Entities(String),
    /// The bundle was made for another version of Cedar, in which the same policies may have another
    /// meaning.
    #[error("this bundle was made for Cedar {0}, and this is Cedar {version}", version = cedar_policy::get_sdk_version())]
    Engine(String),
    /// The bundle cannot be written.
    #[error("the bundle cannot be written as JSON: {0}")]
    Bundle(String),
}

/// The most errors that one message has.
const MAX_ERRORS: usize = 20;

/// Every error with its position, for whom no list of diagnostics can be shown.
fn all_of(diagnostics: &[Diagnostic]) -> String {
    let errors: Vec<String> = diagnostics
        .iter()
        .filter(|d| d.level == Level::Error)
        .map(ToString::to_string)
        .collect();
    let mut text = errors
        .iter()
        .take(MAX_ERRORS)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("; ");
    if errors.len() > MAX_ERRORS {
        text.push_str(&format!("; and {} more errors", errors.len() - MAX_ERRORS));
    }
    text
}
