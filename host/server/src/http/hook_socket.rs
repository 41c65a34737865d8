//! The hook socket: coding agents' accounts have their calls decided there, and tell their outcomes.
//!
//! The account of the peer says which agent calls. Every other route is absent, so an agent's account needs
//! neither the owner's socket nor the ledger.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use axum::{Extension, Router};
use nix::unistd::Group;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tollgate::config::HookConfig;

use super::unix::{self, Access, PeerLimits, UnixService};
use crate::{
    auth::{
        self, Auth,
        peer::{HookPeer, PeerCredentials},
    },
    mcp, rest,
};

/// Limits of the accounts that connect, none of which is trusted.
const LIMITS: PeerLimits = PeerLimits {
    of_one: 32,
    of_all: 512,
    time: Duration::from_secs(60),
};

/// Why there is no hook socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HookSocketError {
    /// The configured group does not exist.
    #[error("[hook] names the group `{0}`, which this machine does not have")]
    Group(String),
    /// Other accounts could put a socket of their own there.
    #[error(
        "{}: the directory of the hook socket is not that of the gate's account alone, so others could put a socket \
         of their own there; use one that belongs to it and that no one else may write, such as /run/tollgate",
        .0.display()
    )]
    Directory(PathBuf),
    /// The socket cannot be made.
    #[error("the hook socket {} cannot be made: {reason}", path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// The error of the operating system.
        reason: io::Error,
    },
}

/// The routes of the hook socket. A request without a [`HookPeer`] among its extensions is refused.
pub fn router(server: &mcp::Server) -> Router {
    let auth = Auth::of_hook(server.gate(), std::sync::Arc::clone(server.rate()));
    auth::protect(rest::of_hook(server), auth)
}

/// The hook socket, while the gate is served.
#[derive(Debug)]
pub struct HookSocket {
    path: PathBuf,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl HookSocket {
    /// Listens at the configured place, if there is one.
    ///
    /// # Errors
    /// [`HookSocketError`].
    pub fn start(
        server: &mcp::Server,
        config: Option<&HookConfig>,
    ) -> Result<Option<Self>, HookSocketError> {
        let Some(config) = config else {
            return Ok(None);
        };
        let path = config.socket.clone();
        let group = config.group.as_deref().map(group).transpose()?;
        let failed = |reason| HookSocketError::Socket {
            path: path.clone(),
            reason,
        };
        let dir = path.parent().unwrap_or(Path::new("/"));
        check_directory(dir).map_err(failed)??;
        let access = Access {
            mode: config.mode,
            group,
        };
        let listener = unix::listen(&path, access).map_err(failed)?;
        let stop = CancellationToken::new();
        let service = UnixService {
            router: router(server),
            mark: |router, peer: PeerCredentials| router.layer(Extension(HookPeer(peer))),
            limits: Some(LIMITS),
        };
        let serving = tokio::spawn(unix::serve(listener, service, stop.clone()));
        Ok(Some(Self {
            path,
            stop,
            serving,
        }))
    }

    /// Answers accepted requests, and removes the socket.
    pub async fn stop(self) {
        let _ = fs::remove_file(&self.path);
        self.stop.cancel();
        let _ = self.serving.await;
    }
}

fn group(name: &str) -> Result<u32, HookSocketError> {
    let found = Group::from_name(name).ok().flatten();
    found
        .map(|group| group.gid.as_raw())
        .ok_or_else(|| HookSocketError::Group(name.into()))
}

/// Requires that only the gate's account can make and replace files of the directory. Clients check the same: the
/// process that serves the socket is that of the directory's owner.
fn check_directory(dir: &Path) -> io::Result<Result<(), HookSocketError>> {
    let found = fs::metadata(dir)?;
    let is_own = found.uid() == PeerCredentials::own().uid;
    let is_closed = found.permissions().mode() & 0o022 == 0;
    Ok(match is_own && is_closed {
        true => Ok(()),
        false => Err(HookSocketError::Directory(dir.to_path_buf())),
    })
}

#[cfg(test)]
mod tests;
