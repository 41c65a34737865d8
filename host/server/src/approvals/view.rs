//! Approvals as notifications and channels show them.

use tollgate::gate::Gate;
use tollgate_ledger::LedgerError;
use tollgate_model::ids::ApprovalId;

use crate::reply::{self, ApprovalView};

/// An approval as notifications show it: without arguments.
pub(super) fn view_of(gate: &Gate, id: ApprovalId) -> Result<Option<ApprovalView>, LedgerError> {
    let row = gate.ledger().reader().approval(id)?;
    let tenant = &gate.ruleset().config.gate.tenant;
    let row = row.filter(|row| row.tenant == *tenant);
    Ok(row.map(|row| {
        let mut view = ApprovalView::from(row);
        reply::explain(gate, &mut view.policies);
        view
    }))
}
