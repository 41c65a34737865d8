//! The only way out: resolve a name, connect to exactly the addresses that were decided, use TLS, send one
//! request, decode and bound its response.
//!
//! This crate does not decide, follow redirects, read a proxy from the environment, or keep connections or
//! cookies. No other crate opens a socket to a host that a component names.

mod address;
mod client;
mod decode;
mod error;
mod exchange;
mod resolver;
mod settings;
mod target;

pub use address::is_global;
pub use client::Network;
pub use error::{EgressError, NetworkError};
pub use exchange::{ACCEPTED_CODINGS, MAX_BODY, WireRequest, WireResponse, header_text};
pub use resolver::Resolver;
pub use settings::{HostConfig, NetworkConfig};
pub use target::{Target, host_name};
