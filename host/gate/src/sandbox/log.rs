//! The import `log`: a component's words for the operator.
//!
//! They become events of the call's trace, marked as the component's own, and nothing else. They never
//! reach the agent.

use wasmtime::component::{ComponentType, Lift, Linker, WasmStr};

use super::{PUBLISHED, run::State};

/// How much a message matters.
#[derive(Debug, Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
enum Level {
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// What is looked at of a message: more than is kept of it.
const MAX_MESSAGE: usize = 8 << 10;

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for version in PUBLISHED {
        let mut log = linker.instance(&format!("tollgate:adapter/log@{version}"))?;
        log.func_wrap("log", |store, (level, message): (Level, WasmStr)| {
            let store: wasmtime::StoreContextMut<'_, State> = store;
            if let Some(host) = store.data().host() {
                // Borrowed from the guest's memory, so a long message costs no more than its beginning.
                let message = message.to_str(&store)?;
                let beginning = message.floor_char_boundary(MAX_MESSAGE);
                host.capabilities
                    .log(level.as_str(), message.get(..beginning).unwrap_or_default());
            }
            Ok(())
        })?;
    }
    Ok(())
}
