//! The gate's own time. Not decided.

pub(crate) mod wit;
