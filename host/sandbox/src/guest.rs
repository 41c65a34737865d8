//! A store with its instance, for one call: what it holds, how it is metered, how it ends.
//!
//! Nothing of one call is left for the next. However the guest ends, including by a fault of the host,
//! there is an [`Execution`] that says so.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, sync::watch};
use tollgate_model::record::Status;
use wasmtime::{
    AsContextMut as _, CallHook, Store, StoreContextMut, Trap, UpdateDeadline, component::Instance,
};
use wasmtime_wasi::I32Exit;

use super::{
    Component, Execution, FailureKind, Limits, LoadedComponent, ToolFailure,
    background::Pace,
    bindings::{Adapter, Tool, ToolError},
    component::Exports,
    content::{self, Bounded},
    engine::Place,
    limits::{Exceeded, Meter, Operations, Stopwatch},
    race::{Raced, race},
    wasi::Wasi,
};
use crate::{
    enforce::{Capabilities, RemainingBudget},
    text::printable,
};

/// Bytes of what is said about a tool that ended itself.
const MAX_EXIT: u64 = 100;
/// Bytes of the cause that operators are told.
const MAX_CAUSE: usize = 2 << 10;

/// What the store holds.
pub(super) struct State {
    meter: Meter,
    stopwatch: Arc<Stopwatch>,
    host: Option<Host>,
    /// What may still be asked of the host.
    operations: Operations,
    /// Made when it is first needed, which most components never do.
    wasi: Option<Box<Wasi>>,
    /// When the call began.
    begun: Instant,
    /// From beginning to end, and in the guest itself.
    wall: Duration,
    cpu: Duration,
}

/// What a guest may ask of, during a call.
#[derive(Clone)]
pub(super) struct Host {
    pub(super) capabilities: Arc<Capabilities>,
    pub(super) component: Arc<LoadedComponent>,
    /// Where the call came from, and where all that it asks for is done.
    pub(super) runtime: Handle,
}

impl State {
    /// Absent while tools are listed: then everything is refused.
    pub(super) fn host(&self) -> Option<&Host> {
        self.host.as_ref()
    }

    /// What it has of a system, and who is to be told what it writes there.
    pub(super) fn wasi(&mut self) -> (&mut Option<Box<Wasi>>, Option<&Host>) {
        (&mut self.wasi, self.host.as_ref())
    }

    /// The time since the call began.
    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// What is left of time, with this much fuel, while the guest waits for its host.
    pub(super) fn left(&self, fuel: u64) -> RemainingBudget {
        RemainingBudget {
            wall: self.wall.saturating_sub(self.elapsed()),
            cpu: self.cpu.saturating_sub(self.stopwatch.used()),
            fuel,
        }
    }

    /// Take from the guest's time what others used on its behalf.
    pub(super) fn charge(&self, cpu: Duration) {
        self.stopwatch.charge(cpu);
    }

    /// When whatever the guest waits for must be over, so that it can still say that it was too slow.
    pub(super) fn ends(&self) -> Instant {
        let left = self.wall.saturating_sub(self.elapsed());
        Instant::now() + left.saturating_sub((left / 10).min(Duration::from_secs(1)))
    }

    /// What may still be asked of the host, for what it does while the guest goes on.
    pub(super) fn operations(&self) -> Operations {
        self.operations.clone()
    }

    /// Count something that is asked of the host. False if there was too much.
    pub(super) fn count_operation(&mut self) -> bool {
        self.operations.take()
    }
}

/// An instance, by how it is called.
enum Made {
    Adapter(Adapter),
    Functions(Instance),
}

/// A store, and an instance once there is one.
pub(super) struct Guest {
    component: Component,
    limits: Limits,
    store: Store<State>,
    made: Option<Made>,
    /// Why there is no instance.
    failure: Option<wasmtime::Error>,
    pace: Pace,
    /// Given back last, when the store is gone.
    _place: Place,
}

impl Guest {
    /// `taken_in` is how many bytes the guest may pass to the host at once, returning or calling.
    pub(super) fn new(
        component: &Component,
        limits: Limits,
        taken_in: u64,
        host: Option<Host>,
        place: Place,
    ) -> Self {
        let stopwatch = Arc::new(Stopwatch::new());
        let state = State {
            meter: Meter::new(&limits, component.size().room()),
            stopwatch: Arc::clone(&stopwatch),
            host,
            operations: Operations::new(limits.operations),
            wasi: None,
            begun: Instant::now(),
            wall: limits.wall,
            cpu: limits.cpu,
        };
        let mut store = Store::new(&component.0.pool.engine, state);
        store.set_hostcall_fuel(usize::try_from(taken_in).unwrap_or(usize::MAX));
        store.limiter(|state| &mut state.meter);
        store.call_hook(|store, transition| {
            let stopwatch = &store.data().stopwatch;
            match transition {
                CallHook::CallingWasm | CallHook::ReturningFromHost => stopwatch.start(),
                CallHook::ReturningFromWasm | CallHook::CallingHost => stopwatch.stop(),
            }
            Ok(())
        });
        let (cpu, pace) = (limits.cpu, Pace::new(&component.0.history));
        let mut watch = pace.clone().watch();
        store.epoch_deadline_callback(move |store| {
            let left = store.data().operations.left();
            give_way(&stopwatch, cpu, |used| watch(used, left))
        });
        // Fuel is on, so it can be set; if it could not, the guest would have none and end at once.
        let _ = store.set_fuel(limits.fuel);
        Self {
            component: component.clone(),
            limits,
            store,
            made: None,
            failure: None,
            pace,
            _place: place,
        }
    }

    /// How long it computes.
    pub(super) fn pace(&self) -> Pace {
        self.pace.clone()
    }

    pub(super) async fn instantiate(&mut self) {
        self.store.set_epoch_deadline(1);
        let store = &mut self.store;
        let made = match &self.component.0.exports {
            Exports::Adapter(pre) => pre.instantiate_async(store).await.map(Made::Adapter),
            Exports::Functions(pre, _) => pre.instantiate_async(store).await.map(Made::Functions),
        };
        match made {
            Ok(made) => self.made = Some(made),
            Err(error) => self.failure = Some(error),
        }
    }

    /// The instance, made if it is not yet.
    async fn instance(&mut self) -> wasmtime::Result<(&Made, StoreContextMut<'_, State>)> {
        if self.made.is_none() && self.failure.is_none() {
            self.instantiate().await;
        }
        self.store.set_epoch_deadline(1);
        match (&self.made, self.failure.take()) {
            (Some(made), None) => Ok((made, self.store.as_context_mut())),
            (_, Some(error)) => Err(error),
            (None, None) => Err(wasmtime::Error::msg("there is no instance")),
        }
    }

    /// The tools that the component lists, or why it does not.
    pub(super) async fn list_tools(mut self) -> Result<Vec<Tool>, String> {
        let wall = self.limits.wall;
        let (_never, halted) = watch::channel(false);
        let listing = async {
            let (made, store) = self.instance().await?;
            match made {
                Made::Adapter(adapter) => {
                    let tools = adapter.tollgate_adapter_tools();
                    tools.call_list_tools(store).await
                }
                Made::Functions(_) => Err(wasmtime::Error::msg("it has no list of its own")),
            }
        };
        match race(listing, wall, halted).await {
            Raced::Returned(Ok(tools)) => Ok(tools),
            Raced::Returned(Err(error)) => {
                let (status, cause) = status_of(&error);
                let first = cause.lines().next().unwrap_or_default();
                Err(format!("{} ({first})", ended_message(status)))
            }
            Raced::Timeout | Raced::Halted => Err(ended_message(Status::Timeout).into()),
            Raced::Panicked => Err("The host failed.".into()),
        }
    }

    /// Call a tool of the component and say how it ended.
    pub(super) async fn call(
        mut self,
        tool: &str,
        arguments: &str,
        halted: watch::Receiver<bool>,
    ) -> Execution {
        let wall = self.limits.wall;
        self.store.data_mut().begun = Instant::now();
        let arguments = arguments.to_owned();
        let component = self.component.clone();
        let call = async {
            let (made, mut store) = self.instance().await?;
            let returned = match (made, &component.0.exports) {
                (Made::Functions(instance), Exports::Functions(_, functions)) => {
                    let store = store.as_context_mut();
                    functions.call(*instance, store, tool, &arguments).await?
                }
                (Made::Adapter(adapter), _) => {
                    let tools = adapter.tollgate_adapter_tools();
                    let store = store.as_context_mut();
                    tools.call_call_tool(store, tool, &arguments).await?
                }
                (Made::Functions(_), Exports::Adapter(_)) => {
                    let cause = "the instance is of another component";
                    return Err(wasmtime::Error::msg(cause));
                }
            };
            // A result does not leave before what the guest wrote is stored.
            let stored = store.data_mut().finish_files().await;
            Ok(match (returned, stored) {
                (Ok(_), Err(lost)) => Err(ToolError::Failed(lost)),
                (returned, _) => returned,
            })
        };
        match race(call, wall, halted).await {
            Raced::Returned(Ok(Ok(parts))) => {
                let bounded = content::bounded(parts, self.limits.output);
                let usable = bounded.content.is_ok();
                let status = if usable {
                    Status::Ok
                } else {
                    Status::ToolError
                };
                self.execution(status, bounded, None)
            }
            Raced::Returned(Ok(Err(error))) => {
                self.execution(Status::ToolError, failure(error, self.limits.output), None)
            }
            Raced::Returned(Err(error)) => match error.downcast_ref::<I32Exit>() {
                Some(I32Exit(code)) => {
                    let message = format!("The tool ended itself with exit code {code}.");
                    let bounded = content::bounded_failure(FailureKind::Failed, message, MAX_EXIT);
                    self.execution(Status::ToolError, bounded, None)
                }
                None => {
                    let (status, cause) = status_of(&error);
                    self.ended(status, Some(cause))
                }
            },
            Raced::Timeout => self.ended(Status::Timeout, Some("its time was up".into())),
            Raced::Halted => self.ended(Status::Halted, None),
            Raced::Panicked => self.ended(Status::Trap, Some("the host failed".into())),
        }
    }

    /// It was ended without a result.
    pub(super) fn ended(&self, status: Status, cause: Option<String>) -> Execution {
        self.execution(status, no_result(status), cause)
    }

    fn execution(&self, status: Status, bounded: Bounded, cause: Option<String>) -> Execution {
        let left = self.store.get_fuel().unwrap_or(0);
        Execution {
            status,
            content: bounded.content,
            cut: bounded.cut,
            cpu: self.store.data().stopwatch.used(),
            fuel: self.limits.fuel.saturating_sub(left),
            effects: 0,
            peak_memory: self.store.data().meter.peak(),
            size: bounded.size,
            cause,
        }
    }
}

/// Called once a tick while the guest runs: end it if its time is used up, else let others have the
/// thread for a moment, which does not count.
fn give_way(
    stopwatch: &Arc<Stopwatch>,
    cpu: Duration,
    watch: impl FnOnce(Duration),
) -> wasmtime::Result<UpdateDeadline> {
    stopwatch.stop();
    let used = stopwatch.used();
    if used >= cpu {
        return Err(Exceeded::Time.into());
    }
    watch(used);
    let resumed = Arc::clone(stopwatch);
    let others = Box::pin(async move {
        tokio::task::yield_now().await;
        resumed.start();
    });
    Ok(UpdateDeadline::YieldCustom(1, others))
}

fn failure(error: ToolError, max: u64) -> Bounded {
    let (kind, message) = match error {
        ToolError::UnknownTool => (
            FailureKind::UnknownTool,
            "The component has no such tool.".into(),
        ),
        ToolError::InvalidArguments(message) => (FailureKind::InvalidArguments, message),
        ToolError::Failed(message) => (FailureKind::Failed, message),
        ToolError::Denied(message) => (FailureKind::Denied, message),
    };
    content::bounded_failure(kind, message, max)
}

pub(super) fn no_result(status: Status) -> Bounded {
    let message = ended_message(status).into();
    let failure = ToolFailure {
        kind: FailureKind::Ended,
        message,
    };
    Bounded {
        content: Err(failure),
        size: 0,
        cut: false,
    }
}

/// How a guest ended, and why in words for operators.
fn status_of(error: &wasmtime::Error) -> (Status, String) {
    let status = match (
        error.downcast_ref::<Exceeded>(),
        error.downcast_ref::<Trap>(),
    ) {
        (Some(Exceeded::Memory), _) => Status::Memory,
        (Some(Exceeded::Time), _) | (_, Some(Trap::Interrupt)) => Status::Timeout,
        (_, Some(Trap::OutOfFuel)) => Status::Fuel,
        _ => Status::Trap,
    };
    // The cause first: the frames above it may be cut.
    (
        status,
        printable(&format!("{}\n{error}", error.root_cause()), MAX_CAUSE),
    )
}

/// What the agent is told about a call that the sandbox ended.
fn ended_message(status: Status) -> &'static str {
    match status {
        Status::Timeout => "The tool ran out of time.",
        Status::Fuel => "The tool used up its computing budget.",
        Status::Memory => "The tool asked for more memory than it may have.",
        Status::Halted => "An operator halted the tool.",
        Status::Trap | Status::Ok | Status::ToolError | Status::Pending | Status::Indeterminate => {
            "The tool crashed."
        }
    }
}
