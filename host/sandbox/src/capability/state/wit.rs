//! The import `state`: values that a component keeps, for the run or for itself.
//!
//! The [port](crate::port) decides, records and stores in one step. Here a guest's strings and bytes are
//! checked before they are copied, and each operation runs in a task of its own: the decision point
//! measures the remaining stack, which is meaningless on a guest's. An operation that outlives its call is
//! refused when it is to be recorded.

use wasmtime::{
    StoreContextMut,
    component::{ComponentNamedList, Linker, LinkerInstance, Lower, WasmList, WasmStr},
};

use super::{
    MAX_VALUE, StateError, StateOperation, StateReply, StateRequest, StateScope, StateStore,
};
use crate::{
    PUBLISHED,
    bindings::state::{self, Error},
    call::{GuestState, Host},
    capability::{denial, interface, text},
};

type ScopeAndKey = (state::Scope, WasmStr);
type WithValue = (state::Scope, WasmStr, WasmList<u8>);
type WithValues = (state::Scope, WasmStr, Option<WasmList<u8>>, WasmList<u8>);

/// Bytes of a key that are read: more than allowed.
const MAX_LOOK: usize = 1_024;

pub(crate) fn add_to_linker<T: GuestState<Policy: StateStore>>(
    linker: &mut Linker<T>,
) -> wasmtime::Result<()> {
    for version in PUBLISHED {
        let mut state = linker.instance(&interface("state", version))?;
        link(
            &mut state,
            "get",
            StateOperation::Get,
            |reply| match reply {
                StateReply::Value(value) => Some(value),
                _ => None,
            },
        )?;
        link(&mut state, "delete", StateOperation::Delete, flag)?;
        link(
            &mut state,
            "list-keys",
            StateOperation::List,
            |reply| match reply {
                StateReply::Keys(keys) => Some(keys),
                _ => None,
            },
        )?;
        state.func_wrap_async(
            "set",
            |store: StoreContextMut<'_, T>, (scope, key, value): WithValue| {
                let operation = copied(&store, &value).map(StateOperation::Set);
                let request = LiftedRequest::new(store, scope, &key, operation);
                Box::new(async move { Ok((request?.answer(nothing).await,)) })
            },
        )?;
        state.func_wrap_async(
            "compare-and-set",
            |store: StoreContextMut<'_, T>, (scope, key, expected, value): WithValues| {
                let expected = match &expected {
                    Some(expected) => copied(&store, expected).map(Some),
                    None => Some(None),
                };
                let operation = expected
                    .zip(copied(&store, &value))
                    .map(|(expected, value)| StateOperation::CompareAndSet { expected, value });
                let request = LiftedRequest::new(store, scope, &key, operation);
                Box::new(async move { Ok((request?.answer(flag).await,)) })
            },
        )?;
    }
    Ok(())
}

/// Links a function that takes a scope and a key.
fn link<T: GuestState<Policy: StateStore>, R>(
    state: &mut LinkerInstance<'_, T>,
    name: &str,
    operation: StateOperation,
    pick: fn(StateReply) -> Option<R>,
) -> wasmtime::Result<()>
where
    (Result<R, Error>,): ComponentNamedList + Lower,
    R: Send + 'static,
{
    state.func_wrap_async(
        name,
        move |store: StoreContextMut<'_, T>, (scope, key): ScopeAndKey| {
            let request = LiftedRequest::new(store, scope, &key, Some(operation.clone()));
            Box::new(async move { Ok((request?.answer(pick).await,)) })
        },
    )
}

/// Reads a value from the guest's memory; `None` if it is too large.
fn copied<T: GuestState>(store: &StoreContextMut<'_, T>, value: &WasmList<u8>) -> Option<Vec<u8>> {
    (value.len() <= MAX_VALUE).then(|| value.as_le_slice(store).to_vec())
}

fn flag(reply: StateReply) -> Option<bool> {
    match reply {
        StateReply::Flag(flag) => Some(flag),
        _ => None,
    }
}

fn nothing(reply: StateReply) -> Option<()> {
    matches!(reply, StateReply::Nothing).then_some(())
}

/// An operation as the guest requested it.
struct LiftedRequest<P: ?Sized> {
    host: Option<Host<P>>,
    scope: StateScope,
    key: String,
    /// Absent if a value is too large.
    operation: Option<StateOperation>,
    /// Whether the guest may request another operation.
    counted: bool,
}

impl<P: StateStore + ?Sized> LiftedRequest<P> {
    /// # Errors
    /// A trap if the guest's strings are not UTF-8.
    fn new<T: GuestState<Policy = P>>(
        mut store: StoreContextMut<'_, T>,
        scope: state::Scope,
        key: &WasmStr,
        operation: Option<StateOperation>,
    ) -> wasmtime::Result<Self> {
        let counted = store.data_mut().call_mut().take_operation();
        Ok(Self {
            host: store.data().call().host().cloned(),
            scope: match scope {
                state::Scope::Run => StateScope::Run,
                state::Scope::Adapter => StateScope::Adapter,
            },
            key: text(&store, key, MAX_LOOK)?,
            operation,
            counted,
        })
    }

    async fn answer<R>(self, pick: fn(StateReply) -> Option<R>) -> Result<R, Error> {
        let failed = |how: &str| Error::Failed(how.to_owned());
        let Some(operation) = self.operation else {
            return Err(Error::TooLarge);
        };
        let Some(host) = self.host else {
            return Err(failed("there is no state while tools are listed"));
        };
        if !self.counted {
            return Err(failed("this call has asked for too much of its host"));
        }
        let request = StateRequest {
            scope: self.scope,
            key: self.key,
            operation,
        };
        let policy = host.policy;
        let work = async move { policy.state(request).await };
        // A task that panicked has not allowed anything.
        let reply = host
            .runtime
            .spawn(work)
            .await
            .map_err(|_| failed("the host could not do it"))?
            .map_err(error)?;
        pick(reply).ok_or_else(|| failed("the host could not do it"))
    }
}

fn error(error: StateError) -> Error {
    match error {
        StateError::InvalidKey(rule) => Error::InvalidKey(rule.into()),
        StateError::TooLarge => Error::TooLarge,
        StateError::Full => Error::Full,
        StateError::Denied(reason) => Error::Denied(denial(reason)),
        StateError::Failed => Error::Failed("the store could not be read".into()),
    }
}
