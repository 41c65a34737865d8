//! The policy enforcement point as a library: a call is decided, recorded, run in a sandbox, and recorded.
//!
//! [`Gate::call`] is the whole of it. This crate opens no listening socket; surfaces that speak a protocol are
//! built on top of it.

pub mod capability;
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
pub mod secrets;
pub mod stats;
pub mod tool;
pub mod upstream;
pub mod usage;

pub use tollgate_egress as egress;
pub use tollgate_model::text;
pub use tollgate_sandbox as sandbox;

pub use config::Config;
pub use enforce::{Answer, CallOptions, CallOutcome, CallRequest, Refusal, Verdict};
pub use gate::{Gate, GateOptions};
pub use identity::{Caller, RunKey};
