//! A component's words for the operator. Not decided.

pub(crate) mod wit;
