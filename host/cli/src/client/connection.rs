//! A connection to the owner's Unix socket: one request and its answer, or a stream of MCP.
//!
//! The client checks that the process at the other end belongs to the owner of the store.

use std::{error::Error as _, fs, io, os::unix::fs::MetadataExt as _, path::Path};

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
    let (_driver, response) = send(store, request).await?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|_| RequestError::Lost)?;
    Ok(Response::new(&parts, body.to_bytes()))
}

/// Like [`ask`], for an upgrade: the stream, or the response that refuses it.
pub(super) async fn upgrade(
    store: &Path,
    request: HttpRequest<Full<Bytes>>,
) -> Result<Result<Stream, Response>, RequestError> {
    let (driver, response) = send(store, request).await?;
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
    store: &Path,
    request: HttpRequest<Full<Bytes>>,
) -> Result<(Driver, HttpResponse<Incoming>), RequestError> {
    let stream = connect(store).await?;
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

async fn connect(store: &Path) -> Result<UnixStream, RequestError> {
    let path = path(store);
    let dir = path.parent().unwrap_or(Path::new("."));
    let nothing = |_| RequestError::NotAsked;
    let short = ShortPath::new(dir, "gate.sock").map_err(nothing)?;
    let stream = UnixStream::connect(short.as_path())
        .await
        .map_err(nothing)?;
    drop(short);
    let owner = stream.peer_cred().map_err(nothing)?.uid();
    let rightful = fs::metadata(store).map_err(nothing)?.uid();
    if owner != rightful && owner != 0 {
        return Err(RequestError::Refused(format!(
            "{} is served by user {owner}, and the store belongs to user {rightful}; remove the socket if you do \
             not know why",
            path.display()
        )));
    }
    Ok(stream)
}

#[cfg(test)]
mod tests;
