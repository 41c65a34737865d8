//! The enforcement line as a library: decide, record, run in a sandbox, record.
//!
//! [`Gate::call`] is the whole of it. This crate opens no listening socket; surfaces that speak a
//! protocol are built on top of it.

pub mod ledger;
