//! Settings that one crate parses and another one uses.
//!
//! The gate's configuration parses into them. They are here where their user does not depend on the gate.

mod export;
mod prices;

pub use export::{ExportCompression, ExportConfig, ExportFrom, ExportProfile, ExportProtocol};
pub use prices::{Price, PricedTokens, PricesConfig};

/// A value of a header or a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigValue {
    /// As it is in the file.
    Literal(String),
    /// The value of a secret.
    Secret {
        /// Its name.
        name: String,
        /// What stands before it, such as `Bearer `.
        prefix: &'static str,
    },
}
