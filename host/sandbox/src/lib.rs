//! The sandbox: runs WebAssembly components without ambient authority, within limits.
//!
//! [`Sandbox::load`] compiles and links a component; [`Sandbox::prepare`] creates a fresh instance for one
//! call; [`PreparedInstance::run`] runs it. The operations that a component may request are in
//! [`capability`], one folder per interface, and go through the [`port`], which the gate implements.
//!
//! The modules are layers: `port` and `resources`, `call`, `capability`, `wasi`, `store`, `component`, `guest`,
//! `sandbox`, `load` and `run`. Each imports only those before it.
//!
//! This crate neither decides nor records, and keeps nothing between two calls. Everything from a guest is
//! untrusted: names, sizes, paths, text and the time it takes are all bounded.

mod bindings;
mod cache;
mod call;
pub mod capability;
mod compile;
mod compiler;
mod component;
mod content;
mod deadline;
mod definitions;
mod engine;
mod error;
mod functions;
mod guest;
mod load;
mod loaded;
mod low_priority_pool;
mod meter;
mod options;
pub mod port;
pub mod resources;
mod run;
mod sandbox;
mod store;
#[cfg(test)]
mod test_support;
#[cfg(test)]
mod tests;
mod ticker;
mod wasi;
mod wasm_sections;

pub use capability::HostPolicy;
pub use compile::{CompileError, InspectedTool, Inspection, serve};
pub use compiler::Compiler;
pub use component::Component;
pub use definitions::ToolList;
pub use error::SandboxError;
pub use load::INTERFACES;
pub use loaded::LoadedComponent;
pub use options::{MAX_CALL_DEPTH, MAX_CONCURRENCY, SandboxOptions};
pub use resources::{ConfigEntry, Grant, GrantMode, GuestEnvironment, Resources};
pub use run::{Invocation, PreparedInstance};
pub use sandbox::Sandbox;

/// The versions of the WIT package that this host links.
pub const PUBLISHED: &[&str] = &["0.1.0"];

/// The largest component that is compiled, in bytes.
pub const MAX_COMPONENT: usize = 64 << 20;
