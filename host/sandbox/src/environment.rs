//! Arguments and variables of a program.

use std::collections::BTreeMap;

/// What a program that was made for WASI is started with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuestEnvironment {
    /// Arguments, the program's name first.
    pub arguments: Vec<String>,
    /// Variables of the environment.
    pub environment: BTreeMap<String, String>,
}
