//! The import `calls`: tools of other components.
//!
//! The nested call runs in a task of its own while the calling guest waits. Its usage is subtracted from
//! the caller's remaining budget, so that a chain of calls gets no more than its first call.

use std::sync::Arc;

use wasmtime::{
    StoreContextMut,
    component::{Linker, WasmStr},
};

use crate::{
    PUBLISHED,
    bindings::{calls::Error, types},
    call::GuestState,
    capability::{denial, interface, text},
    content::for_guest,
    port::{CallPort as _, NestedCallError},
};

type CallResult = Result<Vec<types::Content>, Error>;

/// Bytes of a tool's name that are read: longer than any valid name.
const MAX_NAME: usize = 256;
/// Bytes of arguments.
const MAX_ARGUMENTS: usize = 1 << 20;

pub(crate) fn add_to_linker<T: GuestState>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    for version in PUBLISHED {
        let mut calls = linker.instance(&interface("calls", version))?;
        calls.func_wrap_async(
            "call",
            |store: StoreContextMut<'_, T>, (tool, arguments): (WasmStr, WasmStr)| {
                let request = lift_request(&store, &tool, &arguments);
                Box::new(async move {
                    let result = match request? {
                        Some((tool, arguments)) => call(store, tool, arguments).await,
                        None => Err(Error::Invalid("the arguments have more than 1 MiB".into())),
                    };
                    Ok((result,))
                })
            },
        )?;
    }
    Ok(())
}

/// Reads tool and arguments from the guest's memory; `None` if they are too large.
fn lift_request<T: GuestState>(
    store: &StoreContextMut<'_, T>,
    tool: &WasmStr,
    arguments: &WasmStr,
) -> wasmtime::Result<Option<(String, String)>> {
    let name = text(store, tool, MAX_NAME)?;
    let arguments = arguments.to_str(store)?;
    Ok((arguments.len() <= MAX_ARGUMENTS).then(|| (name, arguments.into_owned())))
}

async fn call<T: GuestState>(
    mut store: StoreContextMut<'_, T>,
    tool: String,
    arguments: String,
) -> CallResult {
    let Some(host) = store.data().call().host() else {
        let problem = "no tool is called while tools are listed";
        return Err(Error::Invalid(problem.into()));
    };
    let policy = Arc::clone(&host.policy);
    let fuel = store.get_fuel().unwrap_or(0);
    let budget = store.data().call().remaining_budget(fuel);
    let work = async move { policy.call(&tool, &arguments, budget).await };
    let work = host.runtime.spawn(work);
    let Ok((result, consumed)) = work.await else {
        let unknown = "Its outcome is not known: some of its effects may have happened.";
        return Err(Error::Ended(unknown.into()));
    };
    store.data().call().charge(consumed.cpu);
    // Fuel is enabled, so it can be set.
    let _ = store.set_fuel(fuel.saturating_sub(consumed.fuel));
    match result {
        Ok(content) => Ok(content.into_iter().map(for_guest).collect()),
        Err(NestedCallError::Invalid(problem)) => Err(Error::Invalid(problem)),
        Err(NestedCallError::Failed(message)) => Err(Error::Failed(message)),
        Err(NestedCallError::Ended(message)) => Err(Error::Ended(message)),
        Err(NestedCallError::Denied(reason)) => Err(Error::Denied(denial(reason))),
    }
}
