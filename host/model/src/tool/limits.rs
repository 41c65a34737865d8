//! Limits of an execution.

use std::time::Duration;

/// Limits of one execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory, over all memories of the component; at most [`Size::max_memory`].
    pub memory: u64,
    /// Fuel units; about one per WebAssembly instruction.
    pub fuel: u64,
    /// Wall-clock time, including host calls.
    pub wall: Duration,
    /// Computing time of the guest itself.
    pub cpu: Duration,
    /// Bytes of returned content; the rest is cut, and counted.
    pub output: u64,
    /// The most operations that a guest may request: files, HTTP requests, random bytes and the like.
    pub operations: u64,
}

/// The engine in which a component runs. The two engines differ in the resources of one component, and in
/// how many run at once.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Default,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(
    serialize_all = "lowercase",
    parse_err_ty = SizeError,
    parse_err_fn = size_error
)]
pub enum Size {
    /// For components compiled from Rust, C or the like.
    #[default]
    Standard,
    /// For components with an interpreter: Python, JavaScript.
    Large,
}

impl Size {
    /// The most linear memory that this engine has for a component, in bytes.
    #[must_use]
    pub const fn max_memory(self) -> u64 {
        match self {
            Self::Standard => 64 << 20,
            Self::Large => 256 << 20,
        }
    }
}

named!(Size);

/// A text that is not a [`Size`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a size is `standard` or `large`")]
pub struct SizeError;

fn size_error(_: &str) -> SizeError {
    SizeError
}

impl Limits {
    /// The default limits of a component of this size.
    #[must_use]
    pub fn of(size: Size) -> Self {
        Self {
            memory: size.max_memory(),
            ..Self::default()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: Size::Standard.max_memory(),
            fuel: 10_000_000_000,
            wall: Duration::from_secs(30),
            cpu: Duration::from_secs(5),
            output: 1 << 20,
            operations: 10_000,
        }
    }
}
