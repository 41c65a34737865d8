//! One request and its answer, on a connection of its own (HTTP/1.1).
//!
//! Everything that comes back is bounded as it arrives. Nothing here follows a redirect.

use std::net::IpAddr;

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request,
    body::{Bytes, Incoming},
    client::conn::http1,
    header::{self, HeaderMap},
};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;

use super::{Fault, MAX_BODY, Network, Response, credential::Wire, decode, headers, request::Hop};

/// Fields of a response.
const MAX_FIELDS: usize = 128;
/// Bytes of a response's header.
const MAX_HEADER: usize = 64 << 10;

/// What a server answered, decoded.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
    /// Who answered.
    pub(super) address: IpAddr,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_slice())
    }

    /// As the guest gets it.
    pub(super) fn response(self, hop: &Hop) -> Response {
        Response {
            status: self.status,
            url: hop.target.url().to_string(),
            headers: self
                .headers
                .into_iter()
                .map(|(name, value)| (name, headers::text(value)))
                .collect(),
            body: self.body,
        }
    }
}

/// Send what goes on the wire to one of these addresses.
pub(super) async fn exchange(
    network: &Network,
    hop: &Hop,
    wire: Wire,
    addresses: &[IpAddr],
) -> Result<Answer, Fault> {
    let request = on_the_wire(hop, wire)?;
    let (connection, address) = network.connect(&hop.target, addresses).await?;
    let (mut sender, connection) = http1::Builder::new()
        .max_headers(MAX_FIELDS)
        .max_header_size(MAX_HEADER)
        .max_buf_size(MAX_HEADER * 2)
        .handshake::<_, Full<Bytes>>(TokioIo::new(connection))
        .await
        .map_err(|e| failed(&e))?;
    // Ends with this function, however it ends.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let response = sender.send_request(request).await.map_err(|e| failed(&e))?;
    let (parts, body) = response.into_parts();
    let body = read(&parts.headers, body).await?;
    Ok(Answer {
        status: parts.status.as_u16(),
        headers: headers::of_response(&parts.headers),
        body,
        address,
    })
}

fn on_the_wire(hop: &Hop, wire: Wire) -> Result<Request<Full<Bytes>>, Fault> {
    let uri = match wire.url.query() {
        Some(query) => format!("{}?{query}", wire.url.path()),
        None => wire.url.path().to_owned(),
    };
    let body = wire
        .body
        .map(|body| Bytes::copy_from_slice(&body))
        .unwrap_or_default();
    let mut request = Request::builder().method(hop.method.clone()).uri(uri);
    if let Some(fields) = request.headers_mut() {
        *fields = wire.headers;
    }
    request
        .body(Full::new(body))
        .map_err(|_| Fault::Invalid("the URL cannot be sent".into()))
}

/// The whole body, decoded.
async fn read(fields: &HeaderMap, mut body: Incoming) -> Result<Vec<u8>, Fault> {
    let mut codings = fields.get_all(header::CONTENT_ENCODING).iter();
    let coding = codings.next().map(|coding| coding.to_str().unwrap_or("?"));
    let coding = if codings.next().is_some() {
        Some("several")
    } else {
        coding
    };
    let mut decoded: Option<decode::Body> = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| cut_short())?;
        let Some(bytes) = frame.data_ref() else {
            continue;
        };
        let decoded = match &mut decoded {
            Some(decoded) => decoded,
            // Only a body that is there must be coded in a known way.
            none => none.insert(decode::Body::new(coding, MAX_BODY)?),
        };
        decoded.push(bytes)?;
    }
    match decoded {
        None => Ok(Vec::new()),
        Some(body) if body.is_work() => tokio::task::spawn_blocking(|| body.finish())
            .await
            .unwrap_or_else(|_| Err(Fault::Failed("the host could not do it".into()))),
        Some(body) => body.finish(),
    }
}

fn cut_short() -> Fault {
    Fault::Malformed("the server ended the connection before its answer was whole".into())
}

/// What a fault of the exchange is called. The library's words quote nothing of what was sent.
fn failed(error: &hyper::Error) -> Fault {
    if error.is_parse() {
        // The library tells this apart for servers only.
        if error.to_string().contains("too large") {
            return Fault::TooLarge;
        }
        return Fault::Malformed("the server's answer is no HTTP".into());
    }
    if error.is_incomplete_message() {
        return cut_short();
    }
    Fault::Unreachable("the connection failed while the request was on its way".into())
}
