//! What an approver changed of a call.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What an approver changed of a call before approving it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// The approver.
    pub by: String,
    /// JSON pointers of the arguments that differ from the caller's.
    pub pointers: BTreeSet<String>,
    /// The canonical arguments that were executed.
    pub arguments: String,
}
