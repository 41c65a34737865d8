//! A store with its instance, for one call: what it holds, how it is metered, how it ends.
//!
//! Nothing of one call is left for the next. However the guest ends, including by a fault of the host,
//! there is an [`Execution`] that says so.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;
use tollgate_core::record::Status;
use wasmtime::{AsContextMut as _, CallHook, Store, StoreContextMut, Trap, UpdateDeadline};

use super::{
    Component, Execution, FailureKind, Limits, ToolFailure,
    bindings::{Adapter, Tool, ToolError},
    content::{self, Bounded},
    engine::Place,
    limits::{Exceeded, Meter, Stopwatch},
    race::{Raced, race},
};
use crate::{enforce::Capabilities, snapshot::LoadedComponent, text::printable};

/// Bytes of the cause that operators are told.
const MAX_CAUSE: usize = 2 << 10;

/// What the store holds.
pub(super) struct State {
    meter: Meter,
    stopwatch: Arc<Stopwatch>,
    host: Option<Host>,
    /// Operations that may still be asked for.
    operations: u64,
    /// When the call is over, at the latest.
    ends: Instant,
}

/// What a guest may ask of, during a call.
#[derive(Clone)]
pub(super) struct Host {
    pub(super) capabilities: Arc<Capabilities>,
    pub(super) component: Arc<LoadedComponent>,
}

impl State {
    /// Absent while tools are listed: then everything is refused.
    pub(super) fn host(&self) -> Option<&Host> {
        self.host.as_ref()
    }

    /// When whatever the guest waits for must be over, so that it can still say that it was too slow.
    pub(super) fn ends(&self) -> Instant {
        let left = self.ends.saturating_duration_since(Instant::now());
        self.ends - (left / 10).min(Duration::from_secs(1))
    }

    /// Count an operation. False if there were too many.
    pub(super) fn count_operation(&mut self) -> bool {
        let left = self.operations > 0;
        self.operations = self.operations.saturating_sub(1);
        left
    }
}

/// A store, and an instance once there is one.
pub(super) struct Guest {
    component: Component,
    limits: Limits,
    store: Store<State>,
    adapter: Option<Adapter>,
    /// Why there is no instance.
    failure: Option<wasmtime::Error>,
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
            meter: Meter::new(&limits),
            stopwatch: Arc::clone(&stopwatch),
            host,
            operations: limits.operations,
            ends: Instant::now() + limits.wall,
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
        let cpu = limits.cpu;
        store.epoch_deadline_callback(move |_| give_way(&stopwatch, cpu));
        // Fuel is on, so it can be set; if it could not, the guest would have none and end at once.
        let _ = store.set_fuel(limits.fuel);
        Self {
            component: component.clone(),
            limits,
            store,
            adapter: None,
            failure: None,
            _place: place,
        }
    }

    pub(super) async fn instantiate(&mut self) {
        self.store.set_epoch_deadline(1);
        let adapter = &self.component.0.adapter;
        match adapter.instantiate_async(&mut self.store).await {
            Ok(adapter) => self.adapter = Some(adapter),
            Err(error) => self.failure = Some(error),
        }
    }

    /// The instance, made if it is not yet.
    async fn instance(&mut self) -> wasmtime::Result<(&Adapter, StoreContextMut<'_, State>)> {
        if self.adapter.is_none() && self.failure.is_none() {
            self.instantiate().await;
        }
        self.store.set_epoch_deadline(1);
        match (&self.adapter, self.failure.take()) {
            (Some(adapter), None) => Ok((adapter, self.store.as_context_mut())),
            (_, Some(error)) => Err(error),
            (None, None) => Err(wasmtime::Error::msg("there is no instance")),
        }
    }

    /// The tools that the component lists, or why it does not.
    pub(super) async fn list_tools(mut self) -> Result<Vec<Tool>, String> {
        let wall = self.limits.wall;
        let (_never, halted) = watch::channel(false);
        let listing = async {
            let (adapter, store) = self.instance().await?;
            adapter
                .tollgate_adapter_tools()
                .call_list_tools(store)
                .await
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
        let arguments = arguments.to_owned();
        self.store.data_mut().ends = Instant::now() + wall;
        let call = async {
            let (adapter, store) = self.instance().await?;
            let tools = adapter.tollgate_adapter_tools();
            tools.call_call_tool(store, tool, &arguments).await
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
            Raced::Returned(Err(error)) => {
                let (status, cause) = status_of(&error);
                self.ended(status, Some(cause))
            }
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
            fuel: self.limits.fuel.saturating_sub(left),
            peak_memory: self.store.data().meter.peak(),
            size: bounded.size,
            cause,
        }
    }
}

impl Execution {
    /// Ended before there was a place for it.
    pub(super) fn halted() -> Self {
        let Bounded { content, size, cut } = no_result(Status::Halted);
        let status = Status::Halted;
        Self {
            status,
            content,
            cut,
            fuel: 0,
            peak_memory: 0,
            size,
            cause: None,
        }
    }
}

/// Called once a tick while the guest runs: end it if its time is used up, else let others have the
/// thread for a moment, which does not count.
fn give_way(stopwatch: &Arc<Stopwatch>, cpu: Duration) -> wasmtime::Result<UpdateDeadline> {
    stopwatch.stop();
    if stopwatch.used() >= cpu {
        return Err(Exceeded::Time.into());
    }
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

fn no_result(status: Status) -> Bounded {
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
        Status::Trap | Status::Ok | Status::ToolError | Status::Indeterminate => {
            "The tool crashed."
        }
    }
}
