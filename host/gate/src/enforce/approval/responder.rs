//! What a person answers.

use std::sync::Arc;

use tollgate_model::entity::Uid;

use super::ApprovalResponse;
use crate::enforce::{Ruleset, ToolCall};

/// What a person answers, and how.
#[derive(Clone, Copy)]
pub(crate) struct Responder<'a> {
    pub(crate) ruleset: &'a Arc<Ruleset>,
    pub(crate) user: &'a Uid,
    pub(crate) response: ApprovalResponse<'a>,
    /// The call with the arguments of [`ApprovalResponse::edit`].
    pub(crate) edited: Option<&'a ToolCall>,
}
