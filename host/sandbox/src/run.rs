//! One call: a fresh instance, the permitted arguments, an outcome.
//!
//! A guest runs only with a [`Permit`] for the call, except to list its tools, when it can reach nothing.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{runtime::Handle, sync::watch};
use tollgate_model::{
    canonical::Sha256Digest,
    record::Status,
    tool::{Execution, Limits, Size},
};

use crate::{
    Component, LoadedComponent, Sandbox, SandboxError, ToolList, call::Host,
    capability::HostPolicy, component::Exports, deadline::halt, definitions, guest::Guest,
    port::Permit,
};

/// The most bytes of a component's tool list.
const MAX_LISTING: u64 = 4 << 20;

/// A call of a tool: exactly what was decided and recorded.
#[derive(Debug)]
pub struct Invocation {
    /// The component that executes it.
    pub component: Arc<LoadedComponent>,
    /// The component's file that the call was decided for.
    pub digest: Sha256Digest,
    /// The tool's name within its component.
    pub tool: String,
    /// The arguments in canonical JSON (RFC 8785).
    pub arguments: String,
}

/// An instance that waits for its permit. No code of the guest has run.
pub struct PreparedInstance {
    component: Arc<LoadedComponent>,
    guest: Guest,
}

impl fmt::Debug for PreparedInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("component", &self.component.name)
            .finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Creates an instance for one call, as soon as there is a slot for it. Dropping the future releases
    /// the slot. No code of the guest runs: if instantiation would run code, [`PreparedInstance::run`] does
    /// it.
    pub async fn prepare(
        &self,
        component: &Arc<LoadedComponent>,
        limits: &Limits,
        policy: Arc<dyn HostPolicy>,
    ) -> PreparedInstance {
        let compiled = &component.compiled;
        let slot = match policy.is_nested() {
            true => compiled.0.pool.admit_nested().await,
            false => compiled.0.pool.admit().await,
        };
        let component = Arc::clone(component);
        let host = Host {
            policy,
            resources: Arc::clone(&component.resources),
            runtime: Handle::current(),
        };
        let max_transfer = max_transfer_bytes(compiled, limits);
        let mut guest = Guest::new(compiled, limits.clone(), max_transfer, Some(host), slot);
        if compiled.instantiation_is_pure() {
            guest.instantiate().await;
        }
        PreparedInstance { component, guest }
    }

    /// Prepares and runs in one step. A halt and the end of the call's time also end the wait for a slot.
    pub async fn run(
        &self,
        permitted: Permit<Invocation>,
        policy: Arc<dyn HostPolicy>,
        limits: &Limits,
        halted: watch::Receiver<bool>,
    ) -> Execution {
        let component = Arc::clone(&permitted.act().component);
        let prepared = tokio::select! {
            biased;
            () = halt(halted.clone()) => return Execution::halted(),
            prepared = tokio::time::timeout(limits.wall, self.prepare(&component, limits, policy)) => prepared,
        };
        let Ok(prepared) = prepared else {
            let cause = "as many calls as may run at once were running all the time".to_owned();
            return Execution::ended(Status::Timeout, 0, Some(cause));
        };
        let profile = prepared.guest.profile();
        let ran = self
            .low_priority
            .run(prepared.run(permitted, halted), profile);
        ran.await.unwrap_or_else(|| {
            let cause = "the host failed".to_owned();
            Execution::ended(Status::Trap, 0, Some(cause))
        })
    }
}

impl PreparedInstance {
    /// Runs the permitted call with exactly the decided arguments. Stops early once `halted` is true.
    pub async fn run(
        self,
        permitted: Permit<Invocation>,
        halted: watch::Receiver<bool>,
    ) -> Execution {
        let call = permitted.into_act();
        if !Arc::ptr_eq(&self.component, &call.component) || call.digest != self.component.digest {
            let cause = "the permit is for another component".to_owned();
            return self.guest.ended(Status::Trap, Some(cause));
        }
        self.guest.call(&call.tool, &call.arguments, halted).await
    }
}

/// The most bytes that a guest may pass to the host at once.
pub(crate) fn max_transfer_bytes(component: &Component, limits: &Limits) -> u64 {
    match component.0.exports {
        // An adapter's result is counted as a whole, and files are refused by their size, so it may pass as
        // much as its memory holds. Its arguments are checked in place.
        Exports::Adapter(_) => Size::Standard.max_memory(),
        // Values of dynamic types take up to 32 times their JSON size, and content larger than the output
        // limit would be dropped anyway.
        Exports::Functions(..) => limits
            .output
            .saturating_mul(32)
            .clamp(1 << 20, Size::Standard.max_memory()),
    }
}

impl Sandbox {
    /// The tools of a component: derived from its types, or listed by a fresh instance that can reach
    /// nothing.
    ///
    /// # Errors
    /// [`SandboxError`] if it does not answer, or lists too many.
    pub async fn list_tools(&self, component: &Component) -> Result<ToolList, SandboxError> {
        if let Exports::Functions(_, functions) = &component.0.exports {
            return Ok(ToolList {
                tools: functions.tools.clone(),
                left_out: Vec::new(),
            });
        }
        // A list is a constant: a guest that needs more than this does something else.
        let limits = Limits {
            fuel: 1_000_000_000,
            wall: Duration::from_secs(10),
            cpu: Duration::from_secs(1),
            operations: 0,
            ..Limits::of(component.size())
        };
        let slot = component.0.pool.admit_reserved().await;
        let tools = Guest::new(component, limits, MAX_LISTING, None, slot)
            .list_tools()
            .await
            .map_err(|reason| SandboxError::ListTools { reason })?;
        definitions::checked(tools)
    }
}
