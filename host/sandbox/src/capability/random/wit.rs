//! The import `random`: bytes from the operating system.
//!
//! Not decided, because they reveal no data; bounded, and counted as operations. Unavailable while tools
//! are listed.

use wasmtime::{StoreContextMut, component::Linker};

use crate::{
    PUBLISHED,
    bindings::random::Error,
    call::{Call, GuestState},
    capability::interface,
};

/// The most bytes at once.
const MAX_BYTES: u32 = 64 << 10;

pub(crate) fn add_to_linker<T: GuestState>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    for version in PUBLISHED {
        let mut random = linker.instance(&interface("random", version))?;
        random.func_wrap(
            "bytes",
            |mut store: StoreContextMut<'_, T>, (count,): (u32,)| {
                Ok((bytes(store.data_mut().call_mut(), count),))
            },
        )?;
    }
    Ok(())
}

fn bytes<P: ?Sized>(call: &mut Call<P>, count: u32) -> Result<Vec<u8>, Error> {
    if count > MAX_BYTES {
        return Err(Error::TooMany);
    }
    let allowed = call.take_operation() && call.host().is_some();
    let count = usize::try_from(count).ok().filter(|_| allowed);
    let bytes = count.and_then(|count| {
        let mut bytes = vec![0; count];
        getrandom::fill(&mut bytes).ok().map(|()| bytes)
    });
    bytes.ok_or(Error::Unavailable)
}
