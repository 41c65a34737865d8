//! The import `state`: what a component keeps, for the run or for itself.
//!
//! What it may be and where it goes, [`Capabilities`] knows. Here a guest's strings and bytes are looked
//! at before they are copied, and each operation runs in a task of its own: the decision point measures
//! how much stack is left, which means nothing on a guest's. An operation that the call does not live to
//! see is refused when it comes to its record, for the call is over then.

use wasmtime::{
    StoreContextMut,
    component::{ComponentNamedList, Linker, LinkerInstance, Lower, WasmList, WasmStr},
};

use super::{
    PUBLISHED,
    bindings::state::{self, Error},
    guest::{Host, State},
    operation::denial,
};
use crate::enforce::{Capabilities, MAX_VALUE, Scope, StateFault};

type Store<'a> = StoreContextMut<'a, State>;
type Named = (state::Scope, WasmStr);
type WithValue = (state::Scope, WasmStr, WasmList<u8>);
type WithValues = (state::Scope, WasmStr, Option<WasmList<u8>>, WasmList<u8>);

/// What is looked at of a key: more than is allowed.
const MAX_LOOK: usize = 1_024;

/// What is to be done.
#[derive(Clone)]
enum Operation {
    Get,
    Set(Vec<u8>),
    Delete,
    List,
    Replace(Option<Vec<u8>>, Vec<u8>),
}

/// What came of it.
enum Outcome {
    Nothing,
    Value(Option<Vec<u8>>),
    Keys(Vec<String>),
    Flag(bool),
}

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for version in PUBLISHED {
        let mut state = linker.instance(&format!("tollgate:adapter/state@{version}"))?;
        link(&mut state, "get", Operation::Get, |outcome| match outcome {
            Outcome::Value(value) => Some(value),
            _ => None,
        })?;
        link(&mut state, "delete", Operation::Delete, flag)?;
        link(
            &mut state,
            "list-keys",
            Operation::List,
            |outcome| match outcome {
                Outcome::Keys(keys) => Some(keys),
                _ => None,
            },
        )?;
        state.func_wrap_async("set", |store: Store<'_>, (scope, key, value): WithValue| {
            let operation = copied(&store, &value).map(Operation::Set);
            let asked = Asked::new(store, scope, &key, operation);
            Box::new(async move { Ok((asked?.answer(nothing).await,)) })
        })?;
        state.func_wrap_async(
            "compare-and-set",
            |store: Store<'_>, (scope, key, expected, value): WithValues| {
                let expected = match &expected {
                    Some(expected) => copied(&store, expected).map(Some),
                    None => Some(None),
                };
                let operation = expected
                    .zip(copied(&store, &value))
                    .map(|(expected, value)| Operation::Replace(expected, value));
                let asked = Asked::new(store, scope, &key, operation);
                Box::new(async move { Ok((asked?.answer(flag).await,)) })
            },
        )?;
    }
    Ok(())
}

/// Link a function that takes a scope and a key.
fn link<T>(
    state: &mut LinkerInstance<'_, State>,
    name: &str,
    operation: Operation,
    pick: fn(Outcome) -> Option<T>,
) -> wasmtime::Result<()>
where
    (Result<T, Error>,): ComponentNamedList + Lower,
    T: Send + 'static,
{
    state.func_wrap_async(name, move |store: Store<'_>, (scope, key): Named| {
        let asked = Asked::new(store, scope, &key, Some(operation.clone()));
        Box::new(async move { Ok((asked?.answer(pick).await,)) })
    })
}

/// A value out of the guest's memory; nothing if it is too large to be one.
fn copied(store: &Store<'_>, value: &WasmList<u8>) -> Option<Vec<u8>> {
    (value.len() <= MAX_VALUE).then(|| value.as_le_slice(store).to_vec())
}

fn flag(outcome: Outcome) -> Option<bool> {
    match outcome {
        Outcome::Flag(flag) => Some(flag),
        _ => None,
    }
}

fn nothing(outcome: Outcome) -> Option<()> {
    matches!(outcome, Outcome::Nothing).then_some(())
}

/// An operation as the guest asked for it.
struct Asked {
    host: Option<Host>,
    scope: Scope,
    key: String,
    /// Absent if a value is too large.
    operation: Option<Operation>,
    /// Whether the guest may ask for one more.
    counted: bool,
}

impl Asked {
    /// # Errors
    /// A trap, if the guest's strings are not UTF-8.
    fn new(
        mut store: Store<'_>,
        scope: state::Scope,
        key: &WasmStr,
        operation: Option<Operation>,
    ) -> wasmtime::Result<Self> {
        let counted = store.data_mut().count_operation();
        let text = key.to_str(&store)?;
        let beginning = text.floor_char_boundary(MAX_LOOK);
        Ok(Self {
            host: store.data().host().cloned(),
            scope: match scope {
                state::Scope::Run => Scope::Run,
                state::Scope::Adapter => Scope::Adapter,
            },
            key: text.get(..beginning).unwrap_or_default().to_owned(),
            operation,
            counted,
        })
    }

    async fn answer<T>(self, pick: fn(Outcome) -> Option<T>) -> Result<T, Error> {
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
        let runtime = host.runtime.clone();
        let work = runtime.spawn(async move {
            operation
                .perform(&host.capabilities, self.scope, &self.key)
                .await
        });
        // A task that panicked did not allow anything.
        let outcome = work
            .await
            .map_err(|_| failed("the host could not do it"))?
            .map_err(error)?;
        pick(outcome).ok_or_else(|| failed("the host could not do it"))
    }
}

impl Operation {
    async fn perform(
        self,
        host: &Capabilities,
        scope: Scope,
        key: &str,
    ) -> Result<Outcome, StateFault> {
        Ok(match self {
            Self::Get => Outcome::Value(host.get_state(scope, key).await?),
            Self::Set(value) => {
                host.set_state(scope, key, &value).await?;
                Outcome::Nothing
            }
            Self::Delete => Outcome::Flag(host.delete_state(scope, key).await?),
            Self::List => Outcome::Keys(host.list_state(scope, key).await?),
            Self::Replace(expected, value) => {
                let replaced = host.replace_state(scope, key, expected.as_deref(), &value);
                Outcome::Flag(replaced.await?)
            }
        })
    }
}

fn error(fault: StateFault) -> Error {
    match fault {
        StateFault::InvalidKey(rule) => Error::InvalidKey(rule.into()),
        StateFault::TooLarge => Error::TooLarge,
        StateFault::Full => Error::Full,
        StateFault::Refused(refusal) => Error::Denied(denial(*refusal)),
        StateFault::Failed => Error::Failed("the store could not be read".into()),
    }
}
