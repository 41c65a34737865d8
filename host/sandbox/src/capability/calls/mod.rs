//! Calls of other components' tools. Decided as calls of those tools.

pub(crate) mod wit;
