//! The gate's own files, which components and servers must not reach.
//!
//! A component that can write the policies, read the master key or replace compiled code controls the gate.
//! So no grant and no root of an upstream server may contain one of the gate's files, or be inside one of
//! its directories. Paths are compared without links, and directories also by device and inode, so that
//! another name for the same directory is recognised.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Component, Path, PathBuf},
};

use super::{LoadError, cache_dir};
use crate::{
    config::{Config, ExternalTools, JwksSource, UpstreamTransport, policy_paths},
    lock::Lock,
    secrets::SecretSource,
};

/// A file or directory of the gate, and its name in errors.
struct ProtectedPath {
    what: &'static str,
    path: PathBuf,
    /// Whether only writing it gives power over the gate: others may read it.
    is_readable: bool,
}

/// A directory that is opened to a component or server.
struct OpenedDirectory<'c> {
    /// Its key in the configuration, such as `grants.work under [components.files]`.
    key: String,
    path: &'c Path,
    is_writable: bool,
}

/// Device and inode.
type Node = (u64, u64);

/// Requires that no opened directory overlaps the gate's own files.
///
/// # Errors
/// [`LoadError::Overlap`].
pub(super) fn check(config: &Config) -> Result<(), LoadError> {
    let protected = protected(config);
    for opened in opened(config) {
        for own in &protected {
            if own.is_readable && !opened.is_writable {
                continue;
            }
            if overlap(opened.path, &own.path) {
                return Err(LoadError::Overlap {
                    key: opened.key,
                    path: opened.path.to_path_buf(),
                    what: own.what,
                    own: own.path.clone(),
                    file: config.file.clone(),
                });
            }
        }
    }
    Ok(())
}

fn protected(config: &Config) -> Vec<ProtectedPath> {
    let mut all = Vec::new();
    let mut add = |what, path: &Path| {
        all.push(ProtectedPath {
            what,
            path: path.to_path_buf(),
            is_readable: false,
        });
    };
    add("the configuration", &config.file);
    add("the lock file", &Lock::path(&config.file));
    for dir in [Some(&config.policies), config.candidate.as_ref()] {
        for path in dir.into_iter().flat_map(|dir| linked_policies(dir)) {
            add("the policies", &path);
        }
    }
    add("the store", &config.store.path);
    add("the master key", &config.store.key);
    add("the cache of compiled code", &cache_dir(config));
    for component in config.components.values() {
        add("the file of a component", &component.path);
    }
    for secret in config.secrets.values() {
        if let SecretSource::File(path) = &secret.source {
            add("the file of a secret", path);
        }
    }
    for external in config.external.values() {
        if let ExternalTools::File(path) = &external.tools {
            add("the definitions of tools", path);
        }
    }
    for path in &config.network.trust {
        add("the trusted certificates", path);
    }
    for path in &config.capture.rules {
        add("the rules of secrets", path);
    }
    if let Some(hook) = &config.hook {
        add("the hook socket", &hook.socket);
    }
    if let Some(tls) = &config.serve.tls {
        add("the TLS key", &tls.key);
        add("the TLS certificate", &tls.cert);
    }
    let jwks = config.serve.oauth.as_ref().map(|oauth| &oauth.jwks);
    if let Some(JwksSource::File(keys)) = jwks {
        add("the keys of the authorization server", keys);
    }
    all.extend(programs(config));
    all
}

/// A directory of policies, and what the links in it lead to.
fn linked_policies(dir: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    // A directory that cannot be read does not load.
    let _ = policy_paths(dir, &mut paths);
    paths.retain(|path| path.is_symlink());
    paths.push(dir.to_path_buf());
    paths
}

/// The programs that the gate starts as itself, and their scripts: who writes them acts as the gate.
fn programs(config: &Config) -> Vec<ProtectedPath> {
    let mut all = Vec::new();
    let mut add = |what, path: PathBuf| {
        all.push(ProtectedPath {
            what,
            path,
            is_readable: true,
        });
    };
    let files = |words: &[String]| -> Vec<PathBuf> {
        // `--require=/srv/x.js` names a file as well.
        let named = words.iter().filter_map(|word| word.rsplit('=').next());
        let named = named.filter(|word| word.contains('/')).map(PathBuf::from);
        let files = named.filter(|path| path.is_file());
        // A link, such as a program of a virtual environment, is started where it stands.
        let places = |path: PathBuf| {
            let folder = path.parent().filter(|_| path.is_symlink());
            let folder = folder.map(Path::to_owned);
            folder.into_iter().chain([path])
        };
        files.flat_map(places).collect()
    };
    for secret in config.secrets.values() {
        if let SecretSource::Command(words) = &secret.source {
            for file in files(words) {
                add("the program of a secret", file);
            }
        }
    }
    for upstream in config.upstreams.values() {
        if let UpstreamTransport::Command {
            command,
            dir,
            user: None,
            ..
        } = &upstream.transport
        {
            for file in files(command) {
                add("the program of a server", file);
            }
            add("the working directory of a server", dir.clone());
        }
    }
    all
}

fn opened(config: &Config) -> Vec<OpenedDirectory<'_>> {
    let grants = config.components.iter().flat_map(|(name, component)| {
        component
            .grants
            .iter()
            .map(move |(grant, settings)| OpenedDirectory {
                key: format!("grants.{grant} under [components.{name}]"),
                path: &settings.path,
                is_writable: settings.read_write,
            })
    });
    let roots = config.upstreams.iter().flat_map(|(name, upstream)| {
        upstream.roots.iter().map(move |path| OpenedDirectory {
            key: format!("roots under [upstream.{name}]"),
            path,
            // It runs in an account of its own, or as the gate, and can write what it can in any case.
            is_writable: false,
        })
    });
    grants.chain(roots).collect()
}

/// Whether one of two paths is, or is inside, the other.
fn overlap(opened: &Path, own: &Path) -> bool {
    let (opened, own) = (resolved(opened), resolved(own));
    if own.starts_with(&opened) || opened.starts_with(&own) {
        return true;
    }
    let lies_in = |inner: &Path, outer: &Path| {
        node(outer).is_some_and(|outer| ancestors(inner).contains(&outer))
    };
    lies_in(&own, &opened) || lies_in(&opened, &own)
}

/// A path without links as far as it exists, and without `..` beyond that, because the rest may be created
/// later.
fn resolved(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    for ancestor in path.ancestors() {
        if let Ok(real) = fs::canonicalize(ancestor) {
            let rest = path.strip_prefix(ancestor).unwrap_or(Path::new(""));
            return rest.components().fold(real, |mut path, part| {
                match part {
                    Component::ParentDir => drop(path.pop()),
                    part => path.push(part),
                }
                path
            });
        }
    }
    path
}

fn node(path: &Path) -> Option<Node> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Device and inode of a path and of every directory above it.
fn ancestors(path: &Path) -> BTreeSet<Node> {
    path.ancestors().filter_map(node).collect()
}

#[cfg(test)]
mod tests;
