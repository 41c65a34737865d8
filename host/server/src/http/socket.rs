//! The owner's Unix socket: the REST router for the user who owns the gate's process.
//!
//! A connection has one request. An accepted connection gets its answer, even while the process stops. A
//! connection that was not accepted is reset, so its client knows that nothing was done.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use axum::{Extension, Router};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use super::unix::ShortPath;
use super::unix::{self, Access, UnixService};
use crate::{
    auth::{self, Auth, peer::PeerCredentials},
    mcp, rest,
};

/// How long streams of MCP may take to end at shutdown.
const STREAMS: Duration = Duration::from_secs(2);

/// The path of the socket of the store at `store`.
#[must_use]
pub fn path(store: &Path) -> PathBuf {
    store.with_file_name("gate.sock")
}

/// The owner alone may connect.
const OWNER_ONLY: Access = Access {
    mode: 0o600,
    group: None,
};

fn service(router: Router) -> UnixService {
    let mark = |router: Router, peer: PeerCredentials| router.layer(Extension(peer));
    UnixService {
        router,
        mark,
        limits: None,
    }
}

/// The routes of the owner's socket: REST, and a stream of MCP. A request without the owner's
/// [`PeerCredentials`] among its extensions is refused.
pub fn router(server: &mcp::Server) -> Router {
    let auth = Auth::of_owner(server.gate(), std::sync::Arc::clone(server.rate()));
    auth::protect(rest::of_owner(server), auth).merge(rest::public(server.gate()))
}

/// The socket, for as long as this process owns the store.
#[derive(Debug)]
pub struct OwnerSocket {
    path: PathBuf,
    stop: CancellationToken,
    serving: Option<JoinHandle<()>>,
    server: mcp::Server,
}

impl OwnerSocket {
    /// Listens next to the store. If the socket cannot be made, the owner works without it, and other processes
    /// get an error from the lock.
    #[must_use]
    pub fn start(server: &mcp::Server, router: Router) -> Self {
        let path = path(&server.gate().ruleset().config.store.path);
        let stop = CancellationToken::new();
        let until = stop.clone();
        let serving = unix::listen(&path, OWNER_ONLY)
            .ok()
            .map(|listener| tokio::spawn(unix::serve(listener, service(router), until)));
        Self {
            path,
            stop,
            serving,
            server: server.clone(),
        }
    }

    /// Stops accepting connections.
    pub fn close(&self) {
        self.stop.cancel();
    }

    /// Answers accepted requests, and ends. Call it before the ledger is closed, because the next owner's socket
    /// has the same path.
    pub async fn stop(self) {
        self.close();
        if let Some(serving) = self.serving {
            let _ = fs::remove_file(&self.path);
            let _ = serving.await;
        }
        let streams = self.server.streams();
        streams.close();
        drop(tokio::time::timeout(STREAMS, streams.wait()).await);
    }
}
