//! An approver answers for the calls like one that waits.

use tollgate_ledger::{ApprovalRow, Payload};
use tollgate_model::{
    canonical,
    ids::StandingId,
    record::{Event, StandingGranted},
    request::Action,
    standing::ArgumentPattern,
    time::Timestamp,
};

use super::{
    super::{ApprovalError, responder::Responder, subject::Subject},
    StandingRequest,
};
use crate::{
    enforce::{Pep, Ruleset, UnrecordedDecision},
    text::printable,
    tool::Tool,
};

/// A standing approval that is decided and not recorded yet.
pub(in super::super) struct StandingDraft {
    judged: UnrecordedDecision,
    granted: StandingGranted,
    payload: Payload,
}

impl StandingDraft {
    pub(in super::super) fn id(&self) -> StandingId {
        self.granted.id
    }

    /// Whether its approver may give it.
    pub(in super::super) fn judged(&self) -> &UnrecordedDecision {
        &self.judged
    }

    pub(in super::super) fn into_parts(self) -> (Event, Payload) {
        (Event::StandingGranted(Box::new(self.granted)), self.payload)
    }
}

fn refused<T>(problem: impl Into<String>) -> Result<T, ApprovalError> {
    Err(ApprovalError::NotStanding(problem.into()))
}

impl Pep {
    /// A standing approval by a person who may approve the waiting call itself. It counts from `since`, the time of
    /// its record.
    pub(in super::super) fn standing_draft(
        &self,
        by: Responder<'_>,
        row: &ApprovalRow,
        request: &StandingRequest,
        since: Timestamp,
    ) -> Result<StandingDraft, ApprovalError> {
        let Responder {
            ruleset,
            user,
            response,
            ..
        } = by;
        check_limits(ruleset, request)?;
        if row.capability.is_some() || !row.waiting.is_empty() {
            return refused(
                "an effect inside a call is approved once; a standing approval is for calls",
            );
        }
        if row.edited.is_some() {
            return refused("its arguments were edited, so the agent's calls are not like it");
        }
        let Some(tool) = ruleset.callable(&row.tool) else {
            return refused(format!("{} is not loaded any more", row.tool));
        };
        let pattern = self.pattern(row, tool, request)?;
        let terms = request.terms();
        let subject = Subject::waiting(row, response.channel).with_terms(terms);
        let (asked, entities) = subject.request(ruleset, user, Action::ApproveStanding);
        let judged = self.judge(ruleset, asked, entities);
        let now = judged.facts.now;
        let payload = self.seal(ruleset, now, &pattern, "pattern")?;
        let roles = ruleset.config.users.get(&user.id);
        let id = self.ids.standing();
        let granted = StandingGranted {
            approval: row.id,
            by: user.clone(),
            channel: response.channel.into(),
            component: row.component,
            expires: since.plus(terms.lifetime),
            id,
            makers: row.makers.clone(),
            max_uses: terms.uses,
            note: response.note.map(|note| printable(note, 1000)),
            on_behalf_of: row.on_behalf_of.clone(),
            pattern: payload.digest,
            principal: row.principal.clone(),
            requirement: row.requirement.clone(),
            roles: roles.map(|user| user.roles.clone()).unwrap_or_default(),
            scope: terms.scope,
            speaker: row.speaker.as_ref().map(|speaker| speaker.by.clone()),
            token_makers: response.token_makers.clone(),
            tool: row.tool.clone(),
            via: row.via.clone(),
        };
        Ok(StandingDraft {
            judged,
            granted,
            payload,
        })
    }

    fn pattern(
        &self,
        row: &ApprovalRow,
        tool: &Tool,
        request: &StandingRequest,
    ) -> Result<ArgumentPattern, ApprovalError> {
        let arguments = self.sealed_arguments(row)?;
        let arguments =
            canonical::parse(&arguments).map_err(|e| ApprovalError::Store(e.to_string()))?;
        let roles = &tool.provenance.roles;
        let pattern = ArgumentPattern::of(&arguments, request.arguments.clone(), roles);
        let pattern = pattern
            .map_err(|error| ApprovalError::NotStanding(printable(&error.to_string(), 500)))?;
        if pattern.admits(&arguments) {
            Ok(pattern)
        } else {
            refused("the call that waits is not among those that it would cover")
        }
    }
}

fn check_limits(ruleset: &Ruleset, request: &StandingRequest) -> Result<(), ApprovalError> {
    let Some(limits) = &ruleset.config.approvals.standing else {
        return refused(
            "there are none here; an operator sets [approvals.standing] max_lifetime in tollgate.toml",
        );
    };
    if request.uses == 0 || request.uses > limits.uses {
        return refused(format!("it may allow 1 to {} calls", limits.uses));
    }
    if request.lifetime.is_zero() || request.lifetime > limits.lifetime {
        let most = limits.lifetime.as_secs();
        return refused(format!("it may count for at most {most} seconds"));
    }
    Ok(())
}
