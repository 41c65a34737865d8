//! The pure part of Tollgate: what a request is, how it is decided, what is recorded of it.
//!
//! Nothing here reads a clock, draws randomness, opens a file, or talks to a network or a database:
//! time and randomness are parameters. Whoever embeds the gate uses the crate `tollgate`.

pub mod approval;
pub mod canonical;
pub mod cases;
pub mod decision;
pub mod entity;
pub mod ids;
pub mod input;
mod leaf;
pub mod life;
pub mod merkle;
pub mod pdp;
pub mod policy;
pub mod record;
mod recorded;
pub mod request;
pub mod run;
pub mod schema;
pub mod span;
pub mod time;
mod value;

#[cfg(test)]
mod starter_tests;
