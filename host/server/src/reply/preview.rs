//! What a preview has shown.

use serde::{Deserialize, Serialize};
use tollgate::{enforce::CallOutcome, gate::PreviewView};
use tollgate_model::ids::{ApprovalId, DecisionId, RunId};
use utoipa::ToSchema;

/// What a preview of a waiting call has shown. The approval is as before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PreviewReply {
    /// The approval.
    #[schema(value_type = String)]
    pub id: ApprovalId,
    /// Digest of the call that was previewed, by which it is answered.
    pub digest: String,
    /// What was called: another tool, or `preview:` and the tool.
    pub tool: String,
    /// How that call ended, as for a call.
    #[schema(value_type = String)]
    pub outcome: CallOutcome,
    /// The decision about it.
    #[schema(value_type = Option<String>)]
    pub decision: Option<DecisionId>,
    /// The person's run in which it was made.
    #[schema(value_type = Option<String>)]
    pub run: Option<RunId>,
    /// Its result, at most 64 KiB, or why there is none; invisible characters are escaped. The tool wrote it, so it
    /// proves nothing.
    pub text: String,
}

impl From<PreviewView> for PreviewReply {
    fn from(view: PreviewView) -> Self {
        Self {
            id: view.id,
            digest: view.digest,
            tool: view.tool,
            outcome: view.outcome,
            decision: view.decision,
            run: view.run,
            text: view.text,
        }
    }
}
