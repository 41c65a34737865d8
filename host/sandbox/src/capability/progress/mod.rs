//! How far a call has come. What leaves for the caller is decided as its result is.

mod act;
pub(crate) mod wit;

pub use act::ProgressReport;
