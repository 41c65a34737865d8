//! The enforcement line as a library: decide, record, run in a sandbox, record.
//!
//! [`gate::Gate::call`] is the whole of it. This crate opens no listening socket; surfaces that speak a
//! protocol are built on top of it.

pub mod call;
pub mod config;
pub mod enforce;
pub mod gate;
pub mod ids;
pub mod ledger;
pub mod load;
pub mod lock;
pub mod outcome;
pub mod pip;
pub mod sandbox;
pub mod secrets;
pub mod snapshot;
pub mod text;
