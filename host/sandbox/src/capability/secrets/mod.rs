//! Secrets that the host attaches to requests: the guest names one and never sees its value.

mod act;
mod placement;
pub(crate) mod wit;

pub use act::SecretAct;
pub(crate) use placement::{Credential, SecretPlacement};
