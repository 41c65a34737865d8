//! The import `files`: files in the directories that the operator granted.

use std::sync::Arc;

use wasmtime::component::{Linker, LinkerInstance, WasmList, WasmStr};

use super::{
    disk::MAX_FILE,
    operation::{FileOperation, FileRequest, FileResult, MAX_TEXT},
    resolve::Grant,
};
use crate::{
    PUBLISHED,
    bindings::files::{Error, Grant as GrantInfo, Mode},
    capability::{GuestStore, interface, text},
    guest::State,
};

type Named = (WasmStr, WasmStr);
type WithData = (WasmStr, WasmStr, WasmList<u8>);

pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for version in PUBLISHED {
        // It has only types, but an import of it must be found.
        linker.instance(&interface("types", version))?;
        let mut files = linker.instance(&interface("files", version))?;
        files.func_wrap("grants", |store: GuestStore<'_>, (): ()| {
            Ok((grants(&store),))
        })?;
        link(&mut files, "read", FileOperation::Read, FileResult::bytes)?;
        link(&mut files, "list", FileOperation::List, FileResult::entries)?;
        link(&mut files, "stat", FileOperation::Stat, FileResult::entry)?;
        link(
            &mut files,
            "delete",
            FileOperation::Delete,
            FileResult::nothing,
        )?;
        link_with_data(&mut files, "write", FileOperation::Write)?;
        link_with_data(&mut files, "create", FileOperation::Create)?;
        link_with_data(&mut files, "append", FileOperation::Append)?;
    }
    Ok(())
}

/// Links a function that takes a grant and a path.
fn link<T>(
    files: &mut LinkerInstance<'_, State>,
    name: &str,
    operation: FileOperation,
    pick: fn(FileResult) -> Option<T>,
) -> wasmtime::Result<()>
where
    (Result<T, Error>,): wasmtime::component::ComponentNamedList + wasmtime::component::Lower,
    T: Send + 'static,
{
    files.func_wrap_async(name, move |store: GuestStore<'_>, (grant, path): Named| {
        let request = lift_request(store, &grant, &path, operation.clone());
        Box::new(async move { Ok((request?.answer(pick).await,)) })
    })
}

/// Links a function that takes a grant, a path and data.
fn link_with_data(
    files: &mut LinkerInstance<'_, State>,
    name: &str,
    operation: fn(Arc<Vec<u8>>) -> FileOperation,
) -> wasmtime::Result<()> {
    files.func_wrap_async(
        name,
        move |store: GuestStore<'_>, (grant, path, data): WithData| {
            // Copied only if it is not larger than a file may be.
            let too_large = data.len() as u64 > MAX_FILE;
            let copy = if too_large {
                Vec::new()
            } else {
                data.as_le_slice(&store).to_vec()
            };
            let request = lift_request(store, &grant, &path, operation(Arc::new(copy)));
            Box::new(async move {
                let request = request?;
                if too_large {
                    return Ok((Err(Error::TooLarge),));
                }
                Ok((request.answer(FileResult::nothing).await,))
            })
        },
    )
}

fn grants(store: &GuestStore<'_>) -> Vec<GrantInfo> {
    let Some(host) = store.data().host() else {
        return Vec::new();
    };
    let info = |grant: &Arc<Grant>| GrantInfo {
        name: grant.name.clone(),
        mode: if grant.read_write {
            Mode::ReadWrite
        } else {
            Mode::ReadOnly
        },
    };
    host.component.grants.values().map(info).collect()
}

/// # Errors
/// A trap: the guest's strings are not UTF-8.
fn lift_request(
    mut store: GuestStore<'_>,
    grant: &WasmStr,
    path: &WasmStr,
    operation: FileOperation,
) -> wasmtime::Result<FileRequest> {
    let grant = text(&store, grant, MAX_TEXT)?;
    let path = text(&store, path, MAX_TEXT)?;
    Ok(FileRequest::new(store.data_mut(), grant, path, operation))
}
