//! The targets, by what they parse.

mod approvals;
mod component;
mod elicitation;
mod files;
mod json;
mod ledger;
mod mcp;
mod policy;
mod telemetry;
mod upstream;

use crate::Target;

/// Every target of this crate.
pub const ALL: &[Target] = &[
    json::CANONICAL_JSON,
    mcp::MESSAGE,
    mcp::REQUEST_HEADERS,
    upstream::MEND,
    upstream::EVENT_STREAM,
    upstream::WIRE,
    upstream::RESULT,
    upstream::REFUSAL,
    upstream::DEFINITIONS,
    policy::TOOL_INPUT,
    policy::POLICIES,
    policy::CASES,
    telemetry::OTLP_JSON,
    telemetry::OTLP_PROTOBUF,
    files::CONFIGURATION,
    files::LOCK,
    files::GITLEAKS,
    ledger::RECORD,
    ledger::PROOF,
    component::COMPONENT,
    approvals::INTERACTION,
    elicitation::QUESTION,
];

/// The package whose tests play these.
const PACKAGE: &str = "tollgate-fuzz";

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// An error as people read it: short, and nothing in it moves a cursor or hides.
///
/// # Panics
/// It is not.
#[track_caller]
fn is_readable(error: &str, max_bytes: usize) {
    assert!(!error.is_empty(), "an error has words");
    assert!(
        error.len() <= max_bytes,
        "{} bytes of error: {error:.200}",
        error.len()
    );
    let odd = error
        .chars()
        .find(|c| c.is_control() && !matches!(c, '\n' | '\t'));
    assert_eq!(odd, None, "{error:?}");
}
