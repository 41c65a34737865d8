//! A component's messages for the operator. Not decided.

pub(crate) mod wit;
