//! The import `clock`: the gate's own time, in milliseconds.
//!
//! Not decided, because it reveals no data. It is coarse, so that it does not reveal what else the machine
//! does.

use wasmtime::{StoreContextMut, component::Linker};

use crate::{
    PUBLISHED,
    call::{Call, GuestState},
    capability::interface,
    port::CallPort,
};

pub(crate) fn add_to_linker<T: GuestState>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    for version in PUBLISHED {
        let mut clock = linker.instance(&interface("clock", version))?;
        clock.func_wrap("now", |store: StoreContextMut<'_, T>, (): ()| {
            Ok((now(store.data().call()),))
        })?;
        clock.func_wrap("elapsed", |store: StoreContextMut<'_, T>, (): ()| {
            Ok((elapsed(store.data().call()),))
        })?;
    }
    Ok(())
}

fn now(call: &Call<impl CallPort + ?Sized>) -> u64 {
    let micros = call.host().map(|host| host.policy.now().0);
    u64::try_from(micros.unwrap_or(0) / 1_000).unwrap_or(0)
}

fn elapsed<P: ?Sized>(call: &Call<P>) -> u64 {
    match call.host() {
        Some(_) => u64::try_from(call.elapsed().as_millis()).unwrap_or(u64::MAX),
        None => 0,
    }
}
