//! The import `clock`: the gate's own time, in milliseconds.
//!
//! Not decided, because it tells nothing about anybody. It is coarse, so that it does not tell what else
//! the machine does. Nothing here knows a time that policies do not see.

use wasmtime::{StoreContextMut, component::Linker};

use super::{PUBLISHED, guest::State};

type Store<'a> = StoreContextMut<'a, State>;

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for version in PUBLISHED {
        let mut clock = linker.instance(&format!("tollgate:adapter/clock@{version}"))?;
        clock.func_wrap("now", |store: Store<'_>, (): ()| Ok((now(store.data()),)))?;
        clock.func_wrap("elapsed", |store: Store<'_>, (): ()| {
            Ok((elapsed(store.data()),))
        })?;
    }
    Ok(())
}

fn now(state: &State) -> u64 {
    let micros = state.host().map(|host| host.capabilities.now().0);
    u64::try_from(micros.unwrap_or(0) / 1_000).unwrap_or(0)
}

fn elapsed(state: &State) -> u64 {
    match state.host() {
        Some(_) => u64::try_from(state.elapsed().as_millis()).unwrap_or(u64::MAX),
        None => 0,
    }
}
