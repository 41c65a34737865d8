//! `tollgate component`: from a Rust crate to a WebAssembly component.
//!
//! Compiles the crate for `wasm32-unknown-unknown`, which has no system interface to call, and wraps the
//! module into a component in this process. What comes out imports nothing but the interfaces of
//! `tollgate:adapter`; anything else is refused here, before a gate ever sees it.
//!
//! Nothing here runs what it builds, and nothing reads a gate's configuration.

mod build;
pub(crate) mod command;
mod encode;
mod process;
mod progress;
mod target;

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

pub(crate) use build::build;
pub(crate) use encode::EncodeError;
pub(crate) use progress::Progress;
pub(crate) use target::TargetError;

/// A component that lies on disk.
#[derive(Debug)]
pub(crate) struct Built {
    /// The crate's library name, with `-` for `_`.
    pub(crate) name: String,
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// Its size in bytes.
    pub(crate) bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub(crate) sha256: String,
    /// Whether the file was there already, byte for byte, and was left alone.
    pub(crate) unchanged: bool,
    /// What the compiler said of it: warnings, as it rendered them.
    pub(crate) warnings: String,
    /// How long it took.
    pub(crate) elapsed: Duration,
}

/// Why there is no component.
#[derive(Debug, Error)]
pub(crate) enum BuildError {
    /// The folder holds no crate.
    #[error("{} holds no Cargo.toml; name the folder of a Rust crate, or make one with `tollgate init`", .0.display())]
    NoCrate(PathBuf),
    /// Nothing here can compile for the target.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The compiler or cargo refused the crate.
    #[error("{} did not compile:\n{output}", dir.display())]
    Compile {
        /// The crate's folder.
        dir: PathBuf,
        /// What cargo and the compiler said.
        output: String,
    },
    /// The crate compiled, but not into a module.
    #[error(
        "{} made no WebAssembly module; add these two lines to its Cargo.toml:\n[lib]\ncrate-type = [\"cdylib\"]",
        .0.display()
    )]
    NoModule(PathBuf),
    /// The module is no adapter.
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
        /// On which file.
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
