//! The policy enforcement point as a library: a call is decided, recorded, run in a sandbox, and recorded.
//!
//! [`Gate::call`] is the whole of it. This crate opens no listening socket; surfaces that speak a protocol are
//! built on top of it.

pub mod capture;
pub mod config;
pub mod coverage;
pub mod enforce;
pub mod executors;
pub mod gate;
pub mod identity;
pub mod ids;
pub mod load;
pub mod lock;
mod pipeline;
pub mod replay;
pub mod sandbox;
pub mod secrets;
pub mod stats;
pub mod text;
pub mod tool;
pub mod upstream;
pub mod usage;

pub use config::Config;
pub use enforce::{Answer, CallOptions, CallOutcome, CallRequest, Refusal, Verdict};
pub use gate::{Gate, GateOptions};
pub use identity::{Caller, RunKey};
