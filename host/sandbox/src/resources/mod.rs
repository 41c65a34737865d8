//! What the operator gives a component.

mod config;
mod environment;

pub use config::{ConfigEntry, ConfigValue, MAX_TEXTS, MAX_VALUE, is_key};
pub use environment::GuestEnvironment;
