//! The import `config`: values that the operator configured for the component.

use wasmtime::{
    StoreContextMut,
    component::{Linker, WasmStr},
};

use super::{ConfigAct, operation::ConfigRead};
use crate::{
    PUBLISHED,
    call::GuestState,
    capability::{interface, text},
    port::Authorize,
};

/// Bytes of a key that are looked at: more than one has.
const MAX_LOOK: usize = 1_024;

pub(crate) fn add_to_linker<T: GuestState<Policy: Authorize<ConfigAct>>>(
    linker: &mut Linker<T>,
) -> wasmtime::Result<()> {
    for version in PUBLISHED {
        let mut config = linker.instance(&interface("config", version))?;
        config.func_wrap_async(
            "get",
            |store: StoreContextMut<'_, T>, (key,): (WasmStr,)| {
                let read = lift_read(store, &key);
                Box::new(async move { Ok((read?.answer().await,)) })
            },
        )?;
    }
    Ok(())
}

/// # Errors
/// A trap: the key is not UTF-8.
fn lift_read<T: GuestState<Policy: Authorize<ConfigAct>>>(
    mut store: StoreContextMut<'_, T>,
    key: &WasmStr,
) -> wasmtime::Result<ConfigRead<T::Policy>> {
    let key = text(&store, key, MAX_LOOK)?;
    Ok(ConfigRead::new(store.data_mut().call_mut(), key))
}
