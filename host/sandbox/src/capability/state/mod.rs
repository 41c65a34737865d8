//! State that a component keeps between calls, for the run or for itself.

mod act;
pub(crate) mod wit;

pub use act::{
    MAX_VALUE, StateError, StateOperation, StateReply, StateRequest, StateScope, StateStore,
};
