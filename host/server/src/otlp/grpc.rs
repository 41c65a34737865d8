//! OTLP/gRPC: one message in, one message out (gRPC over HTTP/2, "Requests" and "Responses").
//!
//! Implemented here, because the weight of a message must be checked before it is decoded.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{Extension, body::Body, extract::State, response::Response};
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::Frame;
use tollgate_trace::ingest::{Encoding, Format};

use super::{ExportSignal, Intake, IntakeError, RequestBody};
use crate::auth::AuthenticatedCaller;

/// The status codes that are used here (gRPC's "Status codes and their use").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Code {
    InvalidArgument = 3,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Unavailable = 14,
}

pub(super) async fn export<S: ExportSignal>(
    State(intake): State<Arc<Intake>>,
    Extension(who): Extension<AuthenticatedCaller>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !matches!(kind, "application/grpc" | "application/grpc+proto") {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return response;
    }
    let sent = match intake.body(&who, body).await {
        Ok(sent) => sent,
        Err(error) => return failed(code_of(&error), &header_text(&error)),
    };
    let (bytes, encoding) = match unframed(&headers, sent.bytes) {
        Ok(message) => message,
        Err((code, why)) => return failed(code, why),
    };
    let sent = RequestBody { bytes, ..sent };
    let taking = intake.take::<S>(&who, sent, encoding, Format::Protobuf);
    match taking.await {
        Ok(answer) => succeeded(&S::answer(answer)),
        Err(error) => failed(code_of(&error), &header_text(&error)),
    }
}

fn code_of(error: &IntakeError) -> Code {
    if error.is_passing() || matches!(error, IntakeError::Slow) {
        Code::Unavailable
    } else if error.is_too_large() {
        Code::ResourceExhausted
    } else {
        Code::InvalidArgument
    }
}

/// The message of a request, and its encoding.
fn unframed(
    headers: &HeaderMap,
    mut body: Bytes,
) -> Result<(Bytes, Encoding), (Code, &'static str)> {
    let broken = (
        Code::InvalidArgument,
        "the request has no whole message, or more than one",
    );
    let [packed, length @ ..] = body.first_chunk::<5>().copied().ok_or(broken)?;
    let length = usize::try_from(u32::from_be_bytes(length)).map_err(|_| broken)?;
    let message = body.split_off(5);
    if message.len() != length {
        return Err(broken);
    }
    let name = headers.get("grpc-encoding");
    let name = name.map(|name| name.to_str().unwrap_or("?"));
    let encoding = match packed {
        0 => Some(Encoding::Identity),
        1 => name
            .and_then(Encoding::from_name)
            .filter(|encoding| *encoding != Encoding::Identity),
        _ => return Err(broken),
    };
    let unknown = (
        Code::Unimplemented,
        "messages are packed with gzip or not at all",
    );
    Ok((message, encoding.ok_or(unknown)?))
}

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    let kind = HeaderValue::from_static("application/grpc");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(
        "grpc-accept-encoding",
        HeaderValue::from_static("identity,gzip"),
    );
    headers
}

fn succeeded(message: &[u8]) -> Response {
    let mut framed = BytesMut::with_capacity(message.len() + 5);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(message);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let mut response = Response::new(Body::new(Message {
        framed: Some(framed.freeze()),
        trailers: Some(trailers),
    }));
    *response.headers_mut() = headers();
    response
}

fn failed(code: Code, why: &str) -> Response {
    let mut response = Response::new(Body::empty());
    let mut headers = headers();
    headers.insert("grpc-status", HeaderValue::from(code as u16));
    if let Ok(why) = HeaderValue::from_str(why) {
        headers.insert("grpc-message", why);
    }
    *response.headers_mut() = headers;
    response
}

/// An error text for the header `grpc-message`, percent-encoded.
fn header_text(error: &IntakeError) -> String {
    let mut text = String::new();
    for byte in error.to_string().bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// The body of a response: one message, and the status in the trailers.
struct Message {
    framed: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl http_body::Body for Message {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = match self.framed.take() {
            Some(framed) => Some(Frame::data(framed)),
            None => self.trailers.take().map(Frame::trailers),
        };
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.framed.is_none() && self.trailers.is_none()
    }
}

#[cfg(test)]
mod tests;
