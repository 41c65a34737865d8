//! What a sandbox is made with.

use std::path::PathBuf;

use crate::Compiler;

/// How many calls can be within one another, the agent's own included.
pub const MAX_CALL_DEPTH: usize = 4;

/// The most calls that can be run at once.
pub const MAX_CONCURRENCY: usize = 1_000;

/// What a sandbox is made with.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// Where compiled code is kept. Made with mode 0700; refused if others may write to it.
    pub cache_dir: PathBuf,
    /// How many calls may run at once; the others wait.
    pub concurrency: usize,
    /// What compiles components in a process of its own; without it they are compiled in this one.
    pub compiler: Option<Compiler>,
}
