//! Notices changed files: configuration, lock, policies, components.
//!
//! By default a change is only reported, because a file is no one's request: an account that can write it, an
//! agent's for example, would activate policies. With `watch = true` under `[serve]`, policy decides whether the accounts that own the
//! changed files may `activate_policies`, as for `tollgate reload`. Then the gate loads everything again, and if
//! anything is wrong, nothing changes.

mod authors;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use notify::{Event, EventKind, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tollgate::{
    config::Config,
    gate::{Gate, OperateError},
    load::LoadError,
    lock::Lock,
};
use tollgate_model::entity::Uid;

use self::authors::{AuthorError, FileVersions};
use crate::auth::peer::{self, PeerCredentials, PeerError};

/// How long files must be unchanged before a reload, because editors write in several steps.
const QUIET: Duration = Duration::from_millis(300);
/// The actor of these reloads in records.
const BY: &str = "file watch";
/// The superuser, who can replace the gate itself.
const ROOT: u32 = 0;

/// What a change of files has led to.
#[derive(Debug)]
pub enum FileChange {
    /// It is in force.
    Activated,
    /// It takes effect with a reload.
    Noticed,
    /// It is not in force.
    Refused(ReloadError),
}

/// Why a change is not put into force.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// It does not load.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It is not known who changed the files.
    #[error("changed files are not put into force: {0}; use `tollgate reload`")]
    Author(String),
    /// Policy does not let the author activate it.
    #[error("changed files are not put into force: `{user}` owns some of them, and {error}")]
    Denied {
        /// The author.
        user: String,
        /// The denial.
        error: OperateError,
    },
}

impl From<AuthorError> for ReloadError {
    fn from(error: AuthorError) -> Self {
        Self::Author(error.to_string())
    }
}

impl From<PeerError> for ReloadError {
    fn from(error: PeerError) -> Self {
        Self::Author(error.to_string())
    }
}

/// Watches the files that the configuration names until `until` is cancelled. `tell` is called with what each
/// change has led to.
///
/// # Errors
/// The error of the operating system if files cannot be watched.
pub async fn watch(
    gate: Gate,
    until: CancellationToken,
    tell: impl Fn(FileChange) + Send,
) -> Result<(), notify::Error> {
    let (send, mut changes) = mpsc::channel(1);
    let of = gate.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        let ruleset = of.ruleset();
        let matters = |path: &PathBuf| matters(&ruleset.config, path);
        if let Ok(event) = event
            && !matches!(event.kind, EventKind::Access(_))
            && event.paths.iter().any(matters)
        {
            // A full channel is enough: one pending signal covers all changes.
            let _ = send.try_send(());
        }
    })?;
    let mut watched = BTreeSet::new();
    let mut versions = FileVersions::of(&gate.ruleset().config);
    loop {
        let ruleset = gate.ruleset();
        let config = &ruleset.config;
        for (dir, mode) in dirs(config) {
            if watched.insert(dir.clone()) && watcher.watch(&dir, mode).is_err() {
                // The directory does not exist yet; it is tried again after a later change.
                watched.remove(&dir);
            }
        }
        tokio::select! {
            () = until.cancelled() => return Ok(()),
            changed = changes.recv() => if changed.is_none() { return Ok(()) },
        }
        while let Ok(Some(_)) = tokio::time::timeout(QUIET, changes.recv()).await {}
        if until.is_cancelled() {
            return Ok(());
        }
        tell(match gate.ruleset().config.serve.watch {
            false => FileChange::Noticed,
            true => match activate(&gate, &mut versions).await {
                Ok(()) => FileChange::Activated,
                Err(error) => FileChange::Refused(error),
            },
        });
    }
}

/// Puts changed files into force, if policy lets their authors do that. `versions` are those in force.
async fn activate(gate: &Gate, versions: &mut FileVersions) -> Result<(), ReloadError> {
    let (users, permitted) = match permitted_authors(gate, versions).await {
        Ok(permitted) => permitted,
        Err(error) => {
            if matches!(error, ReloadError::Author(_)) {
                gate.refuse_reload(BY, &error.to_string()).await;
            }
            return Err(error);
        }
    };
    let by = match users.is_empty() {
        true => BY.to_owned(),
        false => format!(
            "{BY}, for {}",
            users.into_iter().collect::<Vec<_>>().join(", ")
        ),
    };
    // What was written since is another's, perhaps. It is noticed as a change of its own.
    let is_permitted = |config: &Config| FileVersions::of(config) == permitted;
    if !gate.reload_if(&by, is_permitted).await? {
        let problem = "they have changed while it was decided about them";
        gate.refuse_reload(BY, problem).await;
        return Err(ReloadError::Author(problem.into()));
    }
    *versions = permitted;
    Ok(())
}

/// The users who own the changed files, each of whom policy lets activate policies, and the versions of all files that
/// this is about. Root is none.
async fn permitted_authors(
    gate: &Gate,
    versions: &FileVersions,
) -> Result<(BTreeSet<String>, FileVersions), ReloadError> {
    let ruleset = gate.ruleset();
    let (before, file) = (&ruleset.config, &ruleset.config.file);
    authors::check_private(&BTreeSet::from([file.clone()]))?;
    // Only its owner can have written it, so it is read for the files that it names.
    let after = Config::read(file).map_err(LoadError::from)?;
    // The versions come first: what is written later differs from them.
    let permitted = FileVersions::of(&after);
    let files = authors::files(before)
        .into_iter()
        .chain(authors::files(&after));
    authors::check_private(&files.collect())?;
    let mut changed = versions.changed(&permitted);
    if changed.is_empty() {
        changed.insert(file.clone());
    }
    let own = PeerCredentials::own().uid;
    let mut users = BTreeSet::new();
    for author in authors::authors(&changed)? {
        if author == ROOT && own != ROOT {
            continue;
        }
        let user: Uid = peer::user_of_login(before, &peer::login(author)?)?;
        let allowed = gate.authorize_reload(&user).await;
        allowed.map_err(|error| ReloadError::Denied {
            user: user.id.clone(),
            error,
        })?;
        users.insert(user.id);
    }
    Ok((users, permitted))
}

fn dirs(config: &Config) -> Vec<(PathBuf, RecursiveMode)> {
    let parent = |path: &Path| {
        let parent = path.parent().unwrap_or(Path::new("."));
        (parent.to_path_buf(), RecursiveMode::NonRecursive)
    };
    // The policies come first, because their directory is watched recursively even if other files are in it.
    let mut dirs = vec![(config.policies.clone(), RecursiveMode::Recursive)];
    dirs.push(parent(&config.file));
    dirs.extend(config.components.values().map(|c| parent(&c.path)));
    dirs.extend(config.capture.rules.iter().map(|rules| parent(rules)));
    dirs
}

fn matters(config: &Config, path: &Path) -> bool {
    path == config.file
        || path == Lock::path(&config.file)
        || (path.starts_with(&config.policies)
            && (path.extension().is_some_and(|e| e == "cedar") || path.extension().is_none()))
        || config.components.values().any(|c| c.path == path)
        || config.capture.rules.iter().any(|rules| rules == path)
}
