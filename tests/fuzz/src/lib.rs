//! Fuzz targets: one for every parser that takes bytes from outside, with a small corpus and the rules that hold for
//! every input.
//!
//! `cargo test -p tollgate-fuzz` plays each target with its corpus, with everything that was ever found, and with a
//! fixed number of variants of them, the same in every run. `cargo xtask fuzz` plays them for a time.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a rule that does not hold ends the run, as in a test"
)]

pub mod engine;
pub mod targets;
mod variant;

pub use engine::Target;

#[cfg(test)]
mod tests;
