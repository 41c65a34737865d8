//! The import `random`: bytes from the operating system.
//!
//! Not decided, because they tell nothing about anybody; bounded, and counted as what a guest may ask of
//! its host. There are none while tools are listed.

use wasmtime::{StoreContextMut, component::Linker};

use super::{PUBLISHED, bindings::random::Error, guest::State};
use crate::ids;

/// Bytes at once.
const MAX_BYTES: u32 = 64 << 10;

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for version in PUBLISHED {
        let mut random = linker.instance(&format!("tollgate:adapter/random@{version}"))?;
        random.func_wrap(
            "bytes",
            |mut store: StoreContextMut<'_, State>, (count,): (u32,)| {
                Ok((bytes(store.data_mut(), count),))
            },
        )?;
    }
    Ok(())
}

fn bytes(state: &mut State, count: u32) -> Result<Vec<u8>, Error> {
    if count > MAX_BYTES {
        return Err(Error::TooMany);
    }
    let may = state.count_operation() && state.host().is_some();
    let count = usize::try_from(count).ok().filter(|_| may);
    count.and_then(ids::random).ok_or(Error::Unavailable)
}
