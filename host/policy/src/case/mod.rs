//! Cases: requests with their facts, and the expected answers.
//!
//! A case leaves out what does not matter to it. It is played against the decision point of a loaded gate
//! or of a [`World`], which is a file next to the cases. No component runs and nothing is recorded.

mod build;
mod faults;
mod from_record;
mod play;
mod world;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tollgate_model::{
    decision::Outcome,
    entity::{Kind, Uid},
    request::StandingTerms,
    time::LocalTime,
};

pub use world::{World, WorldTool};

/// Defaults for members that a case leaves out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Defaults {
    /// The agent in whose call an effect is requested.
    pub agent: Option<String>,
    /// The user for whom a call is made.
    pub on_behalf_of: Option<String>,
    /// The user who runs the agent.
    pub operator: Option<String>,
    /// The tool that is called, or that returned content.
    pub tool: Option<String>,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What the case shows.
    pub name: String,
    /// A tool's name, or another action of the schema.
    pub action: String,
    /// The agent in whose call a component requests an effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Roles that the approval asks for, if the action answers one.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub asks: BTreeSet<String>,
    /// Roles that were asked as well because there was no answer in time.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub escalated_to: BTreeSet<String>,
    /// Roles whose approval the call already has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<BTreeSet<String>>,
    /// How many people gave it; 1 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approvals: Option<u64>,
    /// The way of an answer: `cli`, `rest`, `slack` or `link`; `rest` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Labels of the grant that the file or directory is in, of the state, or of the resource.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub directory_labels: Vec<String>,
    /// Such as `production`; `test` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Whether the tool answered with an error.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub error: bool,
    /// History facts of a call, by name: integers, decimals such as `"12.50"`, and times such as `"10m ago"`.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub facts: Value,
    /// Whether the user whose token is made has no other way to sign in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first: bool,
    /// Where a secret goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Labels of the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_labels: Vec<String>,
    /// Arguments.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub input: Value,
    /// Tuesday at ten if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalTime>,
    /// What the server says to the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The request's method, `GET` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// How a person answers a server: `form` (if absent) or `url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The user for whom the action happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
    /// The operator of the agent whose call waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// The request's path, `/` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How many people ask for a token; 1 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub people: Option<u64>,
    /// The request's port, 443 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Users who made the token by which the waiting call was made.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub makers: BTreeSet<String>,
    /// Such as `Agent::support`.
    pub principal: String,
    /// Where the values of a call come from; absent: not known.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub provenance: Value,
    /// Such as `File::files/data:/a.txt`; a tool call's is its tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// What the gate has counted in the run.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub run: Value,
    /// The request's scheme, `https` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// The schema of the form that the server has a person fill in.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub schema: Value,
    /// Bytes of content.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub size: u64,
    /// The user who made the waiting call in the agent's name; the operator if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speaker: Option<String>,
    /// The terms of a standing approval; one call of one run within an hour if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<StandingTerms>,
    /// The tenant of the run that is read; the gate's own if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The tool that is called, or that returned content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// The page that the server has a person open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Components through which a call is made.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub via: BTreeSet<String>,
    /// The answer.
    pub expect: Outcome,
    /// Policies that determine it; absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Vec<String>>,
    /// Alternatives of an escalation, as text; absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs: Option<Vec<String>>,
    /// JSON pointers at which policies redact the arguments or the result; absent: any. The answer is about the
    /// redacted arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redact: Option<Vec<String>>,
    /// What shadow policies would change; absent: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowAnswer>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// What shadow policies would have changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShadowAnswer {
    /// The outcome under these policies.
    pub outcome: Outcome,
    /// Policies that would have determined it.
    pub by: Vec<String>,
}

/// The answer that a case got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Its outcome.
    pub outcome: Outcome,
    /// Policies that determined it.
    pub by: Vec<String>,
    /// Alternatives of an escalation, as text.
    pub needs: Vec<String>,
    /// JSON pointers at which policies redact the arguments or the result.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redact: Vec<String>,
    /// The policies that have the arguments redacted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redacted_by: Vec<String>,
    /// What shadow policies would change.
    pub shadow: Option<ShadowAnswer>,
    /// Why there is no answer.
    pub errors: Vec<String>,
}

/// The result of playing a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaseResult {
    /// The case's name.
    pub name: String,
    /// The answer that it got.
    pub answer: Answer,
    /// Each difference between that answer and the expected one.
    pub wrong: Vec<String>,
    /// Policies that applied, whether or not they determined the answer.
    pub applied: BTreeSet<String>,
}

/// The entity that a text such as `Agent::support` names.
///
/// # Errors
/// A message that says what is wrong with the text.
pub fn uid(text: &str) -> Result<Uid, String> {
    let text = text.strip_prefix("Tollgate::").unwrap_or(text);
    let wrong =
        || format!("`{text}` is not an entity: write its type and its id, as in Agent::support");
    let (kind, id) = text.split_once("::").ok_or_else(wrong)?;
    let id = id
        .strip_prefix('"')
        .and_then(|id| id.strip_suffix('"'))
        .unwrap_or(id);
    let kinds = Kind::ALL.iter().copied();
    let kind =
        kinds.clone().find(|k| k.name() == kind).ok_or_else(|| {
            match crate::policy::nearest(kind, kinds.map(Kind::name)) {
                Some(near) => format!("there is no entity type `{kind}`; did you mean `{near}`?"),
                None => wrong(),
            }
        })?;
    Ok(Uid::new(kind, id))
}
