//! The operations on files: the request of each to policy, and the steps that all of them follow.
//!
//! Find the grant, check the path, resolve it by handle, have the operation decided and recorded, and only
//! then read or change the file. If the operation is denied, the guest learns nothing else about the file.
//! No text contains a path of the host.
//!
//! An operation runs in a task of its own, not on the guest's stack. The decision point measures the
//! remaining stack, which is meaningless on a guest's, and a panic of the host ends only the task.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task;
use tollgate_model::{latency_ewma::LatencyEwma, request::Action};

use super::{
    FileAct, FileContent, disk,
    path::RelativePath,
    resolve::{FileError, PathEntry, ResolvedPath},
    temporary::Replace,
};
use crate::{
    bindings::files::{Entry, Error, Kind},
    call::{Call, Host},
    capability::denial,
    port::{Authorize, CallPort, EffectReport, Permit},
    resources::{Grant, GrantMode},
};

/// How often a read is repeated because the file got labels meanwhile.
const MAX_TRIES: u32 = 16;
/// Bytes of a path or a grant's name that are read: longer than any valid one.
pub(crate) const MAX_TEXT: usize = 8_192;
/// Reads of a directory that are faster than this run on the current thread: switching threads takes
/// longer.
const QUICK: Duration = Duration::from_micros(100);

/// The operation.
#[derive(Debug, Clone)]
pub(crate) enum FileOperation {
    Read,
    Write(Arc<Vec<u8>>),
    Create(Arc<Vec<u8>>),
    Append(Arc<Vec<u8>>),
    List,
    Stat,
    Delete,
    /// Open, as `wasi:filesystem` does.
    Open(OpenMode),
    /// Remove an entry of this kind only.
    Remove {
        directory: bool,
    },
    /// Create a directory in an existing one.
    MakeDirectory,
}

/// How an entry is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenMode {
    /// To read a file, or to walk a directory.
    Read,
    /// To walk a directory.
    Directory,
    /// To write a file.
    Write {
        create: bool,
        exclusive: bool,
        truncate: bool,
    },
}

impl FileOperation {
    /// The request to policy for the resolved entry.
    pub(crate) fn action(&self, found: PathEntry) -> Action {
        match (self, found) {
            (Self::Write(_) | Self::Create(_) | Self::Append(_) | Self::MakeDirectory, _)
            | (Self::Open(OpenMode::Write { .. }), _) => Action::WriteFile,
            (Self::Remove { directory: true }, _) | (Self::Delete, PathEntry::Directory) => {
                Action::DeleteDirectory
            }
            (Self::Remove { directory: false } | Self::Delete, _) => Action::DeleteFile,
            (Self::List | Self::Open(OpenMode::Directory), _)
            | (Self::Stat | Self::Open(OpenMode::Read), PathEntry::Directory) => {
                Action::ListDirectory
            }
            (Self::Read | Self::Stat | Self::Open(OpenMode::Read), _) => Action::ReadFile,
        }
    }

    pub(crate) fn changes(&self) -> bool {
        !matches!(
            self,
            Self::Read | Self::List | Self::Stat | Self::Open(OpenMode::Read | OpenMode::Directory)
        )
    }

    /// Whether it is valid for the grant's own directory.
    pub(crate) fn takes_root(&self) -> bool {
        matches!(
            self,
            Self::List | Self::Stat | Self::Open(OpenMode::Read | OpenMode::Directory)
        )
    }

    /// Bytes to be written.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Write(data) | Self::Create(data) | Self::Append(data) => data.len() as u64,
            _ => 0,
        }
    }

    /// The data to be written.
    fn content(&self) -> Option<FileContent> {
        let (operation, bytes) = match self {
            Self::Write(data) => ("write", data),
            Self::Create(data) => ("create", data),
            Self::Append(data) => ("append", data),
            _ => return None,
        };
        let bytes = Arc::clone(bytes);
        Some(FileContent { operation, bytes })
    }

    /// Performs it. Blocks on the disk.
    pub(crate) fn perform(self, at: ResolvedPath, grant: &Grant) -> Result<FileResult, FileError> {
        match self {
            Self::Read => disk::read(&at).map(FileResult::Bytes),
            Self::Write(data) => disk::write(at, &data, Replace::Yes).map(|()| FileResult::Nothing),
            Self::Create(data) => disk::write(at, &data, Replace::No).map(|()| FileResult::Nothing),
            Self::Append(data) => {
                disk::append(at, &data, &grant.appending).map(|()| FileResult::Nothing)
            }
            Self::List => disk::list(&at)
                .map(|list| FileResult::Entries(list.into_iter().map(entry).collect())),
            Self::Stat => disk::stat(&at).map(|found| FileResult::Entry(entry(found))),
            Self::Delete => disk::delete(&at).map(|()| FileResult::Nothing),
            Self::Open(mode) => open(mode, at),
            Self::Remove { directory } => match (at.found, directory) {
                (PathEntry::File { .. }, true) | (PathEntry::Directory, false) => {
                    Err(FileError::WrongKind)
                }
                _ => disk::delete(&at).map(|()| FileResult::Nothing),
            },
            Self::MakeDirectory => disk::make_directory(&at).map(|()| FileResult::Nothing),
        }
    }
}

/// A directory's entry, or a file's content. Data is written to the disk later.
fn open(mode: OpenMode, at: ResolvedPath) -> Result<FileResult, FileError> {
    match (mode, at.found) {
        (OpenMode::Read | OpenMode::Directory, PathEntry::Directory) => {
            disk::stat(&at).map(|found| FileResult::Entry(entry(found)))
        }
        (OpenMode::Directory, PathEntry::File { .. }) => Err(FileError::WrongKind),
        (OpenMode::Write { create: true, .. }, PathEntry::Nothing) => {
            if !at.missing.is_empty() {
                return Err(FileError::NotFound);
            }
            disk::write(at, &[], Replace::No).map(|()| FileResult::Bytes(Vec::new()))
        }
        (
            OpenMode::Write {
                exclusive: true, ..
            },
            PathEntry::File { .. } | PathEntry::Directory,
        ) => Err(FileError::Exists),
        (OpenMode::Write { truncate: true, .. }, PathEntry::File { .. }) => {
            Ok(FileResult::Bytes(Vec::new()))
        }
        _ => disk::read(&at).map(FileResult::Bytes),
    }
}

fn entry(found: disk::Entry) -> Entry {
    let kind = if found.directory {
        Kind::Directory
    } else {
        Kind::File
    };
    Entry {
        name: found.name,
        kind,
        size: found.size,
    }
}

/// The result of an operation.
pub(crate) enum FileResult {
    Nothing,
    Bytes(Vec<u8>),
    Entries(Vec<Entry>),
    Entry(Entry),
}

impl FileResult {
    pub(crate) fn nothing(self) -> Option<()> {
        matches!(self, Self::Nothing).then_some(())
    }

    pub(crate) fn bytes(self) -> Option<Vec<u8>> {
        if let Self::Bytes(bytes) = self {
            Some(bytes)
        } else {
            None
        }
    }

    pub(crate) fn entries(self) -> Option<Vec<Entry>> {
        if let Self::Entries(entries) = self {
            Some(entries)
        } else {
            None
        }
    }

    pub(crate) fn entry(self) -> Option<Entry> {
        if let Self::Entry(entry) = self {
            Some(entry)
        } else {
            None
        }
    }

    /// Bytes read or written.
    pub(crate) fn size(&self, written: u64) -> u64 {
        if let Self::Bytes(bytes) = self {
            bytes.len() as u64
        } else {
            written
        }
    }
}

/// Tells the operator of a path that was refused before anything was decided: auditors look for attempts to leave
/// a grant.
pub(crate) fn log_refusal<P: CallPort + ?Sized>(
    host: &Host<P>,
    grant: &str,
    path: &str,
    reason: &str,
) {
    let message = format!("the path `{path}` in `{grant}` was refused: {reason}");
    host.policy.log("warn", &message);
}

/// Set when the call ends while an operation waits: an operation that has not begun by then never begins.
#[derive(Default)]
struct CallOver(Arc<AtomicBool>);

impl Drop for CallOver {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// An operation as the guest requests it, not checked yet.
pub(crate) struct FileRequest<P: ?Sized> {
    host: Option<Host<P>>,
    grant: String,
    path: String,
    operation: FileOperation,
    /// Whether the guest may request another operation.
    counted: bool,
}

impl<P: Authorize<FileAct> + ?Sized> FileRequest<P> {
    pub(crate) fn new(
        call: &mut Call<P>,
        grant: String,
        path: String,
        operation: FileOperation,
    ) -> Self {
        Self {
            counted: call.take_operation(),
            host: call.host().cloned(),
            grant,
            path,
            operation,
        }
    }

    /// Authorizes and performs it. `pick` selects the guest function's return value.
    pub(crate) async fn answer<T>(self, pick: fn(FileResult) -> Option<T>) -> Result<T, Error> {
        let Some(host) = self.host.clone() else {
            return Err(Error::NoSuchGrant);
        };
        if !self.counted {
            return Err(Error::Failed(
                "this call has asked for too many file operations".into(),
            ));
        }
        let call = CallOver::default();
        let over = Arc::clone(&call.0);
        let runtime = host.runtime.clone();
        let (grant, path) = (self.grant.clone(), self.path.clone());
        let result = runtime.spawn(self.perform(host.clone(), over)).await;
        drop(call);
        let broken = || Error::Failed("the host could not do it".into());
        if let Ok(Err(Error::InvalidPath(reason))) = &result {
            log_refusal(&host, &grant, &path, reason);
        }
        // A task that panicked has not allowed anything.
        pick(result.map_err(|_| broken())??).ok_or_else(broken)
    }

    async fn perform(self, host: Host<P>, over: Arc<AtomicBool>) -> Result<FileResult, Error> {
        let operation = self.operation;
        let grants = &host.resources.grants;
        let grant = grants.get(&self.grant).ok_or(Error::NoSuchGrant)?.clone();
        if operation.changes() && grant.mode == GrantMode::ReadOnly {
            return Err(Error::ReadOnly);
        }
        let path = RelativePath::new(&self.path).map_err(|rule| Error::InvalidPath(rule.into()))?;
        if path.as_str().is_empty() && !operation.takes_root() {
            return Err(Error::InvalidPath(
                "it names the grant's own directory".into(),
            ));
        }
        let attempt = Attempt {
            host,
            grant,
            path,
            operation,
            over,
        };
        for _ in 0..MAX_TRIES {
            if let Some(result) = attempt.run().await? {
                return Ok(result);
            }
        }
        Err(Error::Failed(
            "it is written to faster than it can be read".into(),
        ))
    }
}

/// One attempt of an operation.
struct Attempt<P: ?Sized> {
    host: Host<P>,
    grant: Arc<Grant>,
    path: RelativePath,
    operation: FileOperation,
    over: Arc<AtomicBool>,
}

impl<P: Authorize<FileAct> + ?Sized> Attempt<P> {
    /// Resolves, authorizes, performs and reports. Returns `None` if the file got other labels during the
    /// read.
    async fn run(&self) -> Result<Option<FileResult>, Error> {
        let begun = Instant::now();
        let resolved = self.resolve().await?;
        if self.over.load(Ordering::SeqCst) {
            return Err(error(FileError::CallOver));
        }
        let policy = &self.host.policy;
        let permit = policy
            .authorize(self.act(resolved.found))
            .await
            .map_err(|reason| Error::Denied(denial(reason)))?;
        let performed = self.perform(resolved).await;
        self.report(permit, begun, performed)
    }

    async fn resolve(&self) -> Result<ResolvedPath, Error> {
        let (grant, path) = (Arc::clone(&self.grant), self.path.clone());
        let work = move || Ok(grant.resolve(&path));
        on_disk(&self.grant.read_latency, Access::Read, work)
            .await
            .map_err(error)
    }

    fn act(&self, found: PathEntry) -> FileAct {
        FileAct {
            action: self.operation.action(found),
            grant: self.grant.name.clone(),
            path: self.path.as_str().to_owned(),
            directory: self.grant.canonical_path.clone(),
            size: self.operation.size(),
            content: self.operation.content(),
            grant_labels: self.grant.labels.clone(),
            file_labels: Default::default(),
        }
    }

    async fn perform(&self, resolved: ResolvedPath) -> Result<FileResult, FileError> {
        let (grant, over) = (Arc::clone(&self.grant), Arc::clone(&self.over));
        let operation = self.operation.clone();
        let work = move || {
            if over.load(Ordering::SeqCst) {
                return Err(FileError::CallOver);
            }
            operation.perform(resolved, &grant)
        };
        on_disk(&self.grant.read_latency, self.access(), work).await
    }

    fn access(&self) -> Access {
        match self.operation.changes() {
            true => Access::Write,
            false => Access::Read,
        }
    }

    fn report(
        &self,
        permit: Permit<FileAct>,
        begun: Instant,
        performed: Result<FileResult, FileError>,
    ) -> Result<Option<FileResult>, Error> {
        let policy = &self.host.policy;
        let complete = |permit, result| policy.complete(permit, EffectReport::new(begun, result));
        let result = match performed {
            Ok(result) => result,
            Err(fault) => {
                complete(permit, Err(description(fault)));
                return Err(error(fault));
            }
        };
        if self.access() == Access::Read {
            let unchanged = policy.labels_unchanged(&permit);
            if !unchanged.map_err(|reason| Error::Denied(denial(reason)))? {
                let changed = "its labels changed while it was read".to_owned();
                complete(permit, Err(changed));
                return Ok(None);
            }
        }
        complete(permit, Ok(result.size(self.operation.size())));
        Ok(Some(result))
    }
}

/// Whether an operation accesses an existing entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

/// Runs `work` on a blocking thread. Reads run at once if recent ones were fast, because then the data is
/// in memory.
async fn on_disk<T: Send + 'static>(
    latency: &Arc<LatencyEwma>,
    access: Access,
    work: impl FnOnce() -> Result<T, FileError> + Send + 'static,
) -> Result<T, FileError> {
    let reads = access == Access::Read;
    if reads && latency.recent_mean() < QUICK {
        return latency.timed(work);
    }
    let latency = Arc::clone(latency);
    let work = move || if reads { latency.timed(work) } else { work() };
    let failed = |_| FileError::System(std::io::ErrorKind::Other);
    task::spawn_blocking(work).await.map_err(failed)?
}

fn error(fault: FileError) -> Error {
    match fault {
        FileError::NotFound => Error::NotFound,
        FileError::Exists => Error::Exists,
        FileError::WrongKind => Error::WrongKind,
        FileError::NotEmpty => Error::NotEmpty,
        FileError::TooLarge => Error::TooLarge,
        FileError::FoldsCase | FileError::CallOver | FileError::System(_) => {
            Error::Failed(description(fault))
        }
    }
}

/// The text for the record. It never contains a path of the host.
pub(crate) fn description(fault: FileError) -> String {
    match fault {
        FileError::NotFound => "not found".into(),
        FileError::Exists => "something is there already".into(),
        FileError::WrongKind => "of the wrong kind".into(),
        FileError::NotEmpty => "the directory is not empty".into(),
        FileError::TooLarge => "too large".into(),
        FileError::FoldsCase => "the file system does not tell upper case from lower case".into(),
        FileError::CallOver => "the call was over before it began".into(),
        FileError::System(kind) => kind.to_string(),
    }
}
