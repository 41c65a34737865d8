//! Usage of principals, and why runs were refused.

use tollgate_model::{
    decision::Outcome,
    ids::RunId,
    life::ApprovalState,
    record::{Event, RunOutcome},
};

use super::LedgerReader;
use crate::{LedgerError, Window, WindowUsage, usage_window::used};

/// Why the last call of a run was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LastRefusal {
    /// This budget was used up.
    Budget(String),
    /// A policy or a person refused it.
    Denied,
}

impl LastRefusal {
    /// The outcome of a run that did not continue after this, and the reason in a few words.
    #[must_use]
    pub fn ended(&self) -> (RunOutcome, String) {
        match self {
            Self::Budget(budget) => (
                RunOutcome::BudgetExhausted,
                format!("the budget of {budget} was used up"),
            ),
            Self::Denied => (RunOutcome::Denied, "its last call was denied".to_owned()),
        }
    }
}

impl LedgerReader {
    /// Why a run's last call was refused, if it was.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn last_refusal(&self, run: RunId) -> Result<Option<LastRefusal>, LedgerError> {
        let records = self.records_of_run(run)?;
        let last = records
            .iter()
            .rev()
            .find_map(|(_, record)| match &record.event {
                Event::Decision(decided) if decided.action.is_call() => {
                    Some(match (decided.outcome, decided.exhausted()) {
                        (_, Some(budget)) => Some(LastRefusal::Budget(budget.to_owned())),
                        (Outcome::Deny, None) => Some(LastRefusal::Denied),
                        (Outcome::Allow | Outcome::Escalate | Outcome::Error, None) => None,
                    })
                }
                Event::ApprovalResolved(resolved) if resolved.state == ApprovalState::Rejected => {
                    Some(Some(LastRefusal::Denied))
                }
                Event::BundleActivated(_)
                | Event::RunStarted(_)
                | Event::RunEnded(_)
                | Event::CallInvalid(_)
                | Event::Decision(_)
                | Event::Start(_)
                | Event::Outcome(_)
                | Event::Effect(_)
                | Event::ComponentLog(_)
                | Event::LabelsJoined(_)
                | Event::ApprovalRequested(_)
                | Event::ApprovalAnswered(_)
                | Event::ApprovalResolved(_)
                | Event::ApprovalEscalated(_)
                | Event::ApprovalLinkIssued(_)
                | Event::ApprovalLinkRevoked(_)
                | Event::ApprovalAnswerRefused(_)
                | Event::StandingGranted(_)
                | Event::StandingEnded(_)
                | Event::Halted(_)
                | Event::Resumed(_)
                | Event::Administered(_) => None,
            });
        Ok(last.flatten())
    }

    /// The usage in a window.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn used(&self, window: &Window) -> Result<WindowUsage, LedgerError> {
        self.with(|conn| used(conn, window))
    }
}
