use std::path::PathBuf;

use crate::{MAX_COMPONENT, MAX_CONCURRENCY, PUBLISHED};

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
    #[error("the file is not WebAssembly; build the component with `tollgate component build DIR`")]
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
