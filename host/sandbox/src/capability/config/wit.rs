//! The import `config`: values that the operator configured for the component.

use wasmtime::component::{Linker, WasmStr};

use super::operation::ConfigRead;
use crate::{
    PUBLISHED,
    capability::{GuestStore, interface, text},
    guest::State,
};

/// Bytes of a key that are looked at: more than one has.
const MAX_LOOK: usize = 1_024;

pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for version in PUBLISHED {
        let mut config = linker.instance(&interface("config", version))?;
        config.func_wrap_async("get", |store: GuestStore<'_>, (key,): (WasmStr,)| {
            let read = lift_read(store, &key);
            Box::new(async move { Ok((read?.answer().await,)) })
        })?;
    }
    Ok(())
}

/// # Errors
/// A trap: the key is not UTF-8.
fn lift_read(mut store: GuestStore<'_>, key: &WasmStr) -> wasmtime::Result<ConfigRead> {
    let key = text(&store, key, MAX_LOOK)?;
    Ok(ConfigRead::new(store.data_mut(), key))
}
