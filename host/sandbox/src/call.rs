//! One call, as the host functions of the capabilities see it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::runtime::Handle;
use tollgate_model::tool::Limits;

use crate::{
    meter::{Operations, Stopwatch},
    port::{CallPort, RemainingBudget},
    resources::Resources,
};

/// The data of a guest's store. A capability names what it needs of the gate as a bound of
/// [`Policy`](Self::Policy).
pub(crate) trait GuestState: Send + 'static {
    /// The gate's side of the call.
    type Policy: CallPort + ?Sized;

    /// The call.
    fn call(&self) -> &Call<Self::Policy>;

    /// The call, to count what it requests.
    fn call_mut(&mut self) -> &mut Call<Self::Policy>;
}

/// What a guest can reach during a call.
pub(crate) struct Host<P: ?Sized> {
    pub(crate) policy: Arc<P>,
    /// What the operator gave the component.
    pub(crate) resources: Arc<Resources>,
    /// The origin of the call, where everything that it requests is decided.
    pub(crate) runtime: Handle,
}

impl<P: ?Sized> Clone for Host<P> {
    fn clone(&self) -> Self {
        Self {
            policy: Arc::clone(&self.policy),
            resources: Arc::clone(&self.resources),
            runtime: self.runtime.clone(),
        }
    }
}

/// The state of one call: its host, and what is left of its limits.
pub(crate) struct Call<P: ?Sized> {
    host: Option<Host<P>>,
    /// Remaining operations that the guest may request.
    operations: Operations,
    stopwatch: Arc<Stopwatch>,
    /// When the call began.
    begun: Instant,
    /// Limits for the whole call, and for the guest itself.
    wall: Duration,
    cpu: Duration,
}

impl<P: ?Sized> Call<P> {
    pub(crate) fn new(limits: &Limits, host: Option<Host<P>>) -> Self {
        Self {
            host,
            operations: Operations::new(limits.operations),
            stopwatch: Arc::new(Stopwatch::new()),
            begun: Instant::now(),
            wall: limits.wall,
            cpu: limits.cpu,
        }
    }

    /// Counts its time from now on.
    pub(crate) fn begin(&mut self) {
        self.begun = Instant::now();
    }

    /// Absent while tools are listed: then every request is refused.
    pub(crate) fn host(&self) -> Option<&Host<P>> {
        self.host.as_ref()
    }

    /// The guest's computing time.
    pub(crate) fn stopwatch(&self) -> &Arc<Stopwatch> {
        &self.stopwatch
    }

    /// The time since the call began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The remaining time and this much fuel, while the guest waits for its host.
    pub(crate) fn remaining_budget(&self, fuel: u64) -> RemainingBudget {
        RemainingBudget {
            wall: self.wall.saturating_sub(self.elapsed()),
            cpu: self.cpu.saturating_sub(self.stopwatch.used()),
            fuel,
        }
    }

    /// Subtracts what nested calls used from the guest's limits.
    pub(crate) fn charge(&self, cpu: Duration) {
        self.stopwatch.charge(cpu);
    }

    /// The deadline of an operation, early enough that the guest can still report a timeout.
    pub(crate) fn operation_deadline(&self) -> Instant {
        let left = self.wall.saturating_sub(self.elapsed());
        Instant::now() + left.saturating_sub((left / 10).min(Duration::from_secs(1)))
    }

    /// Remaining operations, for work that continues in the background.
    pub(crate) fn operations(&self) -> Operations {
        self.operations.clone()
    }

    /// How many of them are left.
    pub(crate) fn operations_left(&self) -> u64 {
        self.operations.left()
    }

    /// Counts an operation. False if there were too many.
    pub(crate) fn take_operation(&mut self) -> bool {
        self.operations.take()
    }
}
