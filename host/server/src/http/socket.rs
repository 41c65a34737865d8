//! The owner's Unix socket: the REST router for the user who owns the gate's process.
//!
//! A connection has one request. An accepted connection gets its answer, even while the process stops. A
//! connection that was not accepted is reset, so its client knows that nothing was done.

use std::{
    fs, io,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::fs::PermissionsExt as _,
    },
    path::{Path, PathBuf},
    time::Duration,
};

use axum::{Extension, Router, body::Body};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::fs::{Mode, OFlags};
use tokio::{
    net::{UnixListener, UnixStream},
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::{
    auth::{self, Auth, peer::PeerCredentials},
    mcp, rest,
};

/// How long a request may take to arrive.
const REQUEST: Duration = Duration::from_secs(5);
/// How long streams of MCP may take to end at shutdown.
const STREAMS: Duration = Duration::from_secs(2);
/// The pause after an error of accept.
const PAUSE: Duration = Duration::from_millis(10);

/// The path of the socket of the store at `store`.
#[must_use]
pub fn path(store: &Path) -> PathBuf {
    store.with_file_name("gate.sock")
}

/// A short path to a file in a directory, through `/proc/self/fd`: the address of a socket has about a hundred
/// bytes, and a path may be longer.
#[derive(Debug)]
pub struct ShortPath {
    _dir: OwnedFd,
    path: PathBuf,
}

impl ShortPath {
    /// The file `name` in `dir`. The path is valid while this value lives.
    ///
    /// # Errors
    /// The directory cannot be opened.
    pub fn new(dir: &Path, name: &str) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(dir, flags, Mode::empty())?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{name}", fd.as_raw_fd()));
        let path = if Path::new("/proc/self/fd").exists() {
            path
        } else {
            dir.join(name)
        };
        Ok(Self { _dir: fd, path })
    }

    /// The path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.path
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
        let serving = listen(&path)
            .ok()
            .map(|listener| tokio::spawn(serve(listener, router, until)));
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

/// Binds a socket with mode 0600 under a temporary name and renames it, so that no other mode is ever visible.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let private = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(dir)?;
    let made = private.path().join("s");
    let short = ShortPath::new(private.path(), "s")?;
    let listener = UnixListener::bind(short.as_path())?;
    fs::set_permissions(&made, fs::Permissions::from_mode(0o600))?;
    fs::rename(&made, path)?;
    Ok(listener)
}

async fn serve(listener: UnixListener, router: Router, until: CancellationToken) {
    let mut answering = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = until.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(answering.spawn(answer(stream, router.clone()))),
                // Out of descriptors, for example; some are released soon.
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
            Some(_) = answering.join_next() => {}
        }
    }
    drop(listener);
    while answering.join_next().await.is_some() {}
}

/// Answers the one request of a connection. If the client disconnects, this ends; a call that has begun continues,
/// because the gate owns it.
async fn answer(stream: UnixStream, router: Router) {
    let Ok(credentials) = stream.peer_cred() else {
        return;
    };
    let peer = PeerCredentials {
        uid: credentials.uid(),
    };
    let router = router.layer(Extension(peer));
    let service = service_fn(move |request: http::Request<Incoming>| {
        router.clone().oneshot(request.map(Body::new))
    });
    let mut builder = http1::Builder::new();
    builder
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST);
    let connection = builder
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // An error means that the client has gone, or does not speak HTTP.
    drop(connection.await);
}

#[cfg(test)]
mod tests;
