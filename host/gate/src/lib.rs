//! The enforcement line as a library: decide, record, run in a sandbox, record.
//!
//! [`gate::Gate::call`] is the whole of it. This crate opens no listening socket; surfaces that speak a
//! protocol are built on top of it.

pub mod call;
pub mod capture;
pub mod config;
pub mod coverage;
pub mod enforce;
pub mod external;
pub mod gate;
pub mod ids;
pub mod load;
pub mod lock;
pub mod outcome;
pub mod people;
pub mod pip;
pub mod promote;
pub mod provider;
pub mod replay;
pub mod sandbox;
pub mod secrets;
pub mod snapshot;
pub mod stats;
pub mod text;
pub mod upstream;
pub mod usage;
