//! The import `progress`: how far a call has come, in the component's own words.
//!
//! Reports are bounded here and kept as events of the trace. What leaves for the caller is content, so its
//! release is decided first, in a task of its own: the decision point measures how much stack is left, which
//! says nothing on a guest's.

use std::sync::Arc;

use wasmtime::component::{Linker, WasmStr};

use super::ProgressReport;
use crate::{
    PUBLISHED,
    capability::{GuestStore, interface, text},
    guest::State,
};

type Params = (u64, Option<u64>, WasmStr);

/// Bytes of a message that are looked at: more than the trace keeps of it.
const MAX_MESSAGE: usize = 2 << 10;

pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for version in PUBLISHED {
        let mut progress = linker.instance(&interface("progress", version))?;
        progress.func_wrap_async("report", |store: GuestStore<'_>, params: Params| {
            let report = report(&store, params);
            Box::new(async move {
                let Some(report) = report? else {
                    return Ok(());
                };
                let Some(host) = store.data().host() else {
                    return Ok(());
                };
                if let Some(release) = Arc::clone(&host.policy).report(report) {
                    // A task that panicked released nothing.
                    let _ = host.runtime.spawn(release).await;
                }
                Ok(())
            })
        })?;
    }
    Ok(())
}

/// A report out of the guest's memory; nothing while tools are listed.
fn report(
    store: &GuestStore<'_>,
    (progress, total, message): Params,
) -> wasmtime::Result<Option<ProgressReport>> {
    if store.data().host().is_none() {
        return Ok(None);
    }
    let message = text(store, &message, MAX_MESSAGE)?;
    // Exact up to 2^53.
    let number = |n: u64| n as f64;
    Ok(Some(ProgressReport {
        progress: number(progress),
        total: total.map(number),
        message,
    }))
}
