//! A store with its instance, for one call: its contents, its metering, its end.
//!
//! Nothing of one call remains for the next. However the guest ends, including by a panic of the host,
//! there is an [`Execution`] that reports it.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tollgate_model::{
    record::Status,
    text::printable,
    tool::{BoundedContent, Execution, FailureKind, Limits, end_message},
};
use wasmtime::{
    AsContextMut as _, CallHook, Store, StoreContextMut, Trap, UpdateDeadline, component::Instance,
};
use wasmtime_wasi::I32Exit;

use crate::{
    Component,
    bindings::{Adapter, Tool, ToolError},
    call::{GuestState as _, Host},
    capability::HostPolicy,
    component::Exports,
    content,
    deadline::{DeadlineOutcome, with_deadline},
    engine::PoolSlot,
    low_priority_pool::CpuProfile,
    meter::{LimitExceeded, Stopwatch, resources},
    store::State,
};

/// The most bytes of the message about a tool that exited.
const MAX_EXIT: u64 = 100;
/// The most bytes of the cause, for operators.
const MAX_CAUSE: usize = 2 << 10;

/// An instance, by the way to call it.
enum InstanceKind {
    Adapter(Adapter),
    Functions(Instance),
}

/// A store, and an instance once it is created.
pub(crate) struct Guest {
    component: Component,
    limits: Limits,
    store: Store<State>,
    instance: Option<InstanceKind>,
    /// Why there is no instance.
    failure: Option<wasmtime::Error>,
    profile: CpuProfile,
    /// Released last, after the store.
    _slot: PoolSlot,
}

impl Guest {
    /// `max_transfer` is the most bytes that the guest may pass to the host at once, as results or as
    /// arguments.
    pub(crate) fn new(
        component: &Component,
        limits: Limits,
        max_transfer: u64,
        host: Option<Host<dyn HostPolicy>>,
        slot: PoolSlot,
    ) -> Self {
        let state = State::new(&limits, resources(component.size()), host);
        let stopwatch = Arc::clone(state.call().stopwatch());
        let mut store = Store::new(&component.0.pool.engine, state);
        store.set_hostcall_fuel(usize::try_from(max_transfer).unwrap_or(usize::MAX));
        store.limiter(|state| &mut state.meter);
        store.call_hook(|store, transition| {
            let stopwatch = store.data().call().stopwatch();
            match transition {
                CallHook::CallingWasm | CallHook::ReturningFromHost => stopwatch.start(),
                CallHook::ReturningFromWasm | CallHook::CallingHost => stopwatch.stop(),
            }
            Ok(())
        });
        let (cpu, profile) = (limits.cpu, CpuProfile::new(&component.0.history));
        let mut watch = profile.clone().watch();
        store.epoch_deadline_callback(move |store| {
            let left = store.data().call().operations_left();
            yield_on_tick(&stopwatch, cpu, |used| watch(used, left))
        });
        // Fuel is enabled, so it can be set. If it could not, the guest would have none and end at once.
        let _ = store.set_fuel(limits.fuel);
        Self {
            component: component.clone(),
            limits,
            store,
            instance: None,
            failure: None,
            profile,
            _slot: slot,
        }
    }

    /// Its computing time.
    pub(crate) fn profile(&self) -> CpuProfile {
        self.profile.clone()
    }

    pub(crate) async fn instantiate(&mut self) {
        self.store.set_epoch_deadline(1);
        let store = &mut self.store;
        let instance = match &self.component.0.exports {
            Exports::Adapter(pre) => pre
                .instantiate_async(store)
                .await
                .map(InstanceKind::Adapter),
            Exports::Functions(pre, _) => pre
                .instantiate_async(store)
                .await
                .map(InstanceKind::Functions),
        };
        match instance {
            Ok(instance) => self.instance = Some(instance),
            Err(error) => self.failure = Some(error),
        }
    }

    /// The instance, created on first use.
    async fn ready(&mut self) -> wasmtime::Result<(&InstanceKind, StoreContextMut<'_, State>)> {
        if self.instance.is_none() && self.failure.is_none() {
            self.instantiate().await;
        }
        self.store.set_epoch_deadline(1);
        match (&self.instance, self.failure.take()) {
            (Some(made), None) => Ok((made, self.store.as_context_mut())),
            (_, Some(error)) => Err(error),
            (None, None) => Err(wasmtime::Error::msg("there is no instance")),
        }
    }

    /// The tools that the component lists, or why it does not.
    pub(crate) async fn list_tools(mut self) -> Result<Vec<Tool>, String> {
        let wall = self.limits.wall;
        let (_never, halted) = watch::channel(false);
        let listing = async {
            let (made, store) = self.ready().await?;
            match made {
                InstanceKind::Adapter(adapter) => {
                    let tools = adapter.tollgate_adapter_tools();
                    tools.call_list_tools(store).await
                }
                InstanceKind::Functions(_) => {
                    Err(wasmtime::Error::msg("it has no list of its own"))
                }
            }
        };
        match with_deadline(listing, wall, halted).await {
            DeadlineOutcome::Returned(Ok(tools)) => Ok(tools),
            DeadlineOutcome::Returned(Err(error)) => {
                let (status, cause) = status_of(&error);
                let first = cause.lines().next().unwrap_or_default();
                Err(format!("{} ({first})", end_message(status)))
            }
            DeadlineOutcome::Timeout | DeadlineOutcome::Halted => {
                Err(end_message(Status::Timeout).into())
            }
            DeadlineOutcome::Panicked => Err("The host failed.".into()),
        }
    }

    /// Calls a tool of the component and reports how the call ended.
    pub(crate) async fn call(
        mut self,
        tool: &str,
        arguments: &str,
        halted: watch::Receiver<bool>,
    ) -> Execution {
        let wall = self.limits.wall;
        self.store.data_mut().call_mut().begin();
        let arguments = arguments.to_owned();
        let component = self.component.clone();
        let call = async {
            let (made, mut store) = self.ready().await?;
            let returned = match (made, &component.0.exports) {
                (InstanceKind::Functions(instance), Exports::Functions(_, functions)) => {
                    let store = store.as_context_mut();
                    functions.call(*instance, store, tool, &arguments).await?
                }
                (InstanceKind::Adapter(adapter), _) => {
                    let tools = adapter.tollgate_adapter_tools();
                    let store = store.as_context_mut();
                    tools.call_call_tool(store, tool, &arguments).await?
                }
                (InstanceKind::Functions(_), Exports::Adapter(_)) => {
                    let cause = "the instance is of another component";
                    return Err(wasmtime::Error::msg(cause));
                }
            };
            // Store the guest's written data before its result is released.
            let stored = store.data_mut().finish_files().await;
            Ok(match (returned, stored) {
                (Ok(_), Err(lost)) => (Err(ToolError::Failed(lost)), true),
                (returned, _) => (returned, false),
            })
        };
        match with_deadline(call, wall, halted).await {
            DeadlineOutcome::Returned(Ok((Ok(parts), _))) => self.returned(
                BoundedContent::of_parts(content::raw(parts), self.limits.output),
            ),
            DeadlineOutcome::Returned(Ok((Err(error), unusable))) => {
                let failure = failure(error, self.limits.output);
                Execution {
                    unusable,
                    ..self.execution(Status::ToolError, failure, None)
                }
            }
            DeadlineOutcome::Returned(Err(error)) => match error.downcast_ref::<I32Exit>() {
                Some(I32Exit(code)) => {
                    let message = format!("The tool ended itself with exit code {code}.");
                    let bounded =
                        BoundedContent::of_failure(FailureKind::Failed, message, MAX_EXIT);
                    self.execution(Status::ToolError, bounded, None)
                }
                None => {
                    let (status, cause) = status_of(&error);
                    self.ended(status, Some(cause))
                }
            },
            DeadlineOutcome::Timeout => self.ended(Status::Timeout, Some("its time was up".into())),
            DeadlineOutcome::Halted => self.ended(Status::Halted, None),
            DeadlineOutcome::Panicked => self.ended(Status::Trap, Some("the host failed".into())),
        }
    }

    /// It returned a result, usable or not.
    fn returned(&self, bounded: BoundedContent) -> Execution {
        let unusable = bounded.content.is_err();
        let status = if unusable {
            Status::ToolError
        } else {
            Status::Ok
        };
        Execution {
            unusable,
            ..self.execution(status, bounded, None)
        }
    }

    /// It was stopped without a result.
    pub(crate) fn ended(&self, status: Status, cause: Option<String>) -> Execution {
        self.execution(status, BoundedContent::of_end(status), cause)
    }

    fn execution(
        &self,
        status: Status,
        bounded: BoundedContent,
        cause: Option<String>,
    ) -> Execution {
        let left = self.store.get_fuel().unwrap_or(0);
        Execution {
            status,
            content: bounded.content,
            cut: bounded.cut,
            cpu: self.store.data().call().stopwatch().used(),
            fuel: self.limits.fuel.saturating_sub(left),
            effects: 0,
            peak_memory: self.store.data().meter.peak(),
            size: bounded.size,
            unusable: false,
            cause,
        }
    }
}

/// Called once a tick while the guest runs: stops it if its time is used up, otherwise yields the thread
/// for a moment, which does not count.
fn yield_on_tick(
    stopwatch: &Arc<Stopwatch>,
    cpu: Duration,
    watch: impl FnOnce(Duration),
) -> wasmtime::Result<UpdateDeadline> {
    stopwatch.stop();
    let used = stopwatch.used();
    if used >= cpu {
        return Err(LimitExceeded::Time.into());
    }
    watch(used);
    let resumed = Arc::clone(stopwatch);
    let others = Box::pin(async move {
        tokio::task::yield_now().await;
        resumed.start();
    });
    Ok(UpdateDeadline::YieldCustom(1, others))
}

fn failure(error: ToolError, max: u64) -> BoundedContent {
    let (kind, message) = match error {
        ToolError::UnknownTool => (
            FailureKind::UnknownTool,
            "The component has no such tool.".into(),
        ),
        ToolError::InvalidArguments(message) => (FailureKind::InvalidArguments, message),
        ToolError::Failed(message) => (FailureKind::Failed, message),
        ToolError::Denied(message) => (FailureKind::Denied, message),
    };
    BoundedContent::of_failure(kind, message, max)
}

/// How a guest ended, and the cause for operators.
fn status_of(error: &wasmtime::Error) -> (Status, String) {
    let status = match (
        error.downcast_ref::<LimitExceeded>(),
        error.downcast_ref::<Trap>(),
    ) {
        (Some(LimitExceeded::Memory), _) => Status::MemoryExhausted,
        (Some(LimitExceeded::Time), _) | (_, Some(Trap::Interrupt)) => Status::Timeout,
        (_, Some(Trap::OutOfFuel)) => Status::FuelExhausted,
        _ => Status::Trap,
    };
    // The root cause first, because the frames above it may be cut.
    (
        status,
        printable(&format!("{}\n{error}", error.root_cause()), MAX_CAUSE),
    )
}
