//! HTTP over a Unix socket, with the peer's credentials for each request.

use std::{
    collections::HashMap,
    fs, io,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::fs::{FileTypeExt as _, PermissionsExt as _, chown},
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, body::Body};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::fs::{Mode, OFlags};
use tokio::{
    net::{UnixListener, UnixStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::auth::peer::PeerCredentials;

/// How long a request may take to arrive.
const REQUEST: Duration = Duration::from_secs(5);
/// The pause after an error of accept.
const PAUSE: Duration = Duration::from_millis(10);

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

/// Who may connect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Access {
    /// Permission bits.
    pub(super) mode: u32,
    /// The group; absent: that of this process.
    pub(super) group: Option<u32>,
}

/// Limits of the peers of a socket.
#[derive(Debug, Clone, Copy)]
pub(super) struct PeerLimits {
    /// The most connections of one user at a time. Further ones are closed at once.
    pub(super) of_one: usize,
    /// The most connections at a time.
    pub(super) of_all: usize,
    /// How long a connection lasts at most.
    pub(super) time: Duration,
}

/// What a socket serves.
#[derive(Clone)]
pub(super) struct UnixService {
    pub(super) router: Router,
    /// Adds the peer to a connection's requests.
    pub(super) mark: fn(Router, PeerCredentials) -> Router,
    /// Absent: none.
    pub(super) limits: Option<PeerLimits>,
}

/// Binds a socket under a temporary name and renames it, so that no other access is ever possible. An old socket
/// is replaced.
///
/// # Errors
/// The error of the operating system; something else than a socket is there.
pub(super) fn listen(path: &Path, access: Access) -> io::Result<UnixListener> {
    let dir = path.parent().unwrap_or(Path::new("."));
    if fs::symlink_metadata(path).is_ok_and(|found| !found.file_type().is_socket()) {
        let error = "there is a file that is not a socket";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, error));
    }
    let private = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(dir)?;
    let made = private.path().join("s");
    let short = ShortPath::new(private.path(), "s")?;
    let listener = UnixListener::bind(short.as_path())?;
    if access.group.is_some() {
        chown(&made, None, access.group)?;
    }
    fs::set_permissions(&made, fs::Permissions::from_mode(access.mode))?;
    fs::rename(&made, path)?;
    Ok(listener)
}

/// Open connections by user.
type Open = Arc<Mutex<HashMap<u32, usize>>>;

/// A place among the open connections, until it is dropped.
struct Place {
    open: Open,
    uid: u32,
}

impl Place {
    /// A place for a connection of this user, unless there are too many.
    fn take(open: &Open, uid: u32, limits: Option<PeerLimits>) -> Option<Self> {
        let mut counts = open.lock().unwrap_or_else(PoisonError::into_inner);
        let own = counts.get(&uid).copied().unwrap_or_default();
        let all: usize = counts.values().sum();
        if limits.is_some_and(|limits| own >= limits.of_one || all >= limits.of_all) {
            return None;
        }
        counts.insert(uid, own + 1);
        Some(Self {
            open: Arc::clone(open),
            uid,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.uid) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.uid);
            }
        }
    }
}

/// Serves connections until `until` is cancelled; accepted ones get their answer.
pub(super) async fn serve(listener: UnixListener, service: UnixService, until: CancellationToken) {
    let mut answering = JoinSet::new();
    let open = Open::default();
    loop {
        tokio::select! {
            biased;
            () = until.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    if let Some(task) = connection(stream, &service, &open) {
                        answering.spawn(task);
                    }
                }
                // Out of descriptors, for example; some are released soon.
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
            Some(_) = answering.join_next() => {}
        }
    }
    drop(listener);
    while answering.join_next().await.is_some() {}
}

/// The task of a connection; `None` if it is closed at once.
fn connection(
    stream: UnixStream,
    service: &UnixService,
    open: &Open,
) -> Option<impl Future<Output = ()> + use<>> {
    let peer = PeerCredentials {
        uid: stream.peer_cred().ok()?.uid(),
    };
    let limits = service.limits;
    let place = Place::take(open, peer.uid, limits)?;
    let router = (service.mark)(service.router.clone(), peer);
    Some(async move {
        let answering = answer(stream, router);
        match limits {
            Some(limits) => drop(tokio::time::timeout(limits.time, answering).await),
            None => answering.await,
        }
        drop(place);
    })
}

/// Answers the one request of a connection. If the client disconnects, this ends; a call that has begun continues,
/// because the gate owns it.
async fn answer(stream: UnixStream, router: Router) {
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
