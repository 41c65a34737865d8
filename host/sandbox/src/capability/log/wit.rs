//! The import `log`: a component's messages for the operator.
//!
//! They only become events of the call's trace, marked as the component's own. They never reach the agent.

use wasmtime::{
    StoreContextMut,
    component::{Linker, WasmStr},
};

use crate::{
    PUBLISHED,
    bindings::log::Level,
    call::GuestState,
    capability::{interface, text},
    port::CallPort as _,
};

/// Bytes of a message that are read: more than the trace keeps.
const MAX_MESSAGE: usize = 8 << 10;

pub(crate) fn add_to_linker<T: GuestState>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    for version in PUBLISHED {
        let mut log = linker.instance(&interface("log", version))?;
        log.func_wrap(
            "log",
            |store: StoreContextMut<'_, T>, (severity, message): (Level, WasmStr)| {
                if let Some(host) = store.data().call().host() {
                    let message = text(&store, &message, MAX_MESSAGE)?;
                    host.policy.log(level(severity), &message);
                }
                Ok(())
            },
        )?;
    }
    Ok(())
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}
