//! `tollgate component`: from a tool's sources to a WebAssembly component.
//!
//! Tools in JavaScript and Python get their toolchain from their own registry, into their own folder. A
//! Rust crate is compiled for `wasm32-unknown-unknown`, which has no system interface to call, and the module is
//! wrapped into a component in this process. A component may import only the interfaces of `tollgate:adapter`;
//! any other import is an error of the build.
//!
//! Nothing here runs a component that it built, and nothing reads a gate's configuration.

mod build;
mod compiler;
mod encode;
mod files;
mod interpreted;
mod javascript;
mod process;
mod python;
mod target;

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

pub(crate) use build::build;
pub(crate) use compiler::compiler;
pub(crate) use encode::EncodeError;
pub(crate) use target::TargetError;

/// A component file.
#[derive(Debug)]
pub(crate) struct BuildOutput {
    /// The crate's library name, with `-` for `_`.
    pub(crate) name: String,
    /// Its path.
    pub(crate) path: PathBuf,
    /// Its size in bytes.
    pub(crate) bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub(crate) sha256: String,
    /// Whether the file had the same bytes already and was not written.
    pub(crate) unchanged: bool,
    /// Warnings of the compiler, rendered.
    pub(crate) warnings: String,
    /// How long it took.
    pub(crate) elapsed: Duration,
}

/// Why a build made no component.
#[derive(Debug, Error)]
pub(crate) enum BuildError {
    /// The folder holds no tool.
    #[error(
        "{} holds no Cargo.toml, package.json or pyproject.toml; name the folder of a tool, or make one with \
         `tollgate new NAME`", .0.display()
    )]
    NoTool(PathBuf),
    /// The manifest names no tool.
    #[error("{} has no `name` that a file could have; give it one of a-z, 0-9 and `-`", .0.display())]
    NoName(PathBuf),
    /// The folder has too many files to be a tool.
    #[error("{} holds too many files for a tool's sources; is it the right folder?", .0.display())]
    TooManyFiles(PathBuf),
    /// A program of the toolchain is missing.
    #[error("`{program}` is not installed; {remedy}")]
    Missing {
        /// What is missing.
        program: String,
        /// What to install.
        remedy: &'static str,
    },
    /// Another program failed.
    #[error("{what} failed in {}:\n{output}", dir.display())]
    Step {
        /// The tool's folder.
        dir: PathBuf,
        /// The step.
        what: String,
        /// The output of the program.
        output: String,
    },
    /// Nothing here can compile for the target.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The compiler or cargo refused the crate.
    #[error("{} did not compile:\n{output}", dir.display())]
    Compile {
        /// The crate's folder.
        dir: PathBuf,
        /// The output of cargo and the compiler.
        output: String,
    },
    /// The crate compiled, but not into a module.
    #[error(
        "{} made no WebAssembly module; add these two lines to its Cargo.toml:\n[lib]\ncrate-type = [\"cdylib\"]",
        .0.display()
    )]
    NoModule(PathBuf),
    /// The module is not an adapter.
    #[error("{} made no adapter: {error}", dir.display())]
    Encode {
        /// The crate's folder.
        dir: PathBuf,
        /// What is wrong with the module.
        error: EncodeError,
    },
    /// A file could not be read or written.
    #[error("cannot {verb} {}: {error}", path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        error: std::io::Error,
    },
    /// A program could not be started.
    #[error("cannot run `{program}`: {error}; is it installed, and in PATH?")]
    Run {
        /// The program.
        program: String,
        /// Why it failed.
        error: std::io::Error,
    },
}
