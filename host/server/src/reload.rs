//! Puts changed files into force: configuration, lock, policies, components.
//!
//! A change only triggers a reload: the gate loads everything again, and if anything is wrong, nothing changes.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use notify::{Event, EventKind, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tollgate::{config::Config, gate::Gate, load::LoadError, lock::Lock};

/// How long files must be unchanged before a reload, because editors write in several steps.
const QUIET: Duration = Duration::from_millis(300);
/// The actor of these reloads in records.
const BY: &str = "file watch";

/// Watches the files that the configuration names until `until` is cancelled, and reloads when they change.
/// `tell` is called with the result of each reload.
///
/// # Errors
/// The error of the operating system if files cannot be watched.
pub async fn watch(
    gate: Gate,
    until: CancellationToken,
    tell: impl Fn(Result<(), LoadError>) + Send,
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
        tell(gate.reload(BY).await);
    }
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
