//! What shows an approver what a waiting call would do.

use std::sync::Arc;

use tollgate_ledger::{ApprovalRow, Batch};
use tollgate_model::{
    canonical,
    entity::Uid,
    life::ApprovalState,
    record::{AdminAction, AdministrativeAct, Event, Record},
    request::preview_call,
};

use super::ApprovalError;
use crate::{
    config::PreviewConfig,
    enforce::{CallRequest, Pep, Refusal, Ruleset},
};

fn refused<T>(problem: impl Into<String>) -> Result<T, ApprovalError> {
    Err(ApprovalError::NotPreviewed(problem.into()))
}

impl Pep {
    /// The call that shows `user` what a waiting call would do, with the arguments that it would have. That the
    /// preview is asked for is recorded first, in the run that waits.
    pub(crate) async fn previewed_call(
        &self,
        ruleset: &Arc<Ruleset>,
        (user, channel): (&Uid, &str),
        row: &ApprovalRow,
    ) -> Result<CallRequest, ApprovalError> {
        if row.elicitation.is_some() {
            return Err(ApprovalError::Question(row.id));
        }
        if row.state != ApprovalState::Pending {
            let (id, state) = (row.id, row.state);
            return Err(ApprovalError::Resolved { id, state });
        }
        if row.capability.is_some() || !row.waiting.is_empty() || !row.via.is_empty() {
            return refused(
                "a component makes this request, and only calls of agents have a preview",
            );
        }
        if !self.can_answer(ruleset, user, row, channel) {
            return refused("only people who may approve it get a preview of it");
        }
        let Some(tool) = ruleset.tools.get(&row.tool) else {
            return refused("its tool is not loaded any more");
        };
        if tool.source.digest != row.component {
            return refused("the tool has changed since the agent called it");
        }
        let configured = ruleset.config.tools.get(&row.tool);
        let Some(preview) = configured.and_then(|tool| tool.preview.as_ref()) else {
            let tool = &row.tool;
            return refused(format!(
                "`{tool}` has no preview; the operator may set `preview` under [tools.{tool}]"
            ));
        };
        let arguments = match self.edited_arguments(row)? {
            Some((edited, _)) => edited,
            None => self.sealed_arguments(row)?,
        };
        let request = match preview {
            PreviewConfig::DryRun => CallRequest {
                tool: preview_call(&row.tool),
                arguments,
            },
            PreviewConfig::Tool { name, .. } => {
                let arguments = canonical::parse(&arguments);
                let arguments = arguments.map_err(|e| ApprovalError::Store(e.to_string()))?;
                CallRequest {
                    tool: name.clone(),
                    arguments: preview.arguments(&arguments).to_string(),
                }
            }
        };
        self.note_previewed(user, row).await?;
        Ok(request)
    }

    async fn note_previewed(&self, user: &Uid, row: &ApprovalRow) -> Result<(), ApprovalError> {
        let event = Event::Administered(AdministrativeAct {
            action: AdminAction::ApprovalPreviewed,
            by: user.id.clone(),
            target: row.id.to_string(),
        });
        let record = Record::new(row.tenant.clone(), Some(row.run), self.now(), event);
        let batch = Batch {
            records: vec![record],
            ..Batch::default()
        };
        self.commit(batch).await.map_err(Refusal::from)?;
        Ok(())
    }
}
