//! Operations of a guest on its descriptors. Each function names the operation that is decided. Functions
//! without one use only data that an earlier decision already gave.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
};

use wasmtime::component::Resource;
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, FsError, FsResult,
    bindings::filesystem::types::{
        self, Advice, Descriptor as Handle, DescriptorFlags, DescriptorStat, DescriptorType,
        DirectoryEntry, DirectoryEntryStream, ErrorCode, Filesize, HostDescriptor,
        HostDirectoryEntryStream, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
    },
};

use super::{
    super::FileAct,
    super::operation::{FileOperation, FileResult, OpenMode, log_refusal},
    Charge, Descriptor, File, FileLocation, Filesystem, Listing, SharedContent, code,
    content::{Reader, Writer},
};
use crate::{
    bindings::files::{Entry, Kind},
    port::Authorize,
};

impl<P: Authorize<FileAct> + ?Sized> types::Host for Filesystem<'_, P> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        let error = self.table.get(&error)?;
        Ok(error.downcast_ref::<ErrorCode>().copied())
    }
}

impl<P: Authorize<FileAct> + ?Sized> HostDescriptor for Filesystem<'_, P> {
    async fn open_at(
        &mut self,
        fd: Resource<Handle>,
        _: PathFlags,
        path: String,
        how: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Resource<Handle>> {
        let location = self.locate(&fd, &path)?;
        let readable = flags.contains(DescriptorFlags::READ);
        let truncate = how.contains(OpenFlags::TRUNCATE);
        let writable = flags.contains(DescriptorFlags::WRITE);
        let changes = writable || truncate || how.contains(OpenFlags::CREATE);
        let mode = match (how.contains(OpenFlags::DIRECTORY), changes) {
            (true, true) => return Err(ErrorCode::Invalid.into()),
            (true, false) => OpenMode::Directory,
            (false, false) => OpenMode::Read,
            (false, true) => OpenMode::Write {
                create: how.contains(OpenFlags::CREATE),
                exclusive: how.contains(OpenFlags::EXCLUSIVE),
                truncate,
            },
        };
        // Reading and writing are decided separately.
        if changes && readable && !truncate {
            let read = self
                .operate(&location, FileOperation::Read, FileResult::bytes)
                .await;
            let may_be_made = how.contains(OpenFlags::CREATE);
            match read {
                Err(ErrorCode::NoEntry) if may_be_made => {}
                other => drop(other?),
            }
        }
        let opened = self
            .operate(&location, FileOperation::Open(mode), Some)
            .await?;
        let descriptor = match opened {
            FileResult::Bytes(bytes) => Descriptor::File(File {
                location,
                content: SharedContent::new(bytes, truncate, &self.files.held)?,
                readable,
                writable,
                sized: readable || truncate || how.contains(OpenFlags::EXCLUSIVE),
            }),
            _ => Descriptor::Directory(location),
        };
        self.files.push(descriptor)
    }

    async fn read_directory(
        &mut self,
        fd: Resource<Handle>,
    ) -> FsResult<Resource<DirectoryEntryStream>> {
        let location = self.files.directory(&fd)?;
        let entries = self
            .operate(&location, FileOperation::List, FileResult::entries)
            .await?;
        let size = entries.iter().map(|entry| entry.name.len() as u64 + 64);
        let charge = Charge::new(&self.files.held, size.sum())?;
        let key = self.files.next()?;
        let listing = Listing {
            entries: entries.into(),
            _charge: charge,
        };
        self.files.listings.insert(key, listing);
        Ok(Resource::new_own(key))
    }

    async fn stat_at(
        &mut self,
        fd: Resource<Handle>,
        _: PathFlags,
        path: String,
    ) -> FsResult<DescriptorStat> {
        let location = self.locate(&fd, &path)?;
        let entry = self
            .operate(&location, FileOperation::Stat, FileResult::entry)
            .await?;
        Ok(stat(kind(&entry), entry.size))
    }

    async fn create_directory_at(&mut self, fd: Resource<Handle>, path: String) -> FsResult<()> {
        self.change(&fd, &path, FileOperation::MakeDirectory).await
    }

    async fn unlink_file_at(&mut self, fd: Resource<Handle>, path: String) -> FsResult<()> {
        let remove = FileOperation::Remove { directory: false };
        self.change(&fd, &path, remove).await
    }

    async fn remove_directory_at(&mut self, fd: Resource<Handle>, path: String) -> FsResult<()> {
        let remove = FileOperation::Remove { directory: true };
        self.change(&fd, &path, remove).await
    }

    async fn sync_data(&mut self, fd: Resource<Handle>) -> FsResult<()> {
        self.store_closed().await;
        if let Descriptor::File(file) = self.files.get(&fd)? {
            self.store(&file).await.map_err(code)?;
        }
        Ok(())
    }

    async fn sync(&mut self, fd: Resource<Handle>) -> FsResult<()> {
        self.sync_data(fd).await
    }

    async fn read(
        &mut self,
        fd: Resource<Handle>,
        max: Filesize,
        offset: Filesize,
    ) -> FsResult<(Vec<u8>, bool)> {
        let file = self.files.readable(&fd)?;
        let bytes = file.content.read(offset, max);
        let end = offset.saturating_add(bytes.len() as u64) >= file.content.len();
        Ok((bytes, end))
    }

    async fn write(
        &mut self,
        fd: Resource<Handle>,
        bytes: Vec<u8>,
        offset: Filesize,
    ) -> FsResult<Filesize> {
        let file = self.files.writable(&fd)?;
        file.content.write(Some(offset), &bytes)?;
        Ok(bytes.len() as u64)
    }

    async fn set_size(&mut self, fd: Resource<Handle>, size: Filesize) -> FsResult<()> {
        Ok(self.files.writable(&fd)?.content.resize(size)?)
    }

    fn read_via_stream(
        &mut self,
        fd: Resource<Handle>,
        offset: Filesize,
    ) -> FsResult<Resource<DynInputStream>> {
        let content = self.files.readable(&fd)?.content;
        let reader: DynInputStream = Box::new(Reader { content, offset });
        Ok(self.table.push(reader)?)
    }

    fn write_via_stream(
        &mut self,
        fd: Resource<Handle>,
        offset: Filesize,
    ) -> FsResult<Resource<DynOutputStream>> {
        self.writer(&fd, Some(offset))
    }

    fn append_via_stream(&mut self, fd: Resource<Handle>) -> FsResult<Resource<DynOutputStream>> {
        self.writer(&fd, None)
    }

    async fn get_flags(&mut self, fd: Resource<Handle>) -> FsResult<DescriptorFlags> {
        Ok(match self.files.get(&fd)? {
            Descriptor::File(file) => {
                let mut flags = DescriptorFlags::empty();
                if file.readable {
                    flags |= DescriptorFlags::READ;
                }
                if file.writable {
                    flags |= DescriptorFlags::WRITE;
                }
                flags
            }
            Descriptor::Directory(location) if self.may_write(&location.grant) == Some(true) => {
                DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY
            }
            Descriptor::Directory(_) => DescriptorFlags::READ,
        })
    }

    async fn get_type(&mut self, fd: Resource<Handle>) -> FsResult<DescriptorType> {
        Ok(match self.files.get(&fd)? {
            Descriptor::Directory(_) => DescriptorType::Directory,
            Descriptor::File(_) => DescriptorType::RegularFile,
        })
    }

    async fn stat(&mut self, fd: Resource<Handle>) -> FsResult<DescriptorStat> {
        let file = match self.files.get(&fd)? {
            Descriptor::Directory(_) => return Ok(stat(DescriptorType::Directory, 0)),
            Descriptor::File(file) => file,
        };
        // The size of a file that is open for writing alone tells what others wrote, as reading does.
        if !file.sized {
            self.operate(&file.location, FileOperation::Stat, FileResult::entry)
                .await?;
        }
        Ok(stat(DescriptorType::RegularFile, file.content.len()))
    }

    async fn is_same_object(
        &mut self,
        a: Resource<Handle>,
        b: Resource<Handle>,
    ) -> wasmtime::Result<bool> {
        let location = |descriptor| match descriptor {
            Descriptor::Directory(location) | Descriptor::File(File { location, .. }) => location,
        };
        match (self.files.get(&a), self.files.get(&b)) {
            (Ok(a), Ok(b)) => Ok(location(a) == location(b)),
            _ => Err(wasmtime::Error::msg("there is no such descriptor")),
        }
    }

    async fn metadata_hash(&mut self, fd: Resource<Handle>) -> FsResult<MetadataHashValue> {
        Ok(match self.files.get(&fd)? {
            Descriptor::Directory(location) | Descriptor::File(File { location, .. }) => {
                hash(&location)
            }
        })
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Resource<Handle>,
        _: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        // Depends on the name only, so it reveals nothing about the file.
        Ok(hash(&self.locate(&fd, &path)?))
    }

    async fn advise(
        &mut self,
        _: Resource<Handle>,
        _: Filesize,
        _: Filesize,
        _: Advice,
    ) -> FsResult<()> {
        Ok(())
    }

    async fn set_times(
        &mut self,
        _: Resource<Handle>,
        _: NewTimestamp,
        _: NewTimestamp,
    ) -> FsResult<()> {
        Err(ErrorCode::Unsupported.into())
    }

    async fn set_times_at(
        &mut self,
        _: Resource<Handle>,
        _: PathFlags,
        _: String,
        _: NewTimestamp,
        _: NewTimestamp,
    ) -> FsResult<()> {
        Err(ErrorCode::Unsupported.into())
    }

    async fn link_at(
        &mut self,
        _: Resource<Handle>,
        _: PathFlags,
        _: String,
        _: Resource<Handle>,
        _: String,
    ) -> FsResult<()> {
        Err(ErrorCode::NotPermitted.into())
    }

    async fn symlink_at(&mut self, _: Resource<Handle>, _: String, _: String) -> FsResult<()> {
        Err(ErrorCode::NotPermitted.into())
    }

    async fn readlink_at(&mut self, _: Resource<Handle>, _: String) -> FsResult<String> {
        Err(ErrorCode::NotPermitted.into())
    }

    /// Files only, in three acts that are each decided: read it, write it under its new name in one step,
    /// and delete it under the old one. If only the last is denied, it has both names.
    async fn rename_at(
        &mut self,
        fd: Resource<Handle>,
        path: String,
        new_fd: Resource<Handle>,
        new_path: String,
    ) -> FsResult<()> {
        let from = self.locate(&fd, &path)?;
        let to = self.locate(&new_fd, &new_path)?;
        if self.may_write(&from.grant) != Some(true) {
            return Err(ErrorCode::ReadOnly.into());
        }
        let bytes = self
            .operate(&from, FileOperation::Read, FileResult::bytes)
            .await?;
        if from == to {
            return Ok(());
        }
        let write = FileOperation::Write(Arc::new(bytes));
        self.operate(&to, write, FileResult::nothing).await?;
        let remove = FileOperation::Remove { directory: false };
        self.operate(&from, remove, FileResult::nothing).await?;
        self.files.renamed(&from, &to);
        Ok(())
    }

    fn drop(&mut self, fd: Resource<Handle>) -> wasmtime::Result<()> {
        // Guests do not close this way: see `close` of the linker.
        self.files.close(fd.rep());
        Ok(())
    }
}

impl<P: Authorize<FileAct> + ?Sized> HostDirectoryEntryStream for Filesystem<'_, P> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        let listing = self.files.listings.get_mut(&stream.rep());
        let entry = listing.and_then(|listing| listing.entries.pop_front());
        Ok(entry.map(|entry| DirectoryEntry {
            type_: kind(&entry),
            name: entry.name,
        }))
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.files.listings.remove(&stream.rep());
        Ok(())
    }
}

impl<P: Authorize<FileAct> + ?Sized> Filesystem<'_, P> {
    async fn change(
        &mut self,
        fd: &Resource<Handle>,
        path: &str,
        operation: FileOperation,
    ) -> FsResult<()> {
        let location = self.locate(fd, path)?;
        Ok(self
            .operate(&location, operation, FileResult::nothing)
            .await?)
    }

    /// The location of a path. One that leads out is refused, and the refusal is in the trace.
    fn locate(&mut self, fd: &Resource<Handle>, path: &str) -> FsResult<FileLocation> {
        let directory = self.files.directory(fd)?;
        let location = directory.below(path);
        if let (Err(ErrorCode::NotPermitted), Some(host)) = (&location, self.call.host()) {
            log_refusal(host, &directory.grant, path, "it leads out of the grant");
        }
        Ok(location?)
    }

    fn writer(
        &mut self,
        fd: &Resource<Handle>,
        offset: Option<u64>,
    ) -> FsResult<Resource<DynOutputStream>> {
        let content = self.files.writable(fd)?.content;
        let writer: DynOutputStream = Box::new(Writer { content, offset });
        Ok(self.table.push(writer)?)
    }
}

fn kind(entry: &Entry) -> DescriptorType {
    match entry.kind {
        Kind::Directory => DescriptorType::Directory,
        Kind::File => DescriptorType::RegularFile,
    }
}

/// Times and link names are not provided.
fn stat(type_: DescriptorType, size: u64) -> DescriptorStat {
    DescriptorStat {
        type_,
        link_count: 1,
        size,
        data_access_timestamp: None,
        data_modification_timestamp: None,
        status_change_timestamp: None,
    }
}

fn hash(location: &FileLocation) -> MetadataHashValue {
    let mut hasher = DefaultHasher::new();
    location.hash(&mut hasher);
    let lower = hasher.finish();
    "upper".hash(&mut hasher);
    MetadataHashValue {
        lower,
        upper: hasher.finish(),
    }
}
