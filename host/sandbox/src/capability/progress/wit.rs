//! The import `progress`: how far a call has come, in the component's own words.
//!
//! Reports are bounded here and kept as events of the trace. What leaves for whoever listens is content,
//! so its release is decided first, in a task of its own: the decision point measures how much stack is
//! left, which means nothing on a guest's.

use std::sync::Arc;

use wasmtime::{
    StoreContextMut,
    component::{Linker, WasmStr},
};

use super::{PUBLISHED, guest::State};

type Params = (u64, Option<u64>, WasmStr);

/// What is looked at of a message: more than is kept of it.
const MAX_MESSAGE: usize = 2 << 10;

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for version in PUBLISHED {
        let mut progress = linker.instance(&format!("tollgate:adapter/progress@{version}"))?;
        progress.func_wrap_async(
            "report",
            |store: StoreContextMut<'_, State>, (progress, total, message): Params| {
                let report = match store.data().host() {
                    // Borrowed from the guest's memory, so a long message costs no more than its beginning.
                    Some(host) => message.to_str(&store).map(|message| {
                        let beginning = message.floor_char_boundary(MAX_MESSAGE);
                        let message = message.get(..beginning).unwrap_or_default();
                        let capabilities = Arc::clone(&host.capabilities);
                        let reported = capabilities.report(progress, total, message);
                        reported.map(|report| (capabilities, report, host.runtime.clone()))
                    }),
                    None => Ok(None),
                };
                Box::new(async move {
                    if let Some((capabilities, report, runtime)) = report? {
                        let released =
                            runtime.spawn(async move { capabilities.release_report(report).await });
                        // A task that panicked released nothing.
                        let _ = released.await;
                    }
                    Ok(())
                })
            },
        )?;
    }
    Ok(())
}
