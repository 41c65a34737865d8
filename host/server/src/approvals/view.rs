//! Approvals as notifications and channels show them.

use tollgate::{enforce::ApprovalError, gate::Gate};
use tollgate_ledger::LedgerError;
use tollgate_model::{ids::ApprovalId, life::ApprovalState};

use crate::reply::{self, ApprovalView, QuestionCallView};

/// An approval as notifications show it: without arguments.
pub(super) fn view_of(gate: &Gate, id: ApprovalId) -> Result<Option<ApprovalView>, LedgerError> {
    let reader = gate.ledger().reader();
    let tenant = &gate.ruleset().config.gate.tenant;
    let row = reader.approval(id)?.filter(|row| row.tenant == *tenant);
    let Some(row) = row else { return Ok(None) };
    let decision = reader.requesting_decision(&row)?;
    let mut view = ApprovalView::from(row);
    view.provenance = decision.and_then(|(_, decision)| decision.provenance);
    reply::explain(gate, &mut view.policies);
    Ok(Some(view))
}

/// The most calls that one message lists, and that are answered as one question there.
const MAX_CALLS: usize = 20;

/// As [`view_of`], with the other calls of its question while it is pending.
pub(super) fn question_of(
    gate: &Gate,
    id: ApprovalId,
) -> Result<Option<ApprovalView>, ApprovalError> {
    let Some(mut view) = view_of(gate, id)? else {
        return Ok(None);
    };
    if view.state != ApprovalState::Pending || view.elicitation.is_some() {
        return Ok(Some(view));
    }
    let (calls, digest) = gate.question(id)?;
    // One that has just expired is no longer among them.
    let is_whole = calls.iter().any(|call| call.id == id) && calls.len() <= MAX_CALLS;
    if !is_whole || calls.len() < 2 {
        return Ok(Some(view));
    }
    let reader = gate.ledger().reader();
    for call in calls.into_iter().filter(|call| call.id != id) {
        let decision = reader.requesting_decision(&call)?;
        let mut other = QuestionCallView::from(call);
        other.provenance = decision.and_then(|(_, decision)| decision.provenance);
        view.others.push(other);
    }
    view.question_digest = Some(digest.to_string());
    Ok(Some(view))
}
