//! What is decided: who asks for what, and what is known about it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    decision::PolicyRef,
    entity::{Entity, Uid},
    time::{LocalTime, Timestamp},
};

/// An action of the schema.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Calling the tool of this name.
    Call(String),
    /// Releasing a tool's content to the caller.
    ReturnResult,
    /// A component reads a file, or asks what is there.
    ReadFile,
    /// A component creates, replaces or appends to a file.
    WriteFile,
    /// A component removes a file.
    DeleteFile,
    /// A component lists a directory.
    ListDirectory,
    /// A component removes an empty directory.
    DeleteDirectory,
    /// A component reads what it keeps, or lists its keys.
    ReadState,
    /// A component changes or removes what it keeps.
    WriteState,
    /// A component reads a value that the operator configured for it.
    ReadConfig,
    /// A component sends a request over HTTP.
    HttpRequest,
    /// A component has a secret attached to a request.
    UseSecret,
    /// A person approves a call that waits.
    Approve,
    /// A person rejects a call that waits.
    Reject,
    /// A person reads a run.
    ViewRun,
    /// A person reads arguments or results.
    ViewPayload,
    /// A person says something about a run: a note, feedback, a set that it belongs to.
    AnnotateRun,
    /// A person takes a run out of the store, as a file.
    ExportRuns,
    /// A person puts a policy set into force.
    ActivatePolicies,
    /// A person halts an agent, tool, component or tenant, or lifts that.
    Halt,
    /// A person ends a run.
    CancelRun,
    /// A person makes tokens, backs up or restores the store.
    Administer,
}

impl Action {
    /// Every action of the fixed schema.
    pub const FIXED: &[Self] = &[
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
        Self::Approve,
        Self::Reject,
        Self::ViewRun,
        Self::ViewPayload,
        Self::AnnotateRun,
        Self::ExportRuns,
        Self::ActivatePolicies,
        Self::Halt,
        Self::CancelRun,
        Self::Administer,
    ];

    /// The id in policies: the tool's name, or such as `read_file`.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Call(tool) => tool,
            Self::ReturnResult => "return_result",
            Self::ReadFile => "read_file",
            Self::WriteFile => "write_file",
            Self::DeleteFile => "delete_file",
            Self::ListDirectory => "list_directory",
            Self::DeleteDirectory => "delete_directory",
            Self::ReadState => "read_state",
            Self::WriteState => "write_state",
            Self::ReadConfig => "read_config",
            Self::HttpRequest => "http_request",
            Self::UseSecret => "use_secret",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::ViewRun => "view_run",
            Self::ViewPayload => "view_payload",
            Self::AnnotateRun => "annotate_run",
            Self::ExportRuns => "export_runs",
            Self::ActivatePolicies => "activate_policies",
            Self::Halt => "halt",
            Self::CancelRun => "cancel_run",
            Self::Administer => "administer",
        }
    }

    /// Whether it is one that a component asks of its host.
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

    /// The action in a few words, for people: `call`, `read_file`, ...
    #[must_use]
    pub fn group(&self) -> &str {
        match self {
            Self::Call(_) => "call",
            other => other.id(),
        }
    }
}

/// Who asks to do what with what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The action.
    pub action: Action,
    /// What this kind of action adds to the context.
    pub context: ActionContext,
    /// Who acts.
    pub principal: Uid,
    /// What is acted on.
    pub resource: Uid,
}

/// The part of the context that depends on the kind of action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionContext {
    /// A tool call.
    Call {
        /// On whose behalf the principal acts; the principal itself where it is a user.
        on_behalf_of: Uid,
        /// The arguments: validated, with defaults, an object.
        input: Value,
        /// Components through which it is made; empty for a call of the agent's own.
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
    /// Something that a component asks of its host.
    Capability {
        /// For whom the component runs.
        #[serde(flatten)]
        guest: GuestCaller,
        /// Bytes to be written; 0 where nothing is.
        size: u64,
    },
    /// A request over HTTP that a component asks its host to send.
    Http {
        /// For whom the component runs.
        #[serde(flatten)]
        guest: GuestCaller,
        /// Such as `GET`.
        method: String,
        /// `http` or `https`.
        scheme: String,
        /// The port, also where the URL leaves it out.
        port: u16,
        /// The path, normalised; never the query.
        path: String,
        /// Bytes of the body.
        size: u64,
    },
    /// A secret that a component asks its host to attach to a request.
    Secret {
        /// For whom the component runs.
        #[serde(flatten)]
        guest: GuestCaller,
        /// Where the request goes.
        host: Uid,
        /// `http` or `https`.
        scheme: String,
    },
    /// An answer to an escalation.
    Approver {
        /// The tool of the call that waits.
        tool: Uid,
        /// On whose behalf that call was made.
        on_behalf_of: Uid,
        /// Who runs the agent that made it.
        operator: Uid,
        /// Roles that the escalation asks for.
        roles: BTreeSet<String>,
        /// Roles of the second group, if the escalation was passed on to it because there was no answer
        /// in time. Stores from before the name changed spell it `asked_too`.
        #[serde(default, alias = "asked_too")]
        escalated_to: BTreeSet<String>,
    },
    /// An act of an operator or reader.
    Operator,
}

/// For whom a component runs when it asks its host for something.
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
    /// For whom the component runs; absent for what a component does not ask for.
    #[must_use]
    pub fn guest(&self) -> Option<&GuestCaller> {
        match self {
            Self::Capability { guest, .. }
            | Self::Http { guest, .. }
            | Self::Secret { guest, .. } => Some(guest),
            Self::Call { .. } | Self::Result { .. } | Self::Approver { .. } | Self::Operator => {
                None
            }
        }
    }

    /// The user for whom a call, its result or an effect in it is decided.
    #[must_use]
    pub fn on_behalf_of(&self) -> Option<&Uid> {
        match self {
            Self::Call { on_behalf_of, .. } | Self::Result { on_behalf_of, .. } => {
                Some(on_behalf_of)
            }
            Self::Capability { .. } | Self::Http { .. } | Self::Secret { .. } => {
                self.guest().map(|guest| &guest.on_behalf_of)
            }
            Self::Approver { .. } | Self::Operator => None,
        }
    }
}

/// What is known when a request is decided, beyond the configuration that the policy set was loaded
/// with. Nothing here comes from the guest or the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Whose approval the call already has.
    pub approval: Option<PriorApproval>,
    /// Entities that the configuration does not name: files, hosts, approvals, runs.
    pub entities: Vec<Entity>,
    /// The configured environment, such as `production`.
    pub environment: String,
    /// The time in the configured zone.
    pub local: LocalTime,
    /// When.
    pub now: Timestamp,
    /// What the gate has counted in the run.
    pub run: RunFacts,
}

/// What the gate has counted in a run, the call in question excluded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunFacts {
    /// Calls that were decided, whatever the outcome; an escalated call and its resumptions are one.
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
    /// What agents reported about themselves.
    pub reported: SelfReport,
    /// Tools that were called.
    pub tools: BTreeSet<String>,
    /// What the principal has done lately, in all its runs.
    #[serde(default)]
    pub window: WindowFacts,
}

/// What a principal has done in all its runs within the configured window: a new run never resets it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WindowFacts {
    /// Calls, counted as in a run.
    pub calls: u64,
    /// Microseconds in which it was active: between calls of which one followed the other within five
    /// minutes.
    pub elapsed: u64,
    /// What was reported about it.
    pub reported: SelfReport,
}

/// What agents report about themselves; it may only tighten.
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
