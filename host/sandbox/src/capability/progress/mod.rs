//! Progress reports. A report that goes to the caller is decided like a result.

mod act;
pub(crate) mod wit;

pub use act::{ProgressReport, ProgressSink};
