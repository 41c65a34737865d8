//! The operations on files, as values: what is asked of policy for each, and what came of it in the
//! words of `files.wit`.
//!
//! Nothing here knows a guest. No text names a path of the host.

use std::sync::Arc;

use tollgate_model::request::Action;

use super::{
    bindings::{
        files::{Entry, Error, Kind},
        types::Denial,
    },
    disk::{self, Replace},
    grant::{Fault, Found, Grant, Resolved},
};
use crate::enforce::Refusal;

/// What is to be done.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    Read,
    Write(Arc<Vec<u8>>),
    Create(Arc<Vec<u8>>),
    Append(Arc<Vec<u8>>),
    List,
    Stat,
    Delete,
    /// As `wasi:filesystem` opens.
    Open(Opening),
    /// Remove what is of this kind, and nothing of another.
    Remove {
        directory: bool,
    },
    /// Make a directory in one that exists.
    MakeDirectory,
}

/// How something is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
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

impl Operation {
    /// What is asked of policy, about what was found.
    pub(super) fn action(&self, found: Found) -> Action {
        match (self, found) {
            (Self::Write(_) | Self::Create(_) | Self::Append(_) | Self::MakeDirectory, _)
            | (Self::Open(Opening::Write { .. }), _) => Action::WriteFile,
            (Self::Remove { directory: true }, _) | (Self::Delete, Found::Directory) => {
                Action::DeleteDirectory
            }
            (Self::Remove { directory: false } | Self::Delete, _) => Action::DeleteFile,
            (Self::List | Self::Open(Opening::Directory), _)
            | (Self::Stat | Self::Open(Opening::Read), Found::Directory) => Action::ListDirectory,
            (Self::Read | Self::Stat | Self::Open(Opening::Read), _) => Action::ReadFile,
        }
    }

    pub(super) fn changes(&self) -> bool {
        !matches!(
            self,
            Self::Read | Self::List | Self::Stat | Self::Open(Opening::Read | Opening::Directory)
        )
    }

    /// Whether it makes sense for the grant's own directory.
    pub(super) fn takes_root(&self) -> bool {
        matches!(
            self,
            Self::List | Self::Stat | Self::Open(Opening::Read | Opening::Directory)
        )
    }

    /// Bytes to be written.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Write(data) | Self::Create(data) | Self::Append(data) => data.len() as u64,
            _ => 0,
        }
    }

    /// What is to be written, and how.
    pub(super) fn content(&self) -> Option<(&'static str, Arc<Vec<u8>>)> {
        match self {
            Self::Write(data) => Some(("write", Arc::clone(data))),
            Self::Create(data) => Some(("create", Arc::clone(data))),
            Self::Append(data) => Some(("append", Arc::clone(data))),
            _ => None,
        }
    }

    /// Do it. Blocks on the disk.
    pub(super) fn perform(self, at: Resolved, grant: &Grant) -> Result<Outcome, Fault> {
        match self {
            Self::Read => disk::read(&at).map(Outcome::Bytes),
            Self::Write(data) => disk::write(at, &data, Replace::Yes).map(|()| Outcome::Nothing),
            Self::Create(data) => disk::write(at, &data, Replace::No).map(|()| Outcome::Nothing),
            Self::Append(data) => {
                disk::append(at, &data, &grant.appending).map(|()| Outcome::Nothing)
            }
            Self::List => {
                disk::list(&at).map(|list| Outcome::Entries(list.into_iter().map(entry).collect()))
            }
            Self::Stat => disk::stat(&at).map(|found| Outcome::Entry(entry(found))),
            Self::Delete => disk::delete(&at).map(|()| Outcome::Nothing),
            Self::Open(opening) => open(opening, at),
            Self::Remove { directory } => match (at.found, directory) {
                (Found::File { .. }, true) | (Found::Directory, false) => Err(Fault::WrongKind),
                _ => disk::delete(&at).map(|()| Outcome::Nothing),
            },
            Self::MakeDirectory => disk::make_directory(&at).map(|()| Outcome::Nothing),
        }
    }
}

/// A directory's entry, or a file's content. What is written goes to the disk later.
fn open(opening: Opening, at: Resolved) -> Result<Outcome, Fault> {
    match (opening, at.found) {
        (Opening::Read | Opening::Directory, Found::Directory) => {
            disk::stat(&at).map(|found| Outcome::Entry(entry(found)))
        }
        (Opening::Directory, Found::File { .. }) => Err(Fault::WrongKind),
        (Opening::Write { create: true, .. }, Found::Nothing) => {
            if !at.missing.is_empty() {
                return Err(Fault::NotFound);
            }
            disk::write(at, &[], Replace::No).map(|()| Outcome::Bytes(Vec::new()))
        }
        (
            Opening::Write {
                exclusive: true, ..
            },
            Found::File { .. } | Found::Directory,
        ) => Err(Fault::Exists),
        (Opening::Write { truncate: true, .. }, Found::File { .. }) => {
            Ok(Outcome::Bytes(Vec::new()))
        }
        _ => disk::read(&at).map(Outcome::Bytes),
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

/// What came of it.
pub(super) enum Outcome {
    Nothing,
    Bytes(Vec<u8>),
    Entries(Vec<Entry>),
    Entry(Entry),
}

impl Outcome {
    pub(super) fn nothing(self) -> Option<()> {
        matches!(self, Self::Nothing).then_some(())
    }

    pub(super) fn bytes(self) -> Option<Vec<u8>> {
        if let Self::Bytes(bytes) = self {
            Some(bytes)
        } else {
            None
        }
    }

    pub(super) fn entries(self) -> Option<Vec<Entry>> {
        if let Self::Entries(entries) = self {
            Some(entries)
        } else {
            None
        }
    }

    pub(super) fn entry(self) -> Option<Entry> {
        if let Self::Entry(entry) = self {
            Some(entry)
        } else {
            None
        }
    }

    /// Bytes read or written.
    pub(super) fn size(&self, written: u64) -> u64 {
        if let Self::Bytes(bytes) = self {
            bytes.len() as u64
        } else {
            written
        }
    }
}

/// A refused file operation, as the guest is told.
pub(super) fn refused(refusal: Refusal) -> Error {
    Error::Denied(denial(refusal))
}

/// As [`refused`], for any interface.
pub(super) fn denial(refusal: Refusal) -> Denial {
    // The guest's text may quote it.
    let none = || "none".to_owned();
    let approval = match &refusal {
        Refusal::Pending { approval, .. } => Some(approval.to_string()),
        _ => None,
    };
    let (decision, reason) = match refusal {
        Refusal::Pending {
            decision, basis, ..
        }
        | Refusal::Denied { decision, basis }
        | Refusal::Undecidable { decision, basis } => (decision.to_string(), basis.reason()),
        Refusal::Rejected { until, .. } => {
            let reason = format!("A person rejected it, and it stays denied until {until}.");
            (none(), reason)
        }
        Refusal::Halted { .. } => (none(), "An operator has halted it.".into()),
        Refusal::RunEnded => (none(), "The run has ended.".into()),
        _ => (
            none(),
            "It could not be recorded, so it is not done.".into(),
        ),
    };
    Denial {
        decision,
        reason,
        approval,
    }
}

pub(super) fn error(fault: Fault) -> Error {
    match fault {
        Fault::NotFound => Error::NotFound,
        Fault::Exists => Error::Exists,
        Fault::WrongKind => Error::WrongKind,
        Fault::NotEmpty => Error::NotEmpty,
        Fault::TooLarge => Error::TooLarge,
        Fault::FoldsCase | Fault::CallOver | Fault::System(_) => Error::Failed(description(fault)),
    }
}

/// What the record says. Never a path of the host.
pub(super) fn description(fault: Fault) -> String {
    match fault {
        Fault::NotFound => "not found".into(),
        Fault::Exists => "something is there already".into(),
        Fault::WrongKind => "of the wrong kind".into(),
        Fault::NotEmpty => "the directory is not empty".into(),
        Fault::TooLarge => "too large".into(),
        Fault::FoldsCase => "the file system does not tell upper case from lower case".into(),
        Fault::CallOver => "the call was over before it began".into(),
        Fault::System(kind) => kind.to_string(),
    }
}
