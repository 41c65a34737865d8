//! Files within the directories that the operator granted.

mod act;
pub(crate) mod disk;
mod operation;
pub(crate) mod path;
pub(crate) mod resolve;
pub(crate) mod temporary;
#[cfg(test)]
mod tests;
pub(crate) mod wasi;
pub(crate) mod wit;

pub use act::{FileAct, FileContent};
