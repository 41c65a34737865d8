//! Tools of other components. Decided as calls of those tools.

pub(crate) mod wit;
