//! Why a configuration does not load.

use std::path::PathBuf;

use tollgate_ledger::{CommitError, LedgerError};
use tollgate_model::canonical::Sha256Digest;
use tollgate_policy::pdp;

use crate::{
    capture::DetectError,
    config::ConfigError,
    enforce::Refusal,
    lock::LockError,
    sandbox::{CompileError, SandboxError},
    tool::SourceKind,
};

/// Why a gate does not open, or a reload changes nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The detectors of secrets.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// The lock file.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The store.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The store cannot write the first record.
    #[error("the ledger cannot write a record: {0}")]
    Commit(#[from] CommitError),
    /// A component.
    #[error("component `{name}`: {}: {error}", path.display())]
    Sandbox {
        /// Its name.
        name: String,
        /// Its file.
        path: PathBuf,
        /// The reason.
        error: Box<SandboxError>,
    },
    /// The compiler ended without an answer.
    #[error("component `{name}`: the compiler failed on it; do not use this file")]
    Compiler {
        /// Its name.
        name: String,
    },
    /// A component does not compile.
    #[error("component `{name}`: {}: {error}", path.display())]
    Compile {
        /// Its name.
        name: String,
        /// Its file.
        path: PathBuf,
        /// The reason.
        error: CompileError,
    },
    /// The sandbox itself.
    #[error(transparent)]
    Engine(SandboxError),
    /// The client for HTTP requests.
    #[error(transparent)]
    Network(#[from] crate::egress::NetworkError),
    /// A component's file cannot be read.
    #[error("component `{name}`: {} cannot be read: {reason}; correct `path` under [components.{name}], or build it with `tollgate component build DIR`", path.display())]
    Missing {
        /// Its name.
        name: String,
        /// Its file.
        path: PathBuf,
        /// The system's error.
        reason: String,
    },
    /// A component's file is not the one that was accepted.
    #[error(
        "component `{name}`: {} is not the file that was accepted (accepted {accepted}, found {found}); \
         look at what changed, then run `tollgate component accept {name}`", path.display()
    )]
    Changed {
        /// Its name.
        name: String,
        /// Its file.
        path: PathBuf,
        /// The accepted digest.
        accepted: Sha256Digest,
        /// The file's digest.
        found: Sha256Digest,
    },
    /// A component was never accepted.
    #[error(
        "component `{name}` was never accepted; look at it, then run `tollgate component accept {name}`"
    )]
    NotAccepted {
        /// Its name.
        name: String,
    },
    /// An upstream server was never accepted.
    #[error(
        "the upstream server `{name}` was never accepted; look at what it offers with `tollgate upstream show {name}`, \
         then run `tollgate upstream accept {name}`"
    )]
    UpstreamNotAccepted {
        /// Its name.
        name: String,
    },
    /// The pinned definitions of an upstream server are not those that were accepted.
    #[error(
        "the definitions of the upstream server `{name}` in {} are not those that were accepted; look at it, then run \
         `tollgate upstream accept {name}`", lock.display()
    )]
    UpstreamAltered {
        /// Its name.
        name: String,
        /// The lock file.
        lock: PathBuf,
    },
    /// No upstream server is named.
    #[error("nothing is accepted: name an upstream server with the digest of what it offers")]
    NothingToAccept,
    /// An upstream server no longer offers what was shown.
    #[error(
        "the upstream server `{name}` offers {found} now, and not {seen}, which you have seen; look again with \
         `tollgate upstream show {name}`"
    )]
    UpstreamMoved {
        /// Its name.
        name: String,
        /// Digest of what was shown.
        seen: Sha256Digest,
        /// Digest of what it offers.
        found: Sha256Digest,
    },
    /// The tools of an external executor cannot be read.
    #[error("the tools of [external.{name}]: {reason}")]
    External {
        /// Its name.
        name: String,
        /// The reason.
        reason: String,
    },
    /// The offer of an upstream server cannot be read.
    #[error("the upstream server `{name}` could not be asked: {reason}")]
    UpstreamUnreachable {
        /// Its name.
        name: String,
        /// The reason.
        reason: String,
    },
    /// Policy does not allow this person to accept it.
    #[error("{}", .0.message())]
    Refused(Box<Refusal>),
    /// A tool has a name that cannot be shown to agents, or that is already used.
    #[error(
        "{} `{component}`: the tool `{tool}` {problem}; add rename.{own} = \"…\" under [{}.{component}]",
        source_kind.description(), source_kind.table()
    )]
    ToolName {
        /// Who offers it.
        source_kind: SourceKind,
        /// The component, or upstream server.
        component: String,
        /// The name that agents would see.
        tool: String,
        /// Its own name for the tool, as a TOML key.
        own: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A tool's schema cannot be used.
    #[error("{what} `{component}`: the input schema of the tool `{tool}` {problem}")]
    ToolSchema {
        /// `component`, or `upstream server`.
        what: &'static str,
        /// The component, or upstream server.
        component: String,
        /// The tool.
        tool: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The configuration names a tool that is not loaded.
    #[error("[tools.{tool}] in {}: nothing that is loaded offers this tool{}", file.display(), near.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    UnknownTool {
        /// The tool.
        tool: String,
        /// The configuration.
        file: PathBuf,
        /// A tool with a similar name.
        near: Option<String>,
    },
    /// A directory that is opened to components or servers overlaps the gate's own files.
    #[error(
        "{key} in {}: {} overlaps {what} of this gate ({}), so what it is opened to could read the gate's secrets or \
         change its policies; open a directory that has nothing of the gate in it",
        file.display(), path.display(), own.display()
    )]
    Overlap {
        /// The key in the configuration.
        key: String,
        /// The opened directory.
        path: PathBuf,
        /// The file or directory that it overlaps.
        what: &'static str,
        /// Its path.
        own: PathBuf,
        /// The configuration.
        file: PathBuf,
    },
    /// A history fact names something that does not exist.
    #[error("{}:{line}: {key} of [facts.{fact}]: {problem}{}", file.display(), near.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    Fact {
        /// The fact.
        fact: String,
        /// The key.
        key: &'static str,
        /// What is wrong.
        problem: String,
        /// A similar name.
        near: Option<String>,
        /// The configuration.
        file: PathBuf,
        /// The line of its table.
        line: usize,
    },
    /// What would show approvers what a call does cannot be a preview.
    #[error("{}: preview of [tools.{tool}]: {problem}", file.display())]
    Preview {
        /// The tool.
        tool: String,
        /// What is wrong.
        problem: String,
        /// The configuration.
        file: PathBuf,
    },
    /// A setting that only a restart changes.
    #[error("{what} in {} differs from the running gate's; restart it to change this", file.display())]
    Restart {
        /// The key.
        what: &'static str,
        /// The configuration.
        file: PathBuf,
    },
    /// The configuration renames a tool that the component does not have.
    #[error("rename.{own} under [components.{component}] in {}: the component has no tool `{own}`{}", file.display(), near.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    UnknownRename {
        /// The component.
        component: String,
        /// The missing name.
        own: String,
        /// The configuration.
        file: PathBuf,
        /// A tool of the component with a similar name.
        near: Option<String>,
    },
    /// The policies.
    #[error("the policies do not load: {0}")]
    Policies(#[from] pdp::LoadError),
    /// The operating system has no randomness.
    #[error("the operating system has no randomness: {0}")]
    Randomness(String),
}
