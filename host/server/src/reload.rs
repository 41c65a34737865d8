//! Puts changed files into force: configuration, lock, policies, components.
//!
//! A change is a signal to look, nothing more: the gate loads everything again, whole or not at all.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use notify::{Event, EventKind, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tollgate::{config::Config, gate::Gate, load::LoadError, lock::Lock};

/// How long nothing must change before what changed is loaded: editors write in several steps.
const QUIET: Duration = Duration::from_millis(300);
/// Who reloads, as records name it.
const BY: &str = "file watch";

/// Watch what the gate's configuration names until `until` is cancelled, and reload when it changes.
/// `tell` hears how each reload ended.
///
/// # Errors
/// What the system says if it does not let itself be watched.
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
            // One that is not taken in time tells no more than the one that is.
            let _ = send.try_send(());
        }
    })?;
    let mut watched = BTreeSet::new();
    loop {
        let ruleset = gate.ruleset();
        let config = &ruleset.config;
        for (dir, mode) in dirs(config) {
            if watched.insert(dir.clone()) && watcher.watch(&dir, mode).is_err() {
                // It is not there yet; a later change may bring it.
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
    // The policies first: what is below them is watched, too, even if they lie next to the rest.
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
