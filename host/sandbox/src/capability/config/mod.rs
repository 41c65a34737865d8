//! Values that the operator configured for a component.

mod act;
mod operation;
#[cfg(test)]
mod tests;
pub(crate) mod wit;

pub use act::ConfigAct;
