//! Links by which one user may answer one approval: issue, find, revoke; and answers that were refused.

use tollgate_ledger::{ApprovalLink, ApprovalLinkFilter, ApprovalRow, Batch, CommitError};
use tollgate_model::{
    entity::{Kind, Uid},
    ids::{ApprovalId, LinkId},
    life::ApprovalState,
    record::{
        AnswerChannel, AnswerRefusal, ApprovalAnswerRefused, ApprovalLinkIssued,
        ApprovalLinkRevoked, Event, Record,
    },
    request::Action,
};

use super::{Gate, OperateError};
use crate::{
    enforce::{ApprovalError, Refusal},
    ids,
};

impl Gate {
    /// A code that only this gate makes, over `parts` and for one purpose: a proof that leaves the gate and comes
    /// back, as in a link or a button.
    #[must_use]
    pub fn authentication_code(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        let ruleset = self.ruleset();
        let keys = self.ledger().keys();
        keys.authenticate(&ruleset.config.gate.tenant, purpose, parts)
    }

    /// The valid links of a pending approval. Links that are missing are issued first: to each configured user
    /// who may answer by link and never had one for it. Issuing is recorded.
    ///
    /// # Errors
    /// [`ApprovalError`].
    pub async fn issue_links(&self, id: ApprovalId) -> Result<Vec<ApprovalLink>, ApprovalError> {
        let reader = self.ledger().reader();
        let row = reader.approval(id)?.ok_or(ApprovalError::NotFound(id))?;
        let issued = reader.approval_links(&ApprovalLinkFilter {
            approval: Some(id),
            ..ApprovalLinkFilter::default()
        })?;
        let missing = self.missing_links(&row, &issued)?;
        if !missing.is_empty() {
            let batch = Batch {
                records: missing,
                ..Batch::default()
            };
            match self.pep().commit(batch).await {
                // It was answered meanwhile, so no one is asked.
                Ok(_) | Err(CommitError::ApprovalChanged) => {}
                Err(error) => return Err(Refusal::from(error).into()),
            }
        }
        let ruleset = self.ruleset();
        let links = reader.approval_links(&ApprovalLinkFilter {
            approval: Some(id),
            valid_at: Some(self.now()),
            limit: None,
        })?;
        let usable = links.into_iter();
        let usable = usable.filter(|link| self.pep().link_refusal(&ruleset, link).is_none());
        Ok(usable.collect())
    }

    /// The records that issue the links that an approval lacks.
    fn missing_links(
        &self,
        row: &ApprovalRow,
        issued: &[ApprovalLink],
    ) -> Result<Vec<Record>, ApprovalError> {
        let (ruleset, now) = (self.ruleset(), self.now());
        let config = &ruleset.config;
        let links = config.approvals.links.as_ref();
        // A question takes an answer with values, not a vote.
        let is_open = row.elicitation.is_none()
            && row.state == ApprovalState::Pending
            && row.expires > now
            && row.tenant == config.gate.tenant;
        let Some(links) = links.filter(|_| is_open) else {
            return Ok(Vec::new());
        };
        let mut missing = Vec::new();
        for name in &links.users {
            let user = Uid::new(Kind::User, name);
            let has_one = issued.iter().any(|link| link.user == user);
            let channel = AnswerChannel::Link.as_str();
            if has_one || !self.can_answer_by(&user, row, channel) {
                continue;
            }
            let own = links.expires.map(|lasts| now.after(lasts));
            let issued = ApprovalLinkIssued {
                approval: row.id,
                arguments: row.shown_digest().clone(),
                expires: own.map_or(row.expires, |own| own.min(row.expires)),
                id: link_id()?,
                user,
            };
            let event = Event::ApprovalLinkIssued(issued);
            missing.push(Record::new(row.tenant.clone(), None, now, event));
        }
        Ok(missing)
    }

    /// The link with this id, of this gate's tenant.
    ///
    /// # Errors
    /// [`OperateError`] if the store cannot be read.
    pub fn approval_link(&self, id: LinkId) -> Result<Option<ApprovalLink>, OperateError> {
        let link = self.ledger().reader().approval_link(id)?;
        Ok(link.filter(|link| link.tenant == self.ruleset().config.gate.tenant))
    }

    /// Why a link may not be used now; absent if it may.
    #[must_use]
    pub fn link_refusal(&self, link: &ApprovalLink) -> Option<AnswerRefusal> {
        self.pep().link_refusal(&self.ruleset(), link)
    }

    /// Revokes a link: everyone their own; another's is an administrator's act, which is decided. Recorded.
    ///
    /// # Errors
    /// [`OperateError`]; also if it was used or revoked before.
    pub async fn revoke_link(&self, by: &Uid, id: LinkId) -> Result<(), OperateError> {
        let unknown = || {
            OperateError::Unknown(format!(
                "there is no open link `{id}`; list them with `tollgate approvals links list`"
            ))
        };
        let link = self.approval_link(id)?;
        if link.as_ref().is_none_or(|link| link.user != *by) {
            self.operate(by, Action::Administer).await?;
        }
        let link = link.ok_or_else(unknown)?;
        let revoked = Event::ApprovalLinkRevoked(ApprovalLinkRevoked {
            approval: link.approval,
            by: by.id.clone(),
            id,
        });
        let batch = Batch {
            records: vec![Record::new(link.tenant, None, self.now(), revoked)],
            ..Batch::default()
        };
        match self.pep().commit(batch).await {
            Ok(_) => Ok(()),
            Err(CommitError::ApprovalChanged) => Err(unknown()),
            Err(error) => Err(Refusal::from(error).into()),
        }
    }

    /// Records answers that were refused before policy decided about them.
    ///
    /// # Errors
    /// [`OperateError`] if it cannot be recorded.
    pub async fn record_refused_answer(
        &self,
        refused: ApprovalAnswerRefused,
    ) -> Result<(), OperateError> {
        self.record_event(Event::ApprovalAnswerRefused(refused))
            .await
    }
}

fn link_id() -> Result<LinkId, ApprovalError> {
    let bytes = ids::random(8).and_then(|bytes| bytes.try_into().ok());
    bytes.map(LinkId::from_bytes).ok_or_else(|| {
        ApprovalError::Store("the operating system gives no randomness; try again".into())
    })
}
