//! Approvals as notifications and channels show them.

use tollgate::gate::Gate;
use tollgate_ledger::LedgerError;
use tollgate_model::ids::ApprovalId;

use crate::reply::{self, ApprovalView};

/// An approval as notifications show it: without arguments.
pub(super) fn view_of(gate: &Gate, id: ApprovalId) -> Result<Option<ApprovalView>, LedgerError> {
    let reader = gate.ledger().reader();
    let tenant = &gate.ruleset().config.gate.tenant;
    let row = reader.approval(id)?.filter(|row| row.tenant == *tenant);
    let Some(row) = row else { return Ok(None) };
    let decision = reader.requesting_decision(&row)?;
    let mut view = ApprovalView::from(row);
    view.provenance = decision.and_then(|decision| decision.provenance);
    reply::explain(gate, &mut view.policies);
    Ok(Some(view))
}
