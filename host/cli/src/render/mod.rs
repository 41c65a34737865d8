//! Output for people: trees, tables, approvals, answers. It reads data and sends nothing to the gate.
//!
//! Text from outside (tool output, file names, notes, log lines) may hold terminal escapes. It is made
//! printable here or in the gate before it reaches a terminal.

pub(crate) mod answer;
pub(crate) mod approval;
pub(crate) mod case;
pub(crate) mod decision;
pub(crate) mod diagnostics;
pub(crate) mod diff;
pub(crate) mod live;
pub(crate) mod run;
pub(crate) mod spans;
pub(crate) mod standing;
pub(crate) mod table;
pub(crate) mod tool;
pub(crate) mod tree;
pub(crate) mod upstream;
