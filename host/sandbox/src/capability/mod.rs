//! The capabilities of components: one folder per interface, always with the same files.
//!
//! | file | contents |
//! |---|---|
//! | `act.rs` | the request to the [port](crate::port), as plain data; absent if nothing is decided |
//! | `operation.rs` | how it is authorized, performed and reported |
//! | `wit.rs` | the import `tollgate:adapter/NAME`: reads values from the guest's memory, with limits |
//! | `wasi.rs` | the same for components made for WASI, if WASI has such an interface |
//! | `tests.rs` | unit tests |

pub mod calls;
pub mod clock;
pub mod config;
pub mod files;
pub mod http;
pub mod log;
mod outbound;
pub mod progress;
pub mod random;
pub mod secrets;
pub mod state;

use wasmtime::{
    StoreContextMut,
    component::{Linker, WasmStr},
};

use self::{
    config::ConfigAct, files::FileAct, http::HttpAct, progress::ProgressSink, secrets::SecretAct,
    state::StateStore,
};
use crate::{
    bindings::types,
    call::GuestState,
    port::{Authorize, Denial},
};

/// What the capabilities need of the gate during one call, all of them together.
pub trait HostPolicy:
    Authorize<ConfigAct>
    + Authorize<FileAct>
    + Authorize<HttpAct>
    + Authorize<SecretAct>
    + ProgressSink
    + StateStore
{
}

impl<P> HostPolicy for P where
    P: Authorize<ConfigAct>
        + Authorize<FileAct>
        + Authorize<HttpAct>
        + Authorize<SecretAct>
        + ProgressSink
        + StateStore
{
}

/// Links every import of the world.
pub(crate) fn add_to_linker<T>(linker: &mut Linker<T>) -> wasmtime::Result<()>
where
    T: GuestState<Policy = dyn HostPolicy>,
{
    calls::wit::add_to_linker(linker)?;
    clock::wit::add_to_linker(linker)?;
    config::wit::add_to_linker(linker)?;
    files::wit::add_to_linker(linker)?;
    http::wit::add_to_linker(linker)?;
    log::wit::add_to_linker(linker)?;
    progress::wit::add_to_linker(linker)?;
    random::wit::add_to_linker(linker)?;
    secrets::wit::add_to_linker(linker)?;
    state::wit::add_to_linker(linker)
}

/// The interface's name in the linker.
fn interface(name: &str, version: &str) -> String {
    format!("tollgate:adapter/{name}@{version}")
}

/// At most `max` bytes of a guest's text, cut between characters. Borrowed from the guest's memory first,
/// so that only the prefix is copied.
///
/// # Errors
/// A trap if the text is not UTF-8.
fn text<T: 'static>(
    store: &StoreContextMut<'_, T>,
    text: &WasmStr,
    max: usize,
) -> wasmtime::Result<String> {
    let text = text.to_str(store)?;
    let end = text.floor_char_boundary(max);
    Ok(text.get(..end).unwrap_or_default().to_owned())
}

/// A denial in the form of `types.wit`. The guest may quote its text.
fn denial(denial: Denial) -> types::Denial {
    let decision = denial.decision.map(|id| id.to_string());
    types::Denial {
        decision: decision.unwrap_or_else(|| "none".to_owned()),
        reason: denial.reason,
        approval: denial.approval.map(|id| id.to_string()),
    }
}
