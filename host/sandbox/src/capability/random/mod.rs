//! Random bytes. Not decided; bounded and counted.

pub(crate) mod wit;
