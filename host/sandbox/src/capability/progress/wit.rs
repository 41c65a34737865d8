//! The import `progress`: progress reports, in the component's own words.
//!
//! Reports are bounded here and kept as events of the trace. A report that goes to the caller is content,
//! so its release is decided first, in a task of its own: the decision point measures the remaining stack,
//! which is meaningless on a guest's.

use std::sync::Arc;

use wasmtime::{
    StoreContextMut,
    component::{Linker, WasmStr},
};

use super::{ProgressReport, ProgressSink};
use crate::{
    PUBLISHED,
    call::GuestState,
    capability::{interface, text},
};

type Params = (u64, Option<u64>, WasmStr);

/// Bytes of a message that are read: more than the trace keeps.
const MAX_MESSAGE: usize = 2 << 10;

pub(crate) fn add_to_linker<T: GuestState<Policy: ProgressSink>>(
    linker: &mut Linker<T>,
) -> wasmtime::Result<()> {
    for version in PUBLISHED {
        let mut progress = linker.instance(&interface("progress", version))?;
        progress.func_wrap_async("report", |store: StoreContextMut<'_, T>, params: Params| {
            let report = report(&store, params);
            Box::new(async move {
                let Some(report) = report? else {
                    return Ok(());
                };
                let Some(host) = store.data().call().host() else {
                    return Ok(());
                };
                if let Some(release) = Arc::clone(&host.policy).report(report) {
                    // A task that panicked has not released anything.
                    let _ = host.runtime.spawn(release).await;
                }
                Ok(())
            })
        })?;
    }
    Ok(())
}

/// Reads a report from the guest's memory; `None` while tools are listed.
fn report<T: GuestState>(
    store: &StoreContextMut<'_, T>,
    (progress, total, message): Params,
) -> wasmtime::Result<Option<ProgressReport>> {
    if store.data().call().host().is_none() {
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
