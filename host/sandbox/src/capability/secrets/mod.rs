//! Secrets that the host attaches to requests: the guest names one and never sees its value.

mod act;
pub(crate) mod wit;

pub use act::SecretAct;
