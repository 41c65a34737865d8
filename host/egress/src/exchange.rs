//! One request and its response, on a connection of its own (HTTP/1.1).
//!
//! The response is bounded while it arrives. Redirects are not followed here.

use std::net::IpAddr;

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request,
    body::{Bytes, Incoming},
    client::conn::http1,
    header::{self, HeaderMap, HeaderName},
};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use url::Url;
use zeroize::Zeroizing;

use crate::{EgressError, Network, Target, decode::CodedBody};

pub use crate::decode::ACCEPTED as ACCEPTED_CODINGS;

/// The most bytes of a decoded response body; the sender limits a request's body.
pub const MAX_BODY: usize = 8 << 20;
/// The most header fields of a response.
const MAX_FIELDS: usize = 128;
/// The most bytes of a response's header.
const MAX_HEADER: usize = 64 << 10;

/// Response fields about the transfer, which the reader does not get.
const OF_THE_CONNECTION: &[HeaderName] = &[
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// A request on the wire. It may contain secrets, so it has no `Debug`.
pub struct WireRequest {
    /// The method.
    pub method: Method,
    /// Its path and query are sent; the host is that of the [`Target`].
    pub url: Url,
    /// All fields except those about the body's length.
    pub headers: HeaderMap,
    /// The body.
    pub body: Option<Zeroizing<Vec<u8>>>,
}

/// A response, decoded.
#[derive(Debug, Clone)]
pub struct WireResponse {
    /// The status code.
    pub status: u16,
    /// Header fields, without connection fields.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, decoded; at most [`MAX_BODY`].
    pub body: Vec<u8>,
    /// The address that answered.
    pub address: IpAddr,
}

impl WireResponse {
    /// The first field of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_slice())
    }
}

impl Network {
    /// Sends a request to one of these addresses of the target.
    ///
    /// # Errors
    /// [`EgressError`]: no connection, or no usable response.
    pub async fn send(
        &self,
        target: &Target,
        request: WireRequest,
        addresses: &[IpAddr],
    ) -> Result<WireResponse, EgressError> {
        self.send_within(target, request, addresses, MAX_BODY).await
    }

    /// As [`Network::send`], with a response body of at most `max_body` bytes, decoded.
    ///
    /// # Errors
    /// [`EgressError`].
    pub async fn send_within(
        &self,
        target: &Target,
        request: WireRequest,
        addresses: &[IpAddr],
        max_body: usize,
    ) -> Result<WireResponse, EgressError> {
        let request = on_the_wire(request)?;
        let (connection, address) = self.connect(target, addresses).await?;
        let (mut sender, connection) = http1::Builder::new()
            .max_headers(MAX_FIELDS)
            .max_header_size(MAX_HEADER)
            .max_buf_size(MAX_HEADER * 2)
            .handshake::<_, Full<Bytes>>(TokioIo::new(connection))
            .await
            .map_err(|e| exchange_error(&e))?;
        // The task ends together with this function.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let response = sender.send_request(request).await;
        let (parts, body) = response.map_err(|e| exchange_error(&e))?.into_parts();
        let body = read(&parts.headers, body, max_body).await?;
        Ok(WireResponse {
            status: parts.status.as_u16(),
            headers: visible_headers(&parts.headers),
            body,
            address,
        })
    }
}

fn on_the_wire(request: WireRequest) -> Result<Request<Full<Bytes>>, EgressError> {
    let uri = match request.url.query() {
        Some(query) => format!("{}?{query}", request.url.path()),
        None => request.url.path().to_owned(),
    };
    let body = request
        .body
        .map(|body| Bytes::copy_from_slice(&body))
        .unwrap_or_default();
    let mut wire = Request::builder().method(request.method).uri(uri);
    if let Some(fields) = wire.headers_mut() {
        *fields = request.headers;
    }
    wire.body(Full::new(body))
        .map_err(|_| EgressError::Invalid("the URL cannot be sent".into()))
}

/// The whole body, decoded.
async fn read(
    fields: &HeaderMap,
    mut body: Incoming,
    max_body: usize,
) -> Result<Vec<u8>, EgressError> {
    let mut codings = fields.get_all(header::CONTENT_ENCODING).iter();
    let coding = codings.next().map(|coding| coding.to_str().unwrap_or("?"));
    let coding = if codings.next().is_some() {
        Some("several")
    } else {
        coding
    };
    let mut coded: Option<CodedBody> = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| cut_short())?;
        let Some(bytes) = frame.data_ref() else {
            continue;
        };
        let coded = match &mut coded {
            Some(coded) => coded,
            // An empty body may have an unknown coding.
            none => none.insert(CodedBody::new(coding, max_body)?),
        };
        coded.push(bytes)?;
    }
    match coded {
        None => Ok(Vec::new()),
        Some(body) if body.needs_decoding() => tokio::task::spawn_blocking(|| body.finish())
            .await
            .unwrap_or_else(|_| Err(EgressError::Failed("the host could not do it".into()))),
        Some(body) => body.finish(),
    }
}

fn visible_headers(fields: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    fields
        .iter()
        .filter(|(name, _)| {
            !OF_THE_CONNECTION.contains(name) && !name.as_str().starts_with("proxy-")
        })
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect()
}

/// A field's value as text: UTF-8, or else ISO 8859-1 (RFC 9110, section 5.5), without control characters.
#[must_use]
pub fn header_text(value: Vec<u8>) -> String {
    let text = String::from_utf8(value)
        .unwrap_or_else(|e| e.into_bytes().into_iter().map(char::from).collect());
    text.chars()
        .map(|c| if c.is_control() && c != '\t' { ' ' } else { c })
        .collect()
}

fn cut_short() -> EgressError {
    EgressError::Malformed("the server ended the connection before its answer was complete".into())
}

/// The error of an exchange. The library's texts do not quote what was sent.
fn exchange_error(error: &hyper::Error) -> EgressError {
    if error.is_parse() {
        // The library makes this distinction only for servers.
        if error.to_string().contains("too large") {
            return EgressError::TooLarge;
        }
        return EgressError::Malformed("the server's answer is not HTTP".into());
    }
    if error.is_incomplete_message() {
        return cut_short();
    }
    EgressError::Unreachable("the connection failed while the request was on its way".into())
}

#[cfg(test)]
mod tests;
