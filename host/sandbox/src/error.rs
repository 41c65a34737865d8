use std::path::PathBuf;

use crate::{MAX_COMPONENT, MAX_CONCURRENCY, PUBLISHED};

/// Why a component cannot run in the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The directory for compiled code cannot be used.
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
    /// The number of concurrent calls is out of range.
    #[error("the gate cannot run {given} calls at once; choose from 1 to {MAX_CONCURRENCY}")]
    Concurrency {
        /// The configured number.
        given: usize,
    },
    /// The engine cannot be started.
    #[error(
        "the WebAssembly engine does not start: {reason}; it reserves address space for every call at once, \
         so raise the limit (`ulimit -v`) or lower gate.concurrency"
    )]
    Engine {
        /// The engine's message.
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
    /// A component that the engine refuses.
    #[error("the component is not valid here: {reason}")]
    Invalid {
        /// The engine's message.
        reason: String,
    },
    /// A component of another world, or another version.
    #[error(
        "the component does not fit the world `adapter` of `tollgate:adapter@{}`: {}; build it from this gate's \
         `wit/` (`tollgate component build DIR` does)",
        PUBLISHED.join("`, `@"), problems.join("; ")
    )]
    WrongWorld {
        /// The differences.
        problems: Vec<String>,
    },
    /// A component that needs what another host gives it.
    #[error(
        "the component is made for another host: it imports {}, and here are only `tollgate:adapter@{}` and WASI 0.2; \
         ask its author for a build that needs nothing else",
        names(imports), PUBLISHED.join("`, `@")
    )]
    ForeignImports {
        /// What only the other host has.
        imports: Vec<String>,
    },
    /// A component that exceeds the engine for its size.
    #[error(
        "the component needs more than the standard engine has for one ({reason}); if it carries an interpreter, as \
         Python and JavaScript do, set size = \"large\" in its table of the configuration, or --size large when you add it"
    )]
    NoRoom {
        /// The engine's message.
        reason: String,
    },
    /// A component of another world, without exported functions that can be called.
    #[error(
        "the component offers no tools: it neither exports `tollgate:adapter/tools@{}` nor a function that can be \
         called by itself{}",
        PUBLISHED.join("` or `@"), list(left_out)
    )]
    NoFunctions {
        /// Functions that cannot be called, with reasons.
        left_out: Vec<String>,
    },
    /// Two functions with the same tool name.
    #[error(
        "the component's exports `{first}` and `{second}` would both be the tool `{tool}`; give one of the interfaces \
         another name"
    )]
    SameName {
        /// The tool name.
        tool: String,
        /// The first export.
        first: String,
        /// The second export.
        second: String,
    },
    /// A component that does not list its tools.
    #[error("the component does not list its tools: {reason}")]
    ListTools {
        /// The reason.
        reason: String,
    },
    /// A tool with an invalid description.
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

impl SandboxError {
    /// The engine cannot be started, for this reason.
    pub(crate) fn engine(error: wasmtime::Error) -> Self {
        Self::Engine {
            reason: format!("{error:#}"),
        }
    }
}

fn names(imports: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = { imports.iter().take(SHOWN) }
        .map(|name| format!("`{name}`"))
        .collect();
    match imports.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
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
