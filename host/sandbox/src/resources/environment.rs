//! Arguments and variables of a program.

use std::collections::BTreeMap;

/// Arguments and environment of a program made for WASI.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuestEnvironment {
    /// Arguments, the program's name first.
    pub arguments: Vec<String>,
    /// Variables of the environment.
    pub environment: BTreeMap<String, String>,
}
