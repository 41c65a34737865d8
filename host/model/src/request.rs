//! The request for a decision, and the facts about it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    decision::PolicyRef,
    entity::{Entity, Uid},
    history::FactValue,
    provenance::ProvenanceFacts,
    standing::StandingScope,
    time::{LocalTime, Timestamp},
};

/// An action of the schema.
#[derive(
    Debug,
    Clone,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
    strum::VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Action {
    /// Calling the tool of this name.
    Call(String),
    /// Getting a prompt of an upstream server.
    GetPrompt,
    /// Reading a resource of an upstream server.
    ReadResource,
    /// A person has a tool run with its reads alone, before answering an approval of its call.
    PreviewCall,
    /// Releasing a tool's content to the caller.
    ReturnResult,
    /// A component reads a file or its metadata.
    ReadFile,
    /// A component creates, replaces or appends to a file.
    WriteFile,
    /// A component removes a file.
    DeleteFile,
    /// A component lists a directory.
    ListDirectory,
    /// A component removes an empty directory.
    DeleteDirectory,
    /// A component reads its state, or lists its keys.
    ReadState,
    /// A component changes or deletes its state.
    WriteState,
    /// A component reads a value that the operator configured for it.
    ReadConfig,
    /// A component sends a request over HTTP.
    HttpRequest,
    /// A component has a secret attached to a request.
    UseSecret,
    /// An upstream server asks a person for input during a call.
    ElicitInput,
    /// A person answers what an upstream server asks.
    AnswerInput,
    /// A person approves a call that waits.
    Approve,
    /// A person rejects a call that waits.
    Reject,
    /// A person approves the calls like one that waits.
    ApproveStanding,
    /// A person approves a call that waits, with other arguments.
    ApproveEdited,
    /// A person reads a run.
    ViewRun,
    /// A person reads arguments or results.
    ViewPayload,
    /// A person annotates a run: a note, feedback, membership in a set.
    AnnotateRun,
    /// A person exports a run to a file.
    ExportRuns,
    /// A person activates a policy set.
    ActivatePolicies,
    /// A person halts an agent, tool, component or tenant, or lifts a halt.
    Halt,
    /// A person ends a run.
    CancelRun,
    /// A person makes a token of an agent or a user, or confirms one that another person asked for.
    MakeToken,
    /// A person revokes tokens, or backs up or restores the store.
    Administer,
    /// A person lets the gate act with their own rights at an upstream server.
    ConnectUpstream,
}

impl Action {
    /// Every action of the fixed schema.
    pub const FIXED: &[Self] = &[
        Self::GetPrompt,
        Self::ReadResource,
        Self::PreviewCall,
        Self::ReturnResult,
        Self::ReadFile,
        Self::WriteFile,
        Self::DeleteFile,
        Self::ListDirectory,
        Self::DeleteDirectory,
        Self::ReadState,
        Self::WriteState,
        Self::ReadConfig,
        Self::HttpRequest,
        Self::UseSecret,
        Self::ElicitInput,
        Self::AnswerInput,
        Self::Approve,
        Self::Reject,
        Self::ApproveStanding,
        Self::ApproveEdited,
        Self::ViewRun,
        Self::ViewPayload,
        Self::AnnotateRun,
        Self::ExportRuns,
        Self::ActivatePolicies,
        Self::Halt,
        Self::CancelRun,
        Self::MakeToken,
        Self::Administer,
        Self::ConnectUpstream,
    ];

    /// The id in policies: the tool's name, or a fixed one such as `read_file`.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Call(tool) => tool,
            fixed => fixed.group(),
        }
    }

    /// Whether it is a call: of a tool, also as a preview, or of a prompt or a resource.
    #[must_use]
    pub fn is_call(&self) -> bool {
        matches!(
            self,
            Self::Call(_) | Self::GetPrompt | Self::ReadResource | Self::PreviewCall
        )
    }

    /// Whether it is an effect inside a call, which a component requests from its host or an upstream server from its
    /// client.
    #[must_use]
    pub fn is_capability(&self) -> bool {
        matches!(
            self,
            Self::ReadFile
                | Self::WriteFile
                | Self::DeleteFile
                | Self::ListDirectory
                | Self::DeleteDirectory
                | Self::ReadState
                | Self::WriteState
                | Self::ReadConfig
                | Self::HttpRequest
                | Self::UseSecret
                | Self::ElicitInput
        )
    }

    /// Whether a person does it: to a run, to what waits in it, or to the gate.
    #[must_use]
    pub fn is_of_people(&self) -> bool {
        matches!(
            self,
            Self::AnswerInput
                | Self::Approve
                | Self::ApproveEdited
                | Self::ApproveStanding
                | Self::Reject
                | Self::ViewRun
                | Self::ViewPayload
                | Self::AnnotateRun
                | Self::ExportRuns
                | Self::ActivatePolicies
                | Self::Halt
                | Self::CancelRun
                | Self::MakeToken
                | Self::Administer
                | Self::ConnectUpstream
        )
    }

    /// Whether it is a capability that only reads: it changes nothing outside the call.
    #[must_use]
    pub fn is_read(&self) -> bool {
        matches!(
            self,
            Self::ReadFile | Self::ListDirectory | Self::ReadState | Self::ReadConfig
        )
    }

    /// The kind of action: `call` for every tool, or the id of a fixed action such as `read_file`.
    #[must_use]
    pub fn group(&self) -> &'static str {
        self.into()
    }
}

/// The name by which records and callers name a call of the prompt `prompt`, such as `prompt:notes__summary`. No tool
/// can have it.
#[must_use]
pub fn prompt_call(prompt: &str) -> String {
    format!("prompt:{prompt}")
}

/// The name by which records name a preview of the tool `tool`, such as `preview:payments__refund`. No tool can have
/// it.
#[must_use]
pub fn preview_call(tool: &str) -> String {
    format!("preview:{tool}")
}

/// The name by which records and callers name a reading of a resource of `server`, such as `resource:notes`. No tool
/// can have it.
#[must_use]
pub fn resource_call(server: &str) -> String {
    format!("resource:{server}")
}

/// A request for a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The action.
    pub action: Action,
    /// The context that this kind of action adds.
    pub context: ActionContext,
    /// The principal.
    pub principal: Uid,
    /// The resource.
    pub resource: Uid,
}

/// The part of the context that depends on the kind of action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionContext {
    /// A call of a tool, a prompt or a resource.
    Call {
        /// The user for whom the principal acts; the principal itself if it is a user.
        on_behalf_of: Uid,
        /// The arguments: validated, with defaults, an object. Those of a resource are `{"uri": ".."}`.
        input: Value,
        /// Components through which the call is made; empty for an agent's own call.
        #[serde(default)]
        via: BTreeSet<String>,
    },
    /// A result about to be released.
    Result {
        /// As for the call.
        on_behalf_of: Uid,
        /// Whether the tool answered with an error.
        error: bool,
        /// Bytes of content.
        size: u64,
    },
    /// An effect that a component requests from its host.
    Capability {
        /// The call in which the component runs.
        #[serde(flatten)]
        guest: GuestCaller,
        /// Bytes to be written; 0 if none are.
        size: u64,
    },
    /// An HTTP request of a component.
    Http {
        /// The call in which the component runs.
        #[serde(flatten)]
        guest: GuestCaller,
        /// Such as `GET`.
        method: String,
        /// `http` or `https`.
        scheme: String,
        /// The port, even if the URL omits it.
        port: u16,
        /// The path, normalised; never the query.
        path: String,
        /// Bytes of the body.
        size: u64,
    },
    /// A secret that a component wants to attach to a request.
    Secret {
        /// The call in which the component runs.
        #[serde(flatten)]
        guest: GuestCaller,
        /// The destination of the request.
        host: Uid,
        /// Such as `GET`.
        #[serde(default)]
        method: String,
        /// `http` or `https`.
        scheme: String,
        /// The port, even if the URL omits it.
        #[serde(default)]
        port: u16,
        /// The path, normalised; never the query.
        #[serde(default)]
        path: String,
    },
    /// A question of an upstream server to a person.
    Elicitation {
        /// The call in which the server asks.
        #[serde(flatten)]
        guest: GuestCaller,
        /// `form` or `url`.
        mode: String,
        /// What the person reads: written by the server.
        message: String,
        /// Names of the form's fields; empty for a page.
        fields: BTreeSet<String>,
        /// The form's canonical schema; empty for a page.
        schema: String,
        /// The page to open; empty for a form.
        url: String,
        /// The page's host, in lower case and in ASCII; empty for a form.
        host: String,
        /// Bytes of message and schema, or of message and URL.
        size: u64,
    },
    /// An answer to an approval, or to a question of an upstream server.
    Approver {
        /// The tool of the waiting call.
        tool: Uid,
        /// The user for whom that call was made.
        on_behalf_of: Uid,
        /// The operator of the agent that made it.
        operator: Uid,
        /// Roles that the approval asks for.
        roles: BTreeSet<String>,
        /// Roles that were asked as well because there was no answer in time. Stores from before the name
        /// changed spell it `asked_too`.
        #[serde(default, alias = "asked_too")]
        escalated_to: BTreeSet<String>,
        /// The user who made the call in the agent's name; absent if the agent made it itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        speaker: Option<Uid>,
        /// For a standing approval: its terms.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        standing: Option<StandingTerms>,
        /// Users who made the token by which the call was made.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        makers: BTreeSet<String>,
        /// The way of the answer: `cli`, `rest`, `slack` or `link`.
        #[serde(default = "rest")]
        channel: String,
    },
    /// A token of an agent or a user, which is the resource.
    Token {
        /// The user for whom the bearer acts; the user itself for a user's token.
        on_behalf_of: Uid,
        /// How many people ask for it: 1 for the one who makes it, 2 for the one who confirms it.
        people: u64,
        /// Whether the resource is a user who has no other way to sign in.
        first: bool,
    },
    /// An action of an operator or reader.
    Operator,
}

/// The way of an answer in records that do not name it: the command line was not told apart from REST.
fn rest() -> String {
    "rest".into()
}

/// How long a standing approval counts, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandingTerms {
    /// Microseconds between its beginning and its end.
    pub lifetime: u64,
    /// The calls in which it counts.
    pub scope: StandingScope,
    /// How many calls it may allow.
    pub uses: u64,
}

/// The call in which a component requests an effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GuestCaller {
    /// The agent in whose call the component runs.
    pub agent: Uid,
    /// The user for whom the agent acts.
    pub on_behalf_of: Uid,
    /// The tool that is being called.
    pub tool: Uid,
}

impl ActionContext {
    /// The call of the component; absent for actions that components do not request.
    #[must_use]
    pub fn guest(&self) -> Option<&GuestCaller> {
        match self {
            Self::Capability { guest, .. }
            | Self::Http { guest, .. }
            | Self::Secret { guest, .. }
            | Self::Elicitation { guest, .. } => Some(guest),
            Self::Call { .. }
            | Self::Result { .. }
            | Self::Approver { .. }
            | Self::Token { .. }
            | Self::Operator => None,
        }
    }

    /// The user for whom a call, its result or an effect in it is decided.
    #[must_use]
    pub fn on_behalf_of(&self) -> Option<&Uid> {
        match self {
            Self::Call { on_behalf_of, .. } | Self::Result { on_behalf_of, .. } => {
                Some(on_behalf_of)
            }
            Self::Capability { .. }
            | Self::Http { .. }
            | Self::Secret { .. }
            | Self::Elicitation { .. } => self.guest().map(|guest| &guest.on_behalf_of),
            Self::Approver { .. } | Self::Token { .. } | Self::Operator => None,
        }
    }
}

/// The facts for a decision, beyond the configuration that the policy set was loaded with. None of them
/// comes from the guest or the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The approval that the call already has.
    pub approval: Option<PriorApproval>,
    /// Entities that the configuration does not name: files, hosts, approvals, runs.
    pub entities: Vec<Entity>,
    /// The configured environment, such as `production`.
    pub environment: String,
    /// History facts of a call that are known, by name. Empty for every other request.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub history: BTreeMap<String, FactValue>,
    /// The time in the configured zone.
    pub local: LocalTime,
    /// The current time.
    pub now: Timestamp,
    /// Where the values of a call come from. Empty and not known for every other request, and in records from
    /// before it was kept.
    #[serde(default)]
    pub provenance: ProvenanceFacts,
    /// What the gate has counted in the run.
    pub run: RunFacts,
}

/// What the gate has counted in a run, without the current call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunFacts {
    /// Calls that were decided, with any outcome; an escalated call and its resumptions count as one.
    pub calls: u64,
    /// Calls that were denied.
    pub denials: u64,
    /// Microseconds since the run began.
    pub elapsed: u64,
    /// Calls that ended in an error.
    pub errors: u64,
    /// Labels of everything whose content was returned.
    pub labels: BTreeSet<String>,
    /// Earlier calls of this tool with these arguments.
    pub repeats: u64,
    /// What the agent reported about itself.
    pub reported: SelfReport,
    /// Tools that were called.
    pub tools: BTreeSet<String>,
    /// The principal's recent usage, in all its runs.
    #[serde(default)]
    pub window: WindowFacts,
}

/// A principal's usage in all its runs within the configured window: a new run never resets it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WindowFacts {
    /// Calls, counted as in a run.
    pub calls: u64,
    /// Microseconds in which it was active: times between calls that are at most five minutes apart.
    pub elapsed: u64,
    /// What agents reported about it.
    pub reported: SelfReport,
}

/// What agents report about themselves. Policies may use it only to become stricter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SelfReport {
    /// Whether every model call is known to have been reported.
    pub complete: bool,
    /// In the configured currency, with four decimals.
    pub cost: String,
    /// Input and output tokens.
    pub tokens: u64,
}

impl Default for SelfReport {
    fn default() -> Self {
        Self {
            complete: false,
            cost: "0.0".into(),
            tokens: 0,
        }
    }
}

/// An approval that was given to exactly this call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriorApproval {
    /// Distinct users who approved.
    pub count: u64,
    /// The policies that it lifts, with the contents they had when it was asked for.
    pub lifts: BTreeSet<PolicyRef>,
    /// Roles that the approving users hold.
    pub roles: BTreeSet<String>,
}

#[cfg(test)]
mod tests;
