//! The import `secrets`: whether a secret was granted, never its value.

use wasmtime::component::{Linker, WasmStr};

use crate::{
    PUBLISHED,
    capability::{GuestStore, interface, text},
    guest::State,
};

/// Bytes of a name that are read: longer than any valid name.
const MAX_NAME: usize = 1 << 10;

pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for version in PUBLISHED {
        let mut secrets = linker.instance(&interface("secrets", version))?;
        secrets.func_wrap("exists", |store: GuestStore<'_>, (name,): (WasmStr,)| {
            let name = text(&store, &name, MAX_NAME)?;
            let granted = store
                .data()
                .host()
                .is_some_and(|host| host.component.secrets.contains(&name));
            Ok((granted,))
        })?;
    }
    Ok(())
}
