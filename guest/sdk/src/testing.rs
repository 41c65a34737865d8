//! A stand-in for the host, so that an adapter's tests run natively under `cargo test`.
//!
//! Grants live in memory and belong to the thread that made them, so tests do not disturb each other.
//! It follows the contract of the WIT, and is no proof of what a host does: no policy is decided here,
//! only [`TestGrant::deny`] refuses.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::log::Level;

mod web;

pub use crate::files::Mode;
pub use web::{TestSecret, TestWeb, secret, web};
pub(crate) use web::{http, secrets};

thread_local! {
    static GRANTS: RefCell<BTreeMap<String, Directory>> = const { RefCell::new(BTreeMap::new()) };
    static LOGGED: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

struct Directory {
    mode: Mode,
    files: BTreeMap<String, Vec<u8>>,
    directories: BTreeSet<String>,
    refusal: Option<String>,
}

/// A grant that lasts as long as this value.
#[derive(Debug)]
pub struct TestGrant {
    name: String,
}

/// Grants an empty directory to the adapter under test.
#[must_use = "the grant ends when this value is dropped"]
pub fn grant(name: &str, mode: Mode) -> TestGrant {
    let directory = Directory {
        mode,
        files: BTreeMap::new(),
        directories: BTreeSet::new(),
        refusal: None,
    };
    GRANTS.with_borrow_mut(|grants| grants.insert(name.to_owned(), directory));
    TestGrant {
        name: name.to_owned(),
    }
}

/// The messages that were logged on this thread since the last call.
#[must_use]
pub fn logged() -> Vec<(Level, String)> {
    LOGGED.take()
}

impl TestGrant {
    /// Puts a file there, whatever the mode.
    pub fn put(&self, path: &str, data: impl AsRef<[u8]>) {
        self.with(|directory| directory.insert(path, data.as_ref().to_vec()));
    }

    /// The content of a file, if there is one and it is text.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<String> {
        self.with(|directory| directory.files.get(path).cloned())
            .and_then(|data| String::from_utf8(data).ok())
    }

    /// The paths of all files.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        self.with(|directory| directory.files.keys().cloned().collect())
    }

    /// Refuses every operation from now on, with this reason.
    pub fn deny(&self, reason: &str) {
        self.with(|directory| directory.refusal = Some(reason.to_owned()));
    }

    #[expect(
        clippy::expect_used,
        reason = "the grant exists as long as this value, and only tests come here"
    )]
    fn with<T>(&self, act: impl FnOnce(&mut Directory) -> T) -> T {
        GRANTS
            .with_borrow_mut(|grants| act(grants.get_mut(&self.name).expect("a grant of its own")))
    }
}

impl Drop for TestGrant {
    fn drop(&mut self) {
        GRANTS.with_borrow_mut(|grants| grants.remove(&self.name));
    }
}

impl Directory {
    fn insert(&mut self, path: &str, data: Vec<u8>) {
        let mut parent = path;
        while let Some((above, _)) = parent.rsplit_once('/') {
            self.directories.insert(above.to_owned());
            parent = above;
        }
        self.files.insert(path.to_owned(), data);
    }

    fn holds(&self, path: &str) -> bool {
        path.is_empty() || self.directories.contains(path)
    }
}

pub(crate) fn log(level: Level, message: &str) {
    LOGGED.with_borrow_mut(|logged| logged.push((level, message.to_owned())));
}

/// The functions of the WIT's `files`, on the grants of this thread.
pub(crate) mod files {
    use super::{Directory, GRANTS};
    use crate::files::{Denial, Entry, ErrorKind, Grant, Kind, Mode};

    pub(crate) fn grants() -> Vec<Grant> {
        let grant = |(name, directory): (&String, &Directory)| Grant {
            name: name.clone(),
            mode: directory.mode,
        };
        GRANTS.with_borrow(|grants| grants.iter().map(grant).collect())
    }

    pub(crate) fn read(grant: &str, path: &str) -> Result<Vec<u8>, ErrorKind> {
        at(grant, path, Mode::ReadOnly, |directory| {
            match directory.files.get(path) {
                Some(data) => Ok(data.clone()),
                None if directory.holds(path) => Err(ErrorKind::WrongKind),
                None => Err(ErrorKind::NotFound),
            }
        })
    }

    pub(crate) fn write(grant: &str, path: &str, data: &[u8]) -> Result<(), ErrorKind> {
        at(grant, path, Mode::ReadWrite, |directory| {
            put(directory, path, data.to_vec())
        })
    }

    pub(crate) fn create(grant: &str, path: &str, data: &[u8]) -> Result<(), ErrorKind> {
        at(grant, path, Mode::ReadWrite, |directory| {
            if directory.holds(path) || directory.files.contains_key(path) {
                return Err(ErrorKind::Exists);
            }
            put(directory, path, data.to_vec())
        })
    }

    pub(crate) fn append(grant: &str, path: &str, data: &[u8]) -> Result<(), ErrorKind> {
        at(grant, path, Mode::ReadWrite, |directory| {
            let mut whole = directory.files.get(path).cloned().unwrap_or_default();
            whole.extend_from_slice(data);
            put(directory, path, whole)
        })
    }

    pub(crate) fn list(grant: &str, path: &str) -> Result<Vec<Entry>, ErrorKind> {
        at(grant, path, Mode::ReadOnly, |directory| {
            if directory.files.contains_key(path) {
                return Err(ErrorKind::WrongKind);
            }
            if !directory.holds(path) {
                return Err(ErrorKind::NotFound);
            }
            let child = |whole: &str| {
                let (parent, name) = whole.rsplit_once('/').unwrap_or(("", whole));
                (parent == path).then(|| name.to_owned())
            };
            let files = directory.files.iter().filter_map(|(whole, data)| {
                child(whole).map(|name| Entry {
                    name,
                    kind: Kind::File,
                    size: data.len() as u64,
                })
            });
            let directories = directory.directories.iter().filter_map(|whole| {
                child(whole).map(|name| Entry {
                    name,
                    kind: Kind::Directory,
                    size: 0,
                })
            });
            let mut entries: Vec<Entry> = files.chain(directories).collect();
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(entries)
        })
    }

    pub(crate) fn stat(grant: &str, path: &str) -> Result<Entry, ErrorKind> {
        at(grant, path, Mode::ReadOnly, |directory| {
            let name = path.rsplit('/').next().unwrap_or_default().to_owned();
            match directory.files.get(path) {
                Some(data) => Ok(Entry {
                    name,
                    kind: Kind::File,
                    size: data.len() as u64,
                }),
                None if directory.holds(path) => Ok(Entry {
                    name,
                    kind: Kind::Directory,
                    size: 0,
                }),
                None => Err(ErrorKind::NotFound),
            }
        })
    }

    pub(crate) fn delete(grant: &str, path: &str) -> Result<(), ErrorKind> {
        at(grant, path, Mode::ReadWrite, |directory| {
            if directory.files.remove(path).is_some() {
                return Ok(());
            }
            if !directory.holds(path) {
                return Err(ErrorKind::NotFound);
            }
            let inside = format!("{path}/");
            let mut others = directory.files.keys().chain(&directory.directories);
            if path.is_empty() || others.any(|other| other.starts_with(&inside)) {
                return Err(ErrorKind::NotEmpty);
            }
            directory.directories.remove(path);
            Ok(())
        })
    }

    fn put(directory: &mut Directory, path: &str, data: Vec<u8>) -> Result<(), ErrorKind> {
        let mut parents = path
            .match_indices('/')
            .filter_map(|(end, _)| path.get(..end));
        if directory.holds(path) || parents.any(|parent| directory.files.contains_key(parent)) {
            return Err(ErrorKind::WrongKind);
        }
        directory.insert(path, data);
        Ok(())
    }

    fn at<T>(
        grant: &str,
        path: &str,
        needs: Mode,
        act: impl FnOnce(&mut Directory) -> Result<T, ErrorKind>,
    ) -> Result<T, ErrorKind> {
        let broken = path.chars().any(|c| c.is_control() || c == '\\')
            || (!path.is_empty()
                && path
                    .split('/')
                    .any(|segment| ["", ".", ".."].contains(&segment)));
        if broken {
            return Err(ErrorKind::InvalidPath(
                "write it with `/`, without `.`, `..` and empty segments".to_owned(),
            ));
        }
        GRANTS.with_borrow_mut(|grants| {
            let directory = grants.get_mut(grant).ok_or(ErrorKind::NoSuchGrant)?;
            if let Some(reason) = &directory.refusal {
                return Err(ErrorKind::Denied(Denial {
                    decision: "test".to_owned(),
                    reason: reason.clone(),
                }));
            }
            if needs == Mode::ReadWrite && directory.mode == Mode::ReadOnly {
                return Err(ErrorKind::ReadOnly);
            }
            act(directory)
        })
    }
}
