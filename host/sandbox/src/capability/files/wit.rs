//! The import `files`: files in the directories that the operator granted.

use std::sync::Arc;

use wasmtime::{
    StoreContextMut,
    component::{ComponentNamedList, Linker, LinkerInstance, Lower, WasmList, WasmStr},
};

use super::{
    FileAct,
    disk::MAX_FILE,
    operation::{FileOperation, FileRequest, FileResult, MAX_TEXT},
};
use crate::{
    PUBLISHED,
    bindings::files::{Error, Grant as GrantInfo, Mode},
    call::GuestState,
    capability::{interface, text},
    port::Authorize,
    resources::{Grant, GrantMode},
};

type GrantAndPath = (WasmStr, WasmStr);
type WithData = (WasmStr, WasmStr, WasmList<u8>);

pub(crate) fn add_to_linker<T: GuestState<Policy: Authorize<FileAct>>>(
    linker: &mut Linker<T>,
) -> wasmtime::Result<()> {
    for version in PUBLISHED {
        // It has only types, but an import of it must be found.
        linker.instance(&interface("types", version))?;
        let mut files = linker.instance(&interface("files", version))?;
        files.func_wrap("grants", |store: StoreContextMut<'_, T>, (): ()| {
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
fn link<T: GuestState<Policy: Authorize<FileAct>>, R>(
    files: &mut LinkerInstance<'_, T>,
    name: &str,
    operation: FileOperation,
    pick: fn(FileResult) -> Option<R>,
) -> wasmtime::Result<()>
where
    (Result<R, Error>,): ComponentNamedList + Lower,
    R: Send + 'static,
{
    files.func_wrap_async(
        name,
        move |store: StoreContextMut<'_, T>, (grant, path): GrantAndPath| {
            let request = lift_request(store, &grant, &path, operation.clone());
            Box::new(async move { Ok((request?.answer(pick).await,)) })
        },
    )
}

/// Links a function that takes a grant, a path and data.
fn link_with_data<T: GuestState<Policy: Authorize<FileAct>>>(
    files: &mut LinkerInstance<'_, T>,
    name: &str,
    operation: fn(Arc<Vec<u8>>) -> FileOperation,
) -> wasmtime::Result<()> {
    files.func_wrap_async(
        name,
        move |store: StoreContextMut<'_, T>, (grant, path, data): WithData| {
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

fn grants<T: GuestState>(store: &StoreContextMut<'_, T>) -> Vec<GrantInfo> {
    let Some(host) = store.data().call().host() else {
        return Vec::new();
    };
    let info = |grant: &Arc<Grant>| GrantInfo {
        name: grant.name.clone(),
        mode: match grant.mode {
            GrantMode::ReadWrite => Mode::ReadWrite,
            GrantMode::ReadOnly => Mode::ReadOnly,
        },
    };
    host.resources.grants.values().map(info).collect()
}

/// # Errors
/// A trap: the guest's strings are not UTF-8.
fn lift_request<T: GuestState<Policy: Authorize<FileAct>>>(
    mut store: StoreContextMut<'_, T>,
    grant: &WasmStr,
    path: &WasmStr,
    operation: FileOperation,
) -> wasmtime::Result<FileRequest<T::Policy>> {
    let grant = text(&store, grant, MAX_TEXT)?;
    let path = text(&store, path, MAX_TEXT)?;
    Ok(FileRequest::new(
        store.data_mut().call_mut(),
        grant,
        path,
        operation,
    ))
}
