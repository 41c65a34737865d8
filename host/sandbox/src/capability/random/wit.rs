//! The import `random`: bytes from the operating system.
//!
//! Not decided, because they reveal no data; bounded, and counted as operations. Unavailable while tools
//! are listed.

use wasmtime::component::Linker;

use crate::{
    PUBLISHED,
    bindings::random::Error,
    capability::{GuestStore, interface},
    guest::State,
};

/// The most bytes at once.
const MAX_BYTES: u32 = 64 << 10;

pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for version in PUBLISHED {
        let mut random = linker.instance(&interface("random", version))?;
        random.func_wrap("bytes", |mut store: GuestStore<'_>, (count,): (u32,)| {
            Ok((bytes(store.data_mut(), count),))
        })?;
    }
    Ok(())
}

fn bytes(state: &mut State, count: u32) -> Result<Vec<u8>, Error> {
    if count > MAX_BYTES {
        return Err(Error::TooMany);
    }
    let allowed = state.take_operation() && state.host().is_some();
    let count = usize::try_from(count).ok().filter(|_| allowed);
    let bytes = count.and_then(|count| {
        let mut bytes = vec![0; count];
        getrandom::fill(&mut bytes).ok().map(|()| bytes)
    });
    bytes.ok_or(Error::Unavailable)
}
