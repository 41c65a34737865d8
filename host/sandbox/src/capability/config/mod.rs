//! Values that the operator configured for a component.

mod act;
mod operation;
#[cfg(test)]
mod tests;
pub(crate) mod wit;

pub use crate::resources::{ConfigEntry, ConfigValue, MAX_TEXTS, MAX_VALUE, is_key};
pub use act::ConfigAct;
