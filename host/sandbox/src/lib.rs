//! Where components run: WebAssembly without any ambient authority, within limits.
//!
//! [`Sandbox::load`] compiles and links a component; [`Sandbox::prepare`] makes a fresh instance for one
//! call; [`Prepared::run`] takes the [`Permitted`](crate::enforce::Permitted) call and nothing else. What a
//! component asks of its host goes through [`Capabilities`](crate::enforce::Capabilities), one file per
//! interface.
//!
//! Nothing here decides, nothing here is kept between two calls, and nothing that a guest says is
//! believed: names, sizes, paths, text and the time it takes are all bounded.

mod background;
mod bindings;
mod cache;
mod calls;
mod clock;
mod compile;
mod component;
mod content;
mod definitions;
mod disk;
mod engine;
mod execution;
mod files;
mod grant;
mod guest;
mod http;
mod limits;
mod loaded;
mod log;
mod operation;
mod path;
mod progress;
mod race;
mod random;
mod run;
mod sections;
mod state;
mod temporary;
#[cfg(test)]
mod test_support;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_escapes;
#[cfg(test)]
mod tests_files;
#[cfg(test)]
mod tests_limits;
#[cfg(test)]
mod tests_speed;
mod ticker;
mod wasi;
mod wit;

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tollgate_model::record::Status;

pub use compile::{CompileError, Compiler, InspectedTool, Inspection, serve};
pub use component::{Component, INTERFACES};
pub use content::{Content, EmbeddedResource, ResourceBody};
pub use engine::{MAX_CONCURRENCY, Sandbox, SandboxOptions};
pub use grant::Grant;
pub(crate) use http::host_name;
pub use http::{HostConfig, Network, NetworkConfig, Resolver};
pub use limits::{Limits, Size};
pub use loaded::LoadedComponent;
pub use run::Prepared;
pub use wasi::GuestEnvironment;

/// The versions of the WIT package that this host links.
pub const PUBLISHED: &[&str] = &["0.1.0"];

/// The largest component that is compiled, in bytes.
pub const MAX_COMPONENT: usize = 64 << 20;

/// How an execution ended, and what it used.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    /// How it ended. `Ok` exactly if there is content; `ToolError` if the tool said that it failed.
    pub status: Status,
    /// What the tool returned, cut to [`Limits::output`].
    pub content: Result<Vec<Content>, ToolFailure>,
    /// Whether [`content`](Self::content) is less than the tool returned.
    pub cut: bool,
    /// Time in which the guest ran, with what it called.
    pub cpu: Duration,
    /// Fuel units that the guest used, with what it called.
    pub fuel: u64,
    /// What it may have changed itself, besides the effects that it asked the host for: always nothing in
    /// the sandbox, the request where that was sent to an upstream server.
    pub effects: u64,
    /// Bytes of linear memory at most.
    pub peak_memory: u64,
    /// Bytes that the tool returned, before anything was cut.
    pub size: u64,
    /// For operators: why the sandbox ended it. May hold names from the component, never its data.
    pub cause: Option<String>,
}

impl Execution {
    /// One of which nothing was executed.
    pub(crate) fn nothing() -> Self {
        Self {
            status: Status::Trap,
            content: Err(ToolFailure {
                kind: FailureKind::Ended,
                message: "nothing was executed".into(),
            }),
            cut: false,
            cpu: Duration::ZERO,
            fuel: 0,
            effects: 0,
            peak_memory: 0,
            size: 0,
            cause: None,
        }
    }
}

/// Why a call has no content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolFailure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// For the agent. In the tool's own words, so untrusted, except for [`FailureKind::Ended`].
    pub message: String,
}

/// The kinds of [`ToolFailure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The component has no such tool.
    UnknownTool,
    /// The arguments make no sense to the tool.
    InvalidArguments,
    /// The tool could not do its work.
    Failed,
    /// The host refused something that the tool needed.
    Denied,
    /// The sandbox ended the call; [`Execution::status`] says how.
    Ended,
}

/// A tool as its component describes it: untrusted, but within bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolDefinition {
    /// Its own name: `[A-Za-z0-9_-]{1,64}`, unique in its component.
    pub name: String,
    /// A name for people.
    pub title: Option<String>,
    /// For the model.
    pub description: String,
    /// JSON Schema of the arguments: a JSON object.
    pub input_schema: Value,
    /// JSON Schema of structured content: a JSON object.
    pub output_schema: Option<Value>,
    /// Hints.
    pub annotations: Annotations,
}

/// Why something cannot be run in the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The directory for compiled code.
    #[error(
        "compiled components cannot be kept in {}: {reason}; only the gate's own user may have access to it (mode 0700)",
        path.display()
    )]
    Cache {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The number of calls at once.
    #[error("the gate cannot run {given} calls at once; choose from 1 to {MAX_CONCURRENCY}")]
    Concurrency {
        /// What was asked for.
        given: usize,
    },
    /// The engine does not start.
    #[error(
        "the WebAssembly engine does not start: {reason}; it reserves address space for every call at once, \
         so raise the limit (`ulimit -v`) or lower gate.concurrency"
    )]
    Engine {
        /// What the engine said.
        reason: String,
    },
    /// A file that is not WebAssembly.
    #[error("the file is no WebAssembly; build the component with `tollgate component build DIR`")]
    NotWasm,
    /// A core module.
    #[error(
        "the file is a core WebAssembly module, not a component; build it with `tollgate component build DIR`, \
         or turn it into one with `wasm-tools component new`"
    )]
    CoreModule,
    /// A file that is too large to be compiled.
    #[error(
        "the file has {size} bytes, more than {MAX_COMPONENT}; build it in release mode, without debug information"
    )]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// A component that the engine does not take.
    #[error("the component is not valid here: {reason}")]
    Invalid {
        /// What the engine said.
        reason: String,
    },
    /// A component of another world, or another version.
    #[error(
        "the component does not fit the world `adapter` of `tollgate:adapter@{}`: {}; build it from this gate's \
         `wit/` (`tollgate component build DIR` does)",
        PUBLISHED.join("`, `@"), problems.join("; ")
    )]
    WrongWorld {
        /// What does not fit.
        problems: Vec<String>,
    },
    /// A component that the engine for its size has no room for.
    #[error(
        "the component needs more than the standard engine has for one ({reason}); if it carries an interpreter, as \
         Python and JavaScript do, set size = \"large\" in its table of the configuration, or --size large when you add it"
    )]
    NoRoom {
        /// What the engine said.
        reason: String,
    },
    /// A component of no world of ours, that exports no function to call either.
    #[error(
        "the component offers no tools: it neither exports `tollgate:adapter/tools@{}` nor a function that can be \
         called by itself{}",
        PUBLISHED.join("` or `@"), list(left_out)
    )]
    NoFunctions {
        /// Functions that cannot be, and why.
        left_out: Vec<String>,
    },
    /// Two functions that would be one tool.
    #[error(
        "the component's exports `{first}` and `{second}` would both be the tool `{tool}`; give one of the interfaces \
         another name"
    )]
    SameName {
        /// The name.
        tool: String,
        /// One export.
        first: String,
        /// The other.
        second: String,
    },
    /// A component that does not say what tools it has.
    #[error("the component does not list its tools: {reason}")]
    ListTools {
        /// Why not.
        reason: String,
    },
    /// A tool that is described wrongly.
    #[error("the component describes its tool `{tool}` wrongly: {problem}")]
    Tool {
        /// The tool's name, shortened and printable.
        tool: String,
        /// What is wrong.
        problem: String,
    },
    /// Certificates that cannot be trusted.
    #[error(
        "the certificates in {} cannot be trusted: {reason}; correct `trust` under [network]: it names PEM files",
        path.display()
    )]
    Trust {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A directory that cannot be granted.
    #[error("the grant `{name}` of {} cannot be opened: {reason}", path.display())]
    Grant {
        /// Its name.
        name: String,
        /// Its directory.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

fn list(left_out: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut text: String = left_out
        .iter()
        .take(SHOWN)
        .map(|l| format!("; {l}"))
        .collect();
    if left_out.len() > SHOWN {
        text.push_str(&format!("; and {} more", left_out.len() - SHOWN));
    }
    text
}

/// What a tool's author says about its behaviour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Annotations {
    /// It changes nothing.
    pub read_only: bool,
    /// It may overwrite or delete something.
    pub destructive: bool,
    /// Twice is as once.
    pub idempotent: bool,
    /// It reaches beyond what the operator controls.
    pub open_world: bool,
}
