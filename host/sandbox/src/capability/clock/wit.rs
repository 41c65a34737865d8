//! The import `clock`: the gate's own time, in milliseconds.
//!
//! Not decided, because it reveals no data. It is coarse, so that it does not reveal what else the machine
//! does.

use wasmtime::component::Linker;

use crate::{
    PUBLISHED,
    capability::{GuestStore, interface},
    guest::State,
};

pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for version in PUBLISHED {
        let mut clock = linker.instance(&interface("clock", version))?;
        clock.func_wrap("now", |store: GuestStore<'_>, (): ()| {
            Ok((now(store.data()),))
        })?;
        clock.func_wrap("elapsed", |store: GuestStore<'_>, (): ()| {
            Ok((elapsed(store.data()),))
        })?;
    }
    Ok(())
}

fn now(state: &State) -> u64 {
    let micros = state.host().map(|host| host.policy.now().0);
    u64::try_from(micros.unwrap_or(0) / 1_000).unwrap_or(0)
}

fn elapsed(state: &State) -> u64 {
    match state.host() {
        Some(_) => u64::try_from(state.elapsed().as_millis()).unwrap_or(u64::MAX),
        None => 0,
    }
}
