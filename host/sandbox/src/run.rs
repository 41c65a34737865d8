//! One call: a fresh instance, the permitted arguments, an outcome.
//!
//! Nothing of a guest is run without a [`Permit`] call, except to list its tools, when it can reach
//! nothing.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{runtime::Handle, sync::watch};
use tollgate_model::{
    canonical::Sha256Digest,
    record::Status,
    tool::{Execution, Limits, Size},
};

use crate::{
    Component, LoadedComponent, Sandbox,
    bindings::Tool,
    component::Exports,
    deadline::halt,
    guest::{Guest, Host},
    port::{HostPolicy, Permit},
};

/// Bytes of all that a component says about its tools.
const MAX_LISTING: u64 = 4 << 20;

/// A call of a tool: exactly what was decided and recorded.
#[derive(Debug)]
pub struct Invocation {
    /// The component that runs it.
    pub component: Arc<LoadedComponent>,
    /// The component's file that the call was decided for.
    pub digest: Sha256Digest,
    /// The tool's name within its component.
    pub tool: String,
    /// The arguments in canonical JSON (RFC 8785).
    pub arguments: String,
}

/// An instance that waits for its permit. Nothing of the guest has run.
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
    /// Make an instance for one call, as soon as there is a place for it. Dropping the future gives up
    /// the place. Runs nothing of the guest: where instantiating would, that is left to
    /// [`PreparedInstance::run`].
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
            component: Arc::clone(&component),
            runtime: Handle::current(),
        };
        let max_transfer = max_transfer_bytes(compiled, limits);
        let mut guest = Guest::new(compiled, limits.clone(), max_transfer, Some(host), slot);
        if compiled.instantiation_is_pure() {
            guest.instantiate().await;
        }
        PreparedInstance { component, guest }
    }

    /// Prepare and run in one step. A halt ends the wait for a place, too, and so does the end of the time
    /// that the call has.
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
    /// Run the permitted call: exactly the arguments that were decided on. Ends early once `halted` is
    /// true.
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

/// How many bytes a guest may pass to the host at once.
pub(crate) fn max_transfer_bytes(component: &Component, limits: &Limits) -> u64 {
    match component.0.exports {
        // What an adapter returns is counted whole, and files are refused by their size: so it may pass
        // as much as its memory holds. What it passes when it calls is looked at in place.
        Exports::Adapter(_) => Size::Standard.max_memory(),
        // Values of types that are known only now take up to 32 times their bytes in JSON, and what is
        // larger than the output would be left out anyway.
        Exports::Functions(..) => limits
            .output
            .saturating_mul(32)
            .clamp(1 << 20, Size::Standard.max_memory()),
    }
}

/// The tools that a component lists, or why it does not.
pub(crate) async fn list_tools(component: &Component) -> Result<Vec<Tool>, String> {
    // A list is a constant: what needs more than this does something else.
    let limits = Limits {
        fuel: 1_000_000_000,
        wall: Duration::from_secs(10),
        cpu: Duration::from_secs(1),
        operations: 0,
        ..Limits::of(component.size())
    };
    let slot = component.0.pool.admit_reserved().await;
    Guest::new(component, limits, MAX_LISTING, None, slot)
        .list_tools()
        .await
}
