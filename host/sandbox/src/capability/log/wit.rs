//! The import `log`: a component's words for the operator.
//!
//! They become events of the call's trace, marked as the component's own, and nothing else. They never
//! reach the agent.

use wasmtime::component::{Linker, WasmStr};

use super::{PUBLISHED, bindings::log::Level, guest::State};

fn level(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

/// What is looked at of a message: more than is kept of it.
const MAX_MESSAGE: usize = 8 << 10;

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for version in PUBLISHED {
        let mut log = linker.instance(&format!("tollgate:adapter/log@{version}"))?;
        log.func_wrap("log", |store, (severity, message): (Level, WasmStr)| {
            let store: wasmtime::StoreContextMut<'_, State> = store;
            if let Some(host) = store.data().host() {
                // Borrowed from the guest's memory, so a long message costs no more than its beginning.
                let message = message.to_str(&store)?;
                let beginning = message.floor_char_boundary(MAX_MESSAGE);
                host.capabilities.log(
                    level(severity),
                    message.get(..beginning).unwrap_or_default(),
                );
            }
            Ok(())
        })?;
    }
    Ok(())
}
