//! Cedar for Tollgate: policy bundles, the schema, typed input, decisions, their explanation, and cases.
//!
//! Pure: time and randomness are parameters, and no file is read here.

mod approval;
pub mod cases;
pub mod input;
pub mod pdp;
pub mod policy;
mod recorded;
pub mod schema;
mod uid;
mod value;

#[cfg(test)]
mod starter_tests;
