//! The program that compiles components.

use std::{fmt, path::PathBuf, time::Duration};

/// The program that compiles: it must call [`serve`] when it is run with these arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiler {
    /// Its file: usually the gate's own.
    pub program: PathBuf,
    /// What makes it compile.
    pub arguments: Vec<String>,
    /// How long it may take.
    pub time: Duration,
}

impl Compiler {
    /// How long compiling may take, unless a gate says otherwise.
    pub const TIME: Duration = Duration::from_secs(600);
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.program.display())
    }
}
