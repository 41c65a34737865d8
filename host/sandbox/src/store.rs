//! The data of a guest's store, where the capabilities and WASI meet.

use wasmtime::{Engine, component::Linker};
use wasmtime_wasi::{WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

use tollgate_model::tool::Limits;

use crate::{
    call::{Call, GuestState, Host},
    capability::{
        self, HostPolicy,
        files::wasi::{Filesystem, FilesystemState},
    },
    meter::{Meter, Resources},
    wasi::{self, Wasi},
};

/// The data of the store.
pub(crate) struct State {
    pub(crate) meter: Meter,
    call: Call<dyn HostPolicy>,
    /// Created when it is first needed, which most components never do.
    wasi: Option<Box<Wasi>>,
}

impl State {
    pub(crate) fn new(
        limits: &Limits,
        resources: Resources,
        host: Option<Host<dyn HostPolicy>>,
    ) -> Self {
        Self {
            meter: Meter::new(limits, resources),
            call: Call::new(limits, host),
            wasi: None,
        }
    }

    /// The call, and its WASI state.
    fn wasi(&mut self) -> (&mut Call<dyn HostPolicy>, &mut Wasi) {
        let new = || Box::new(Wasi::new(self.call.host()));
        let wasi = self.wasi.get_or_insert_with(new);
        (&mut self.call, wasi)
    }

    /// Stores the guest's written data at the end of its call.
    ///
    /// # Errors
    /// Files that are not stored, with reasons, if the guest does not know it yet.
    pub(crate) async fn finish_files(&mut self) -> Result<(), String> {
        match self.wasi {
            Some(_) => self.filesystem().finish().await,
            None => Ok(()),
        }
    }
}

impl GuestState for State {
    type Policy = dyn HostPolicy;

    fn call(&self) -> &Call<dyn HostPolicy> {
        &self.call
    }

    fn call_mut(&mut self) -> &mut Call<dyn HostPolicy> {
        &mut self.call
    }
}

impl FilesystemState for State {
    fn filesystem(&mut self) -> Filesystem<'_, dyn HostPolicy> {
        let (call, wasi) = self.wasi();
        Filesystem {
            call,
            files: &mut wasi.files,
            table: &mut wasi.table,
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (_, wasi) = self.wasi();
        WasiCtxView {
            ctx: &mut wasi.ctx,
            table: &mut wasi.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let (call, wasi) = self.wasi();
        wasi.http.view(call, &mut wasi.table)
    }
}

/// Links everything that a component may import.
///
/// # Errors
/// Two parts define the same import.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasi::add_to_linker(&mut linker)?;
    capability::add_to_linker(&mut linker)?;
    Ok(linker)
}
