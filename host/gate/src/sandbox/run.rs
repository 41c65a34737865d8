//! One call: a fresh instance, the permitted arguments, an outcome.
//!
//! Nothing is run without a [`Permitted`] call, and nothing of one call is left for the next. However the
//! guest ends, including by a fault of the host, there is an [`Execution`] that says so.

use std::{
    future::{pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::sync::watch;
use tollgate_core::record::Status;
use wasmtime::{AsContextMut as _, CallHook, Store, StoreContextMut, Trap, UpdateDeadline};

use super::{
    Component, Execution, FailureKind, Limits, Sandbox, ToolFailure,
    bindings::{Adapter, Tool, ToolError},
    content::{self, Bounded},
    engine::Place,
    limits::{Exceeded, Meter, Stopwatch},
};
use crate::{
    enforce::{Capabilities, Permitted, ToolCall},
    snapshot::LoadedComponent,
    text::printable,
};

/// Bytes that a guest may pass to a host function in one call. They are not copied before they are
/// looked at; this is twice the largest file, so that too large a file is an error and not a trap.
const PASSED_IN: usize = 16 << 20;
/// Bytes of a result that the host takes in, to be counted and cut.
const TAKEN_IN: usize = 4 << 20;
/// Bytes of the cause that operators are told.
const MAX_CAUSE: usize = 2 << 10;

/// What the store holds for a call.
pub(super) struct State {
    meter: Meter,
    stopwatch: Arc<Stopwatch>,
    host: Option<Host>,
    /// File operations that may still be asked for.
    operations: u64,
}

/// What a guest may ask of, during a call.
#[derive(Clone)]
pub(super) struct Host {
    pub(super) capabilities: Arc<Capabilities>,
    pub(super) component: Arc<LoadedComponent>,
}

impl State {
    fn new(limits: &Limits, host: Option<Host>) -> Self {
        Self {
            meter: Meter::new(limits),
            stopwatch: Arc::new(Stopwatch::new()),
            host,
            operations: limits.operations,
        }
    }

    /// Absent while tools are listed: then everything is refused.
    pub(super) fn host(&self) -> Option<&Host> {
        self.host.as_ref()
    }

    /// Count a file operation. False if there were too many.
    pub(super) fn count_operation(&mut self) -> bool {
        let left = self.operations > 0;
        self.operations = self.operations.saturating_sub(1);
        left
    }
}

/// An instance that waits for its permit. Nothing of the guest has run.
pub struct Prepared {
    component: Arc<LoadedComponent>,
    guest: Guest,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared")
            .field("component", &self.component.name)
            .finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Make an instance for one call, as soon as there is a place for it. Dropping the future gives up
    /// the place. Runs nothing of the guest: where instantiating would, that is left to
    /// [`Prepared::run`].
    pub async fn prepare(
        &self,
        component: &Arc<LoadedComponent>,
        limits: &Limits,
        capabilities: Arc<Capabilities>,
    ) -> Prepared {
        let place = component.compiled.0.pool.admit().await;
        let host = Host {
            capabilities,
            component: Arc::clone(component),
        };
        let mut guest = Guest::new(&component.compiled, limits.clone(), Some(host), place);
        if component.compiled.instantiation_is_pure() {
            guest.instantiate().await;
        }
        Prepared {
            component: Arc::clone(component),
            guest,
        }
    }

    /// Prepare and run in one step.
    pub async fn run(
        &self,
        permitted: Permitted<ToolCall>,
        capabilities: Arc<Capabilities>,
        halted: watch::Receiver<bool>,
    ) -> Execution {
        let tool = Arc::clone(permitted.act().tool());
        self.prepare(&tool.component, &tool.limits, capabilities)
            .await
            .run(permitted, halted)
            .await
    }
}

impl Prepared {
    /// Run the permitted call. Ends early once `halted` is true.
    pub async fn run(
        self,
        permitted: Permitted<ToolCall>,
        halted: watch::Receiver<bool>,
    ) -> Execution {
        let call = permitted.act();
        if !Arc::ptr_eq(&self.component, &call.tool().component) {
            return self.guest.ended(
                Status::Trap,
                Some("the permit is for another component".into()),
            );
        }
        self.guest
            .call(&call.tool().own_name, call.canonical(), halted)
            .await
    }
}

/// The tools that a component lists, or why it does not.
pub(super) async fn list_tools(component: &Component) -> Result<Vec<Tool>, String> {
    let limits = Limits {
        wall: Duration::from_secs(10),
        operations: 0,
        ..Limits::default()
    };
    let place = component.0.pool.admit_reserved().await;
    let mut guest = Guest::new(component, limits, None, place);
    let wall = guest.limits.wall;
    let (_sender, never) = watch::channel(false);
    let listing = async {
        let (adapter, store) = guest.instance().await?;
        adapter
            .tollgate_adapter_tools()
            .call_list_tools(store)
            .await
    };
    match race(listing, wall, never).await {
        Raced::Returned(Ok(tools)) => Ok(tools),
        Raced::Returned(Err(error)) => {
            let (status, _) = status_of(&error);
            Err(format!(
                "{} ({})",
                ended_message(status),
                printable(&error.root_cause().to_string(), 200)
            ))
        }
        Raced::Timeout | Raced::Halted => Err(ended_message(Status::Timeout).into()),
        Raced::Panicked => Err("the host failed".into()),
    }
}

/// A store with its instance, once there is one.
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
    pub(super) fn new(
        component: &Component,
        limits: Limits,
        host: Option<Host>,
        place: Place,
    ) -> Self {
        let state = State::new(&limits, host);
        let stopwatch = Arc::clone(&state.stopwatch);
        let mut store = Store::new(&component.0.pool.engine, state);
        store.limiter(|state| &mut state.meter);
        store.call_hook(|mut store, transition| {
            let passed = match transition {
                CallHook::CallingWasm | CallHook::ReturningFromHost => {
                    store.data().stopwatch.start();
                    return Ok(());
                }
                CallHook::ReturningFromWasm => TAKEN_IN,
                CallHook::CallingHost => PASSED_IN,
            };
            store.data().stopwatch.stop();
            store.set_hostcall_fuel(passed);
            Ok(())
        });
        let cpu = limits.cpu;
        store.epoch_deadline_callback(move |_: StoreContextMut<'_, State>| {
            stopwatch.stop();
            if stopwatch.used() >= cpu {
                return Err(Exceeded::Time.into());
            }
            let resumed = Arc::clone(&stopwatch);
            let others = Box::pin(async move {
                tokio::task::yield_now().await;
                resumed.start();
            });
            Ok(UpdateDeadline::YieldCustom(1, others))
        });
        // It is enabled, so it can be set; if not, the guest has none and ends at once.
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

    async fn instantiate(&mut self) {
        self.store.set_epoch_deadline(1);
        match self
            .component
            .0
            .adapter
            .instantiate_async(&mut self.store)
            .await
        {
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

    /// Call a tool of the component and say how it ended.
    pub(super) async fn call(
        mut self,
        tool: &str,
        arguments: &str,
        halted: watch::Receiver<bool>,
    ) -> Execution {
        let wall = self.limits.wall;
        let arguments = arguments.to_owned();
        let call = async {
            let (adapter, store) = self.instance().await?;
            adapter
                .tollgate_adapter_tools()
                .call_call_tool(store, tool, &arguments)
                .await
        };
        let raced = race(call, wall, halted).await;
        match raced {
            Raced::Returned(Ok(Ok(parts))) => {
                let bounded = content::bounded(parts, self.limits.output);
                let status = if bounded.content.is_ok() {
                    Status::Ok
                } else {
                    Status::ToolError
                };
                self.execution(status, bounded, None)
            }
            Raced::Returned(Ok(Err(error))) => {
                let bounded = failure(error, self.limits.output);
                self.execution(Status::ToolError, bounded, None)
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

    fn ended(&self, status: Status, cause: Option<String>) -> Execution {
        let failure = ToolFailure {
            kind: FailureKind::Ended,
            message: ended_message(status).into(),
        };
        self.execution(
            status,
            Bounded {
                content: Err(failure),
                size: 0,
                cut: false,
            },
            cause,
        )
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
    (status, printable(&format!("{error:#}"), MAX_CAUSE))
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

/// What came first.
enum Raced<T> {
    Returned(T),
    Timeout,
    Halted,
    Panicked,
}

/// `work`, unless it takes longer than `wall` or is halted. A panic is an end like others: what panicked
/// is dropped, and with it everything that it held.
async fn race<T>(
    work: impl Future<Output = T>,
    wall: Duration,
    mut halted: watch::Receiver<bool>,
) -> Raced<T> {
    let mut work = pin!(work);
    let caught = poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
            Ok(Poll::Ready(output)) => Poll::Ready(Raced::Returned(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(Raced::Panicked),
        },
    );
    let halt = async {
        if halted.wait_for(|halted| *halted).await.is_err() {
            // Nobody is left who could halt it.
            pending::<()>().await;
        }
    };
    tokio::select! {
        biased;
        () = halt => Raced::Halted,
        ended = tokio::time::timeout(wall, caught) => ended.unwrap_or(Raced::Timeout),
    }
}
