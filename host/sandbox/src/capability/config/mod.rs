//! Values that the operator configured for a component.

mod act;
mod entry;
mod operation;
#[cfg(test)]
mod tests;
pub(crate) mod wit;

pub use act::ConfigAct;
pub use entry::{ConfigEntry, ConfigValue, MAX_TEXTS, MAX_VALUE, is_key};
