//! Previews: a call of a person who may answer an approval, which shows what the waiting call would do.
//!
//! It is decided, recorded and bounded like every call, in a run of that person's own. So nothing of it counts for the
//! agent, and policy says what the person may see. The approval stays as it is in any case.

use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tollgate_model::{
    entity::Uid,
    ids::{ApprovalId, DecisionId, RunId, TokenId},
    tool::Content,
};

use super::Gate;
use crate::{
    enforce::{Answer, ApprovalError, CallOptions, CallOutcome, Refusal, Verdict},
    identity::{Caller, RunKey},
    text::printable,
};

/// How long a preview may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most bytes of its result that are shown.
const MAX_SHOWN: usize = 64 << 10;

/// What a preview has shown. The approval is as before.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PreviewView {
    /// The approval.
    pub id: ApprovalId,
    /// Digest of the call that was previewed, by which it is answered.
    pub digest: String,
    /// What was called: another tool, or `preview:` and the tool.
    pub tool: String,
    /// How that call ended.
    pub outcome: CallOutcome,
    /// The decision about it.
    pub decision: Option<DecisionId>,
    /// The person's run in which it was made.
    pub run: Option<RunId>,
    /// Its result, or why there is none; invisible characters are escaped. Others wrote it, so it proves nothing.
    pub text: String,
}

impl Gate {
    /// Shows `user`, who may answer it, what a waiting call would do. `token` is that by which the user is known, `channel` that of the request.
    ///
    /// # Errors
    /// [`ApprovalError`] if there is no preview. A preview that is denied or fails is not an error: its view says so.
    pub async fn preview(
        &self,
        user: &Uid,
        id: ApprovalId,
        (token, channel): (Option<TokenId>, &str),
    ) -> Result<PreviewView, ApprovalError> {
        let caller = Caller::User(user.id.clone());
        let row = self.visible_approval(&caller, id)?;
        let ruleset = self.ruleset();
        let request = self
            .pep()
            .previewed_call(&ruleset, (user, channel), &row)
            .await?;
        let tool = request.tool.clone();
        let run = RunKey::Named(format!("preview-{id}"));
        let (cancel, cancelled) = watch::channel(false);
        let options = CallOptions {
            token,
            cancelled: Some(cancelled),
            ..CallOptions::default()
        };
        let answering = self.call_with_options(&caller, &run, request, options);
        let answer = tokio::time::timeout(PATIENCE, answering).await;
        cancel.send_replace(true);
        let digest = row.shown_digest().as_str().to_owned();
        let Ok(answer) = answer else {
            return Ok(PreviewView {
                id,
                digest,
                tool,
                outcome: CallOutcome::Indeterminate,
                decision: None,
                run: None,
                text: format!("It did not end within {} seconds.", PATIENCE.as_secs()),
            });
        };
        // A preview asks no person.
        if let Verdict::Refused(Refusal::Pending { approval, .. }) = &answer.verdict {
            self.withdraw(&caller, *approval).await?;
        }
        Ok(PreviewView {
            id,
            digest,
            tool,
            outcome: answer.outcome(),
            decision: answer.decision,
            run: answer.run,
            text: printable(&text(answer), MAX_SHOWN),
        })
    }
}

/// The result of a call as text, or why there is none.
fn text(answer: Answer) -> String {
    let message = answer.message().unwrap_or_default();
    let Verdict::Released { content, .. } = answer.verdict else {
        return message;
    };
    let parts = content.into_iter().map(|part| match part {
        Content::Text { text } => text,
        Content::Structured(value) => value.to_string(),
        Content::Image { data, media_type } => format!("[{media_type}, {} bytes]", data.len()),
        Content::Resource { resource } => format!("[resource {}]", resource.uri),
    });
    parts.collect::<Vec<_>>().join("\n")
}
