//! A double of the host, so that an adapter's tests run natively under `cargo test`.
//!
//! Grants are in memory and belong to the thread that made them, so tests do not affect each other. The
//! double follows the contract of the WIT but does not decide by policy: only [`TestGrant::deny`] refuses.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::{Content, calls::ErrorKind, log::Level};

mod config;
mod web;

pub use crate::files::Mode;
pub(crate) use config::host as config_host;
pub use config::{config, deny_config};
pub use web::{TestSecret, TestWeb, secret, web};
pub(crate) use web::{http, secrets};

thread_local! {
    static GRANTS: RefCell<BTreeMap<String, Directory>> = const { RefCell::new(BTreeMap::new()) };
    static NOW: RefCell<u64> = const { RefCell::new(1_795_428_000_000) };
    static SEED: RefCell<u64> = const { RefCell::new(0) };
    static REPORTED: RefCell<Vec<Report>> = const { RefCell::new(Vec::new()) };
    static KEPT: RefCell<BTreeMap<(bool, String), Vec<u8>>> = const { RefCell::new(BTreeMap::new()) };
    static KEEPS_NOTHING: RefCell<Option<String>> = const { RefCell::new(None) };
    static TOOLS: RefCell<BTreeMap<String, TestTool>> = const { RefCell::new(BTreeMap::new()) };
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

/// A report of [`progress`](crate::progress): how far, out of how much, and the message.
pub type Report = (u64, Option<u64>, String);

/// The reports of progress on this thread since the last call.
#[must_use]
pub fn reported() -> Vec<Report> {
    REPORTED.take()
}

/// Sets this thread's clock, in milliseconds since 1970. It does not advance; until it is set, it is 10:00
/// on Monday, 2026-11-23.
pub fn at(unix_millis: u64) {
    NOW.set(unix_millis);
}

/// Restarts this thread's random sequence from `seed`. It is repeatable, and not random at all.
pub fn seed(seed: u64) {
    SEED.set(seed);
}

/// Another component's tool in a test: from canonical arguments to content.
type TestTool = std::rc::Rc<dyn Fn(&str) -> Result<Vec<Content>, ErrorKind>>;

/// Answers [`calls`](crate::calls) of a tool on this thread. Tools without an answer do not exist.
pub fn answer(tool: &str, answer: impl Fn(&str) -> Result<Vec<Content>, ErrorKind> + 'static) {
    TOOLS.with_borrow_mut(|tools| tools.insert(tool.to_owned(), std::rc::Rc::new(answer)));
}

/// Refuses every operation of [`state`](crate::state) on this thread from now on, with this reason.
pub fn deny_state(reason: &str) {
    KEEPS_NOTHING.set(Some(reason.to_owned()));
}

/// Deletes this thread's [`state`](crate::state) for the run, as when a run ends.
pub fn end_run() {
    KEPT.with_borrow_mut(|kept| kept.retain(|(of_run, _), _| !of_run));
}

/// The messages that were logged on this thread since the last call.
#[must_use]
pub fn logged() -> Vec<(Level, String)> {
    LOGGED.take()
}

impl TestGrant {
    /// Creates a file, in any mode.
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

pub(crate) fn report(progress: u64, total: Option<u64>, message: &str) {
    REPORTED.with_borrow_mut(|reported| reported.push((progress, total, message.to_owned())));
}

/// The functions of the WIT's `clock`.
pub(crate) mod clock {
    pub(crate) fn now() -> u64 {
        super::NOW.with_borrow(|now| *now)
    }

    pub(crate) fn elapsed() -> u64 {
        0
    }
}

/// The function of the WIT's `random`, as a predictable sequence.
pub(crate) mod random {
    use crate::bindings::tollgate::adapter::random::Error;

    pub(crate) fn bytes(count: u32) -> Result<Vec<u8>, Error> {
        if count > crate::random::MAX_BYTES {
            return Err(Error::TooMany);
        }
        // SplitMix64: every seed gives another sequence.
        let next = |state: &mut u64| {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = *state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) as u8
        };
        super::SEED.with_borrow_mut(|state| Ok((0..count).map(|_| next(state)).collect()))
    }
}

/// The functions of the WIT's `state`, on this thread's values.
pub(crate) mod state {
    use super::{KEEPS_NOTHING, KEPT};
    use crate::files::Denial;
    use crate::state::{ErrorKind, MAX_VALUE, Scope};

    fn of_run(scope: Scope) -> bool {
        matches!(scope, Scope::Run)
    }

    fn allowed() -> Result<(), ErrorKind> {
        match KEEPS_NOTHING.with_borrow(Clone::clone) {
            Some(reason) => Err(ErrorKind::Denied(Denial {
                decision: "test".to_owned(),
                reason,
                approval: None,
            })),
            None => Ok(()),
        }
    }

    fn checked(key: &str) -> Result<(), ErrorKind> {
        allowed()?;
        if key.is_empty() || key.len() > 256 || key.chars().any(char::is_control) {
            let rule = "it has 1 to 256 bytes, without control characters";
            return Err(ErrorKind::InvalidKey(rule.to_owned()));
        }
        Ok(())
    }

    pub(crate) fn get(scope: Scope, key: &str) -> Result<Option<Vec<u8>>, ErrorKind> {
        checked(key)?;
        Ok(KEPT.with_borrow(|kept| kept.get(&(of_run(scope), key.to_owned())).cloned()))
    }

    pub(crate) fn set(scope: Scope, key: &str, value: &[u8]) -> Result<(), ErrorKind> {
        checked(key)?;
        if value.len() > MAX_VALUE {
            return Err(ErrorKind::TooLarge);
        }
        let key = (of_run(scope), key.to_owned());
        KEPT.with_borrow_mut(|kept| kept.insert(key, value.to_vec()));
        Ok(())
    }

    pub(crate) fn delete(scope: Scope, key: &str) -> Result<bool, ErrorKind> {
        checked(key)?;
        let key = (of_run(scope), key.to_owned());
        Ok(KEPT.with_borrow_mut(|kept| kept.remove(&key)).is_some())
    }

    pub(crate) fn list_keys(scope: Scope, prefix: &str) -> Result<Vec<String>, ErrorKind> {
        allowed()?;
        let keys = |kept: &super::BTreeMap<(bool, String), Vec<u8>>| {
            kept.keys()
                .filter(|(run, key)| *run == of_run(scope) && key.starts_with(prefix))
                .map(|(_, key)| key.clone())
                .collect()
        };
        Ok(KEPT.with_borrow(keys))
    }

    pub(crate) fn compare_and_set(
        scope: Scope,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
    ) -> Result<bool, ErrorKind> {
        if get(scope, key)?.as_deref() != expected {
            return Ok(false);
        }
        set(scope, key, value)?;
        Ok(true)
    }
}

/// The function of the WIT's `calls`, on this thread's answers.
pub(crate) mod calls {
    use super::TOOLS;
    use crate::{Content, calls::ErrorKind};

    pub(crate) fn call(tool: &str, arguments: &str) -> Result<Vec<Content>, ErrorKind> {
        let found = TOOLS.with_borrow(|tools| tools.get(tool).cloned());
        match found {
            Some(answer) => answer(arguments),
            None => Err(ErrorKind::Invalid(format!("there is no tool `{tool}`"))),
        }
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
                    approval: None,
                }));
            }
            if needs == Mode::ReadWrite && directory.mode == Mode::ReadOnly {
                return Err(ErrorKind::ReadOnly);
            }
            act(directory)
        })
    }
}
