//! Which calls are taken: as many at once, and as often, as one principal may.

use http::StatusCode;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tollgate::identity::Caller;

use super::{MAX_CALLS, Server};
use crate::{
    auth::{RateExceeded, concurrency::ConcurrencyPermit},
    problem::{LEAVING, Problem},
};

/// A call that was taken, until it is answered.
pub(crate) struct AcceptedCall {
    _answered: TaskTrackerToken,
    _entered: ConcurrencyPermit,
}

/// Why a call is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdmissionError {
    #[error("the gate is about to stop. Nothing was done; try again soon")]
    Leaving,
    #[error("{0}. Nothing was done")]
    Busy(#[from] RateExceeded),
    #[error(
        "{MAX_CALLS} calls of yours are in flight. Nothing was done; wait until some have ended"
    )]
    TooMany,
}

impl From<AdmissionError> for Problem {
    fn from(error: AdmissionError) -> Self {
        let detail = error.to_string();
        match error {
            AdmissionError::Busy(busy) => busy.into(),
            AdmissionError::TooMany => Self::too_many_requests(detail, 1),
            AdmissionError::Leaving => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, LEAVING, detail).retry_after(10)
            }
        }
    }
}

impl Server {
    /// Take a call of `caller`, through any surface.
    ///
    /// # Errors
    /// [`AdmissionError`]: nothing was recorded.
    pub(crate) fn take(&self, caller: &Caller) -> Result<AcceptedCall, AdmissionError> {
        self.accept(caller, || self.0.rate.count(&self.0.gate, caller))
    }

    /// As [`Server::take`], for the owner of the store, whose requests are not counted.
    ///
    /// # Errors
    /// [`AdmissionError`]: nothing was recorded.
    pub(crate) fn take_of_owner(&self, caller: &Caller) -> Result<AcceptedCall, AdmissionError> {
        self.accept(caller, || Ok(()))
    }

    fn accept(
        &self,
        caller: &Caller,
        count: impl FnOnce() -> Result<(), RateExceeded>,
    ) -> Result<AcceptedCall, AdmissionError> {
        // Counted before the check whether the server leaves: a drain waits for this one.
        let answered = self.0.requests.token();
        if self.0.leaving.is_cancelled() {
            return Err(AdmissionError::Leaving);
        }
        count()?;
        let entered = self.0.calls.enter(caller).ok_or(AdmissionError::TooMany)?;
        Ok(AcceptedCall {
            _answered: answered,
            _entered: entered,
        })
    }
}
