//! The import `secrets`: whether a secret was granted, never its value.

use wasmtime::{
    StoreContextMut,
    component::{Linker, WasmStr},
};

use crate::{
    PUBLISHED,
    call::GuestState,
    capability::{interface, text},
};

/// Bytes of a name that are read: longer than any valid name.
const MAX_NAME: usize = 1 << 10;

pub(crate) fn add_to_linker<T: GuestState>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    for version in PUBLISHED {
        let mut secrets = linker.instance(&interface("secrets", version))?;
        secrets.func_wrap(
            "exists",
            |store: StoreContextMut<'_, T>, (name,): (WasmStr,)| {
                let name = text(&store, &name, MAX_NAME)?;
                let granted = store
                    .data()
                    .call()
                    .host()
                    .is_some_and(|host| host.resources.secrets.contains(&name));
                Ok((granted,))
            },
        )?;
    }
    Ok(())
}
