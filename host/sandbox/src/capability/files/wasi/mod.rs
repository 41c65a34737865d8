//! `wasi:filesystem` for components made for WASI 0.2: the component's grants, as preopened directories.
//!
//! Every open, stat, listing and change is one operation of [`files`](super::wit): resolved by handle
//! without following links, decided, recorded, and only then performed. A file is read whole when it is
//! opened, under the decision of the open. Written data is buffered until the file is synced or closed. It
//! then replaces the whole file, under a decision that knows every byte of it, before the guest continues.
//! Links, times and renames of directories are not supported. If a call does not return, nothing of it is
//! stored after its end.

mod content;
mod descriptor;

use std::{
    collections::{BTreeMap, VecDeque},
    marker::PhantomData,
    mem,
    sync::{Arc, atomic::AtomicU64},
};

use wasmtime::{
    StoreContextMut,
    component::{HasData, Linker, Resource, ResourceTable, ResourceType},
};
use wasmtime_wasi::p2::{
    FsError, FsResult,
    bindings::filesystem::{
        preopens,
        types::{self, ErrorCode},
    },
};

use self::content::{Charge, SharedContent};
use super::{
    FileAct,
    operation::{FileOperation, FileRequest, FileResult},
};
use crate::{
    bindings::files::{Entry, Error},
    call::{Call, GuestState},
    port::Authorize,
    resources::GrantMode,
};

/// The most descriptors and listings of one call that are open at once.
const MAX_OPEN: usize = 256;

/// The interface of descriptors, in the version of the bindings.
const TYPES: &str = "wasi:filesystem/types@0.2.12";

/// Replaces the system's file interfaces by ours.
pub(crate) fn add_to_linker<T: FilesystemState>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    types::add_to_linker::<T, HasFilesystem<T::Policy>>(linker, T::filesystem)?;
    preopens::add_to_linker::<T, HasFilesystem<T::Policy>>(linker, T::filesystem)?;
    // The generated bindings close without waiting, but written data must be stored by then.
    let descriptor = ResourceType::host::<types::Descriptor>();
    linker
        .instance(TYPES)?
        .resource_async("descriptor", descriptor, |store, key| {
            Box::new(close(store, key))
        })?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Closes a descriptor. Later effects of the guest come after its writes.
async fn close<T: FilesystemState>(
    mut store: StoreContextMut<'_, T>,
    key: u32,
) -> wasmtime::Result<()> {
    let mut filesystem = store.data_mut().filesystem();
    filesystem.files.close(key);
    filesystem.store_closed().await;
    Ok(())
}

/// The data of a guest's store with open files.
pub(crate) trait FilesystemState: GuestState<Policy: Authorize<FileAct>> {
    /// The files of the call.
    fn filesystem(&mut self) -> Filesystem<'_, Self::Policy>;
}

/// The files of a call, for one host function.
pub(crate) struct Filesystem<'a, P: ?Sized> {
    pub(crate) call: &'a mut Call<P>,
    pub(crate) files: &'a mut Files,
    pub(crate) table: &'a mut ResourceTable,
}

/// Names [`Filesystem`] for the generated bindings.
struct HasFilesystem<P: ?Sized>(PhantomData<fn(&P)>);

impl<P: ?Sized + 'static> HasData for HasFilesystem<P> {
    type Data<'a> = Filesystem<'a, P>;
}

/// A location: a grant, and a path in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct FileLocation {
    grant: String,
    path: String,
}

impl FileLocation {
    /// The location that `path` names below this one. Equal paths get one spelling: `.` and doubled slashes
    /// are removed. A path that leads out is refused before anything is accessed.
    fn below(&self, path: &str) -> Result<Self, ErrorCode> {
        if path.starts_with('/') || path.len() > 4_096 {
            return Err(ErrorCode::NotPermitted);
        }
        if path.is_empty() {
            return Err(ErrorCode::NoEntry);
        }
        let mut whole = self.path.clone();
        for segment in path.split('/').filter(|s| !matches!(*s, "" | ".")) {
            if segment == ".." {
                return Err(ErrorCode::NotPermitted);
            }
            if !whole.is_empty() {
                whole.push('/');
            }
            whole.push_str(segment);
        }
        Ok(Self {
            grant: self.grant.clone(),
            path: whole,
        })
    }
}

/// An open file.
#[derive(Debug, Clone)]
struct File {
    location: FileLocation,
    content: SharedContent,
    readable: bool,
    writable: bool,
    /// Whether the guest may know its size: it may read the file, or has emptied or created it.
    sized: bool,
}

#[derive(Debug, Clone)]
enum Descriptor {
    Directory(FileLocation),
    File(File),
}

struct Listing {
    entries: VecDeque<Entry>,
    _charge: Charge,
}

/// The open files of one call.
#[derive(Default)]
pub(crate) struct Files {
    last: u32,
    open: BTreeMap<u32, Descriptor>,
    listings: BTreeMap<u32, Listing>,
    held: Arc<AtomicU64>,
    /// Closed but not yet stored, or still written to by a remaining stream.
    closed: Vec<File>,
    /// Errors of storing closed files, which the guest has not seen.
    failed: Option<String>,
}

impl Files {
    fn next(&mut self) -> Result<u32, ErrorCode> {
        if self.open.len() + self.listings.len() >= MAX_OPEN {
            return Err(ErrorCode::InsufficientMemory);
        }
        self.last = self.last.checked_add(1).ok_or(ErrorCode::Overflow)?;
        Ok(self.last)
    }

    fn push(&mut self, descriptor: Descriptor) -> FsResult<Resource<types::Descriptor>> {
        let key = self.next()?;
        self.open.insert(key, descriptor);
        Ok(Resource::new_own(key))
    }

    /// Data of a closed file must be stored, including what a stream still writes to it.
    fn close(&mut self, key: u32) {
        if let Some(Descriptor::File(file)) = self.open.remove(&key)
            && (file.content.is_changed() || file.writable && file.content.is_shared())
        {
            self.closed.push(file);
        }
    }

    fn get(&self, descriptor: &Resource<types::Descriptor>) -> FsResult<Descriptor> {
        let found = self.open.get(&descriptor.rep()).cloned();
        found.ok_or_else(|| FsError::trap(wasmtime::Error::msg("there is no such descriptor")))
    }

    fn directory(&self, descriptor: &Resource<types::Descriptor>) -> FsResult<FileLocation> {
        match self.get(descriptor)? {
            Descriptor::Directory(location) => Ok(location),
            Descriptor::File(_) => Err(ErrorCode::NotDirectory.into()),
        }
    }

    fn readable(&self, descriptor: &Resource<types::Descriptor>) -> FsResult<File> {
        match self.get(descriptor)? {
            Descriptor::File(file) if file.readable => Ok(file),
            Descriptor::File(_) => Err(ErrorCode::BadDescriptor.into()),
            Descriptor::Directory(_) => Err(ErrorCode::IsDirectory.into()),
        }
    }

    /// Redirects open files from a removed name to the file's new name.
    fn renamed(&mut self, from: &FileLocation, to: &FileLocation) {
        let open = self.open.values_mut().filter_map(|open| match open {
            Descriptor::File(file) => Some(file),
            Descriptor::Directory(_) => None,
        });
        for file in open.chain(&mut self.closed) {
            if file.location == *from {
                file.location = to.clone();
            }
        }
    }

    fn writable(&self, descriptor: &Resource<types::Descriptor>) -> FsResult<File> {
        match self.get(descriptor)? {
            Descriptor::File(file) if file.writable => Ok(file),
            Descriptor::File(_) => Err(ErrorCode::BadDescriptor.into()),
            Descriptor::Directory(_) => Err(ErrorCode::IsDirectory.into()),
        }
    }
}

impl<P: Authorize<FileAct> + ?Sized> Filesystem<'_, P> {
    /// Whether a grant may be written to; `None` if there is no such grant.
    fn may_write(&self, grant: &str) -> Option<bool> {
        let grants = &self.call.host()?.resources.grants;
        let grant = grants.get(grant)?;
        Some(grant.mode == GrantMode::ReadWrite)
    }

    /// One operation, decided and recorded, after closed files are stored.
    async fn operate<T>(
        &mut self,
        location: &FileLocation,
        operation: FileOperation,
        pick: fn(FileResult) -> Option<T>,
    ) -> Result<T, ErrorCode> {
        self.store_closed().await;
        self.request(location, operation, pick).await.map_err(code)
    }

    async fn request<T>(
        &mut self,
        location: &FileLocation,
        operation: FileOperation,
        pick: fn(FileResult) -> Option<T>,
    ) -> Result<T, Error> {
        let (grant, path) = (location.grant.clone(), location.path.clone());
        FileRequest::new(self.call, grant, path, operation)
            .answer(pick)
            .await
    }

    async fn store(&mut self, file: &File) -> Result<(), Error> {
        match file.content.take_changed() {
            Some(bytes) => {
                let write = FileOperation::Write(Arc::new(bytes));
                self.request(&file.location, write, FileResult::nothing)
                    .await
            }
            None => Ok(()),
        }
    }

    async fn store_closed(&mut self) {
        let closed = mem::take(&mut self.files.closed);
        for file in closed {
            if let Err(error) = self.store(&file).await {
                let FileLocation { grant, path } = &file.location;
                let reason = match error {
                    Error::Denied(denial) => denial.reason,
                    other => code(other).to_string(),
                };
                let message =
                    format!("What was written to `/{grant}/{path}` is not stored: {reason}");
                self.files.failed.get_or_insert(message);
            }
            if file.content.is_shared() {
                self.files.closed.push(file);
            }
        }
    }

    /// Stores the guest's written data at the end of its call.
    ///
    /// # Errors
    /// Files that are not stored, with reasons, if the guest does not know it yet.
    pub(crate) async fn finish(&mut self) -> Result<(), String> {
        let open = mem::take(&mut self.files.open).into_values();
        let left = open.filter_map(|descriptor| match descriptor {
            Descriptor::File(file) if file.content.is_changed() => Some(file),
            _ => None,
        });
        self.files.closed.extend(left);
        self.store_closed().await;
        self.files.failed.take().map_or(Ok(()), Err)
    }
}

impl<P: Authorize<FileAct> + ?Sized> preopens::Host for Filesystem<'_, P> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<types::Descriptor>, String)>> {
        let grants: Vec<String> = match self.call.host() {
            Some(host) => host.resources.grants.keys().cloned().collect(),
            None => Vec::new(),
        };
        let mut directories = Vec::new();
        for grant in grants {
            let named = format!("/{grant}");
            let path = String::new();
            let root = Descriptor::Directory(FileLocation { grant, path });
            let opened = self.files.push(root);
            directories.push((
                opened.map_err(|_| wasmtime::Error::msg("too much is open"))?,
                named,
            ));
        }
        Ok(directories)
    }
}

/// The reason as a WASI error code.
fn code(error: Error) -> ErrorCode {
    match error {
        Error::NoSuchGrant | Error::NotFound => ErrorCode::NoEntry,
        Error::Denied(_) | Error::InvalidPath(_) | Error::WrongKind => ErrorCode::NotPermitted,
        Error::ReadOnly => ErrorCode::ReadOnly,
        Error::Exists => ErrorCode::Exist,
        Error::NotEmpty => ErrorCode::NotEmpty,
        Error::TooLarge => ErrorCode::FileTooLarge,
        Error::Failed(_) => ErrorCode::Io,
    }
}
