//! A connection to the owner's Unix socket: one request and its answer, or a stream of MCP. And one to the hook
//! socket.
//!
//! The client checks that the process at the other end belongs to the owner of the store, or of the hook socket's
//! directory.

use std::{
    error::Error as _,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use axum::http::{Request as HttpRequest, Response as HttpResponse, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::{Bytes, Incoming},
    client::conn::http1,
    upgrade::Upgraded,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{BufReader, ReadHalf, WriteHalf},
    net::UnixStream,
    task::JoinHandle,
};
use tollgate_server::http::socket::{ShortPath, path};

use super::response::Response;

/// Why a request has no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RequestError {
    /// Nothing listens, or the request was not accepted.
    NotAsked,
    /// The process at the socket is not trusted, with the reason.
    Refused(String),
    /// The connection broke after the request was accepted.
    Lost,
}

/// Both directions of a stream of MCP.
pub(crate) type Stream = (
    BufReader<ReadHalf<TokioIo<Upgraded>>>,
    WriteHalf<TokioIo<Upgraded>>,
);

/// The task that drives a connection; the connection ends with it.
struct Driver(JoinHandle<hyper::Result<()>>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends a request to the owner of the store at `store`.
pub(super) async fn ask(
    store: &Path,
    request: HttpRequest<Full<Bytes>>,
) -> Result<Response, RequestError> {
    answered(Endpoint::of_store(store), request).await
}

/// Sends a request to the hook socket.
pub(super) async fn ask_hook(
    socket: &Path,
    request: HttpRequest<Full<Bytes>>,
) -> Result<Response, RequestError> {
    answered(Endpoint::of_hook(socket), request).await
}

async fn answered(
    endpoint: io::Result<Endpoint>,
    request: HttpRequest<Full<Bytes>>,
) -> Result<Response, RequestError> {
    let endpoint = endpoint.map_err(|_| RequestError::NotAsked)?;
    let (_driver, response) = send(&endpoint, request).await?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|_| RequestError::Lost)?;
    Ok(Response::new(&parts, body.to_bytes()))
}

/// Like [`ask`], for an upgrade: the stream, or the response that refuses it.
pub(super) async fn upgrade(
    store: &Path,
    request: HttpRequest<Full<Bytes>>,
) -> Result<Result<Stream, Response>, RequestError> {
    let endpoint = Endpoint::of_store(store).map_err(|_| RequestError::NotAsked)?;
    let (driver, response) = send(&endpoint, request).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let upgraded = hyper::upgrade::on(response).await;
        let upgraded = upgraded.map_err(|_| RequestError::Lost)?;
        drop(driver);
        let (read, write) = tokio::io::split(TokioIo::new(upgraded));
        return Ok(Ok((BufReader::new(read), write)));
    }
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|_| RequestError::Lost)?;
    Ok(Err(Response::new(&parts, body.to_bytes())))
}

/// The headers of a request to upgrade.
pub(super) fn upgrade_headers() -> [(header::HeaderName, &'static str); 2] {
    [
        (header::CONNECTION, "upgrade"),
        (header::UPGRADE, tollgate_server::rest::UPGRADE),
    ]
}

async fn send(
    endpoint: &Endpoint,
    request: HttpRequest<Full<Bytes>>,
) -> Result<(Driver, HttpResponse<Incoming>), RequestError> {
    let stream = endpoint.connect().await?;
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|_| RequestError::NotAsked)?;
    let driver = Driver(tokio::spawn(connection.with_upgrades()));
    match sender.send_request(request).await {
        Ok(response) => Ok((driver, response)),
        Err(error) if was_not_taken(&error) => Err(RequestError::NotAsked),
        Err(_) => Err(RequestError::Lost),
    }
}

/// Whether the request did not reach a handler. A Unix socket with unread bytes is reset instead of closed, so
/// after a reset the request was not read completely, or the connection was not accepted.
fn was_not_taken(error: &hyper::Error) -> bool {
    let cause = error
        .source()
        .and_then(|cause| cause.downcast_ref::<io::Error>());
    let kind = cause.map(io::Error::kind);
    let is_reset = matches!(
        kind,
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
    );
    is_reset || error.is_canceled()
}

/// A socket, and the user to whom the process at its other end has to belong, unless that is root.
struct Endpoint {
    path: PathBuf,
    rightful: u32,
}

impl Endpoint {
    /// The owner's socket of the store at `store`.
    fn of_store(store: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path(store),
            rightful: fs::metadata(store)?.uid(),
        })
    }

    /// A hook socket. Only the owner of its directory can have made it.
    fn of_hook(socket: &Path) -> io::Result<Self> {
        let socket = std::path::absolute(socket)?;
        let dir = socket.parent().unwrap_or(Path::new("/"));
        Ok(Self {
            rightful: fs::metadata(dir)?.uid(),
            path: socket,
        })
    }

    async fn connect(&self) -> Result<UnixStream, RequestError> {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let name = self.path.file_name().and_then(|name| name.to_str());
        let nothing = |_| RequestError::NotAsked;
        let short = ShortPath::new(dir, name.unwrap_or_default()).map_err(nothing)?;
        let stream = UnixStream::connect(short.as_path())
            .await
            .map_err(nothing)?;
        drop(short);
        let owner = stream.peer_cred().map_err(nothing)?.uid();
        if owner != self.rightful && owner != 0 {
            return Err(RequestError::Refused(format!(
                "{} is served by user {owner}, and should be by user {}; remove the socket if you do not know why",
                self.path.display(),
                self.rightful
            )));
        }
        Ok(stream)
    }
}

#[cfg(test)]
mod tests;
