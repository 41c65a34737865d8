//! A call that history facts count once it has ended.

use std::sync::Arc;

use serde_json::Value;

use crate::tool::Tool;

/// What history facts need of a call once it has ended.
#[derive(Debug)]
pub struct CountedCall {
    /// The tool.
    pub(super) tool: Arc<Tool>,
    /// The arguments, with the defaults that policies see.
    pub(super) arguments: Value,
}
