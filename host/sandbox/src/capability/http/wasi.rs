//! Requests of components that were made for `wasi:http`: the same way out as `tollgate:adapter/http`.
//!
//! A request's body is taken in whole and bounded before anything is decided, so that what is decided is
//! what is sent. Then [`fetch`] decides, records and sends it; a redirect is the component's own to follow.
//! Nothing here opens a connection, and nothing answers requests from outside.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::Linker;
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
    p2::add_only_http_to_linker_async,
};

use super::Wasi;
use crate::sandbox::{
    guest::{Host, State},
    http::{Fault, MAX_BODY, Request, Response, fetch, is_hosts_own},
    limits::Operations,
};

/// Requests under way and responses not yet read, of one call: what they hold is the host's memory.
const MAX_AT_ONCE: usize = 4;
/// What a guest may write to a body before the host takes it in.
const MAX_CHUNK: usize = 16 << 10;
/// Bytes of the fields of one header, with what it takes to keep them.
const MAX_FIELDS: usize = 64 << 10;

/// Interfaces that a component may import: asking, not being asked.
const INTERFACES: &[&str] = &["types", "outgoing-handler"];

/// Whether a component may import this, in a version of WASI 0.2.
pub(super) fn is_linked(import: &str) -> bool {
    let interface = import
        .strip_prefix("wasi:http/")
        .and_then(|rest| rest.split_once('@'))
        .map(|(interface, _)| interface);
    interface.is_some_and(|interface| INTERFACES.contains(&interface))
}

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    add_only_http_to_linker_async(linker)
}

/// What one call has of HTTP.
pub(super) struct Http {
    ctx: WasiHttpCtx,
    way_out: WayOut,
}

impl Http {
    pub(super) fn new() -> Self {
        let mut ctx = WasiHttpCtx::new();
        ctx.set_field_size_limit(MAX_FIELDS);
        let way_out = WayOut {
            call: None,
            at_once: Arc::new(Semaphore::new(MAX_AT_ONCE)),
        };
        Self { ctx, way_out }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let call = self.host().cloned().map(|host| Call {
            host,
            ends: self.ends(),
            operations: self.operations(),
        });
        let (wasi, host) = self.wasi();
        let wasi = wasi.get_or_insert_with(|| Box::new(Wasi::new(host)));
        wasi.http.way_out.call = call;
        WasiHttpCtxView {
            hooks: &mut wasi.http.way_out,
            table: &mut wasi.table,
            ctx: &mut wasi.http.ctx,
        }
    }
}

/// Where a component's requests go, instead of to the network.
struct WayOut {
    /// As of now. Absent while tools are listed.
    call: Option<Call>,
    at_once: Arc<Semaphore>,
}

struct Call {
    host: Host,
    ends: Instant,
    operations: Operations,
}

type Sent = Result<
    (
        hyper::Response<WasiBody>,
        Box<dyn Future<Output = Result<(), Error>> + Send>,
    ),
    Error,
>;

impl WasiHttpHooks for WayOut {
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        MAX_CHUNK
    }

    fn send_request(
        &mut self,
        request: hyper::Request<WasiBody>,
        // The time of the call is the time of its requests.
        _: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let call = self.call.take();
        let at_once = Arc::clone(&self.at_once);
        Box::new(async move {
            let Some(call) = call else {
                return Err(failed("there is no call"));
            };
            if !call.operations.take() {
                return Err(failed("this call has asked for too many operations"));
            }
            let ends = call.ends.into();
            let place = tokio::time::timeout_at(ends, at_once.acquire_owned()).await;
            let Ok(Ok(place)) = place else {
                return Err(Error::ConnectionLimitReached);
            };
            let request = tokio::time::timeout_at(ends, taken(request)).await;
            let request = request.unwrap_or(Err(Error::ConnectionWriteTimeout))?;
            match fetch(&call.host, request, call.ends).await {
                Ok(response) => Ok((
                    answer(response, place)?,
                    Box::new(std::future::ready(Ok(()))) as Box<_>,
                )),
                Err(fault) => Err(error(fault)),
            }
        })
    }
}

fn failed(how: &str) -> Error {
    Error::InternalError(Some(how.into()))
}

/// A request with all of its body, but without what is the host's to say.
async fn taken(request: hyper::Request<WasiBody>) -> Result<Request, Error> {
    let (parts, mut incoming) = request.into_parts();
    let mut headers = Vec::with_capacity(parts.headers.len());
    for (name, value) in &parts.headers {
        if is_hosts_own(name.as_str()) {
            continue;
        }
        let value = String::from_utf8(value.as_bytes().to_vec())
            .map_err(|_| failed(&format!("the header field `{name}` is not UTF-8")))?;
        headers.push((name.as_str().to_owned(), value));
    }
    let mut body = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let Ok(data) = frame?.into_data() else {
            // Nobody decides about trailers, so there are none.
            return Err(Error::HttpRequestTrailerSectionSize(Some(0)));
        };
        if data.len() > MAX_BODY.saturating_sub(body.len()) {
            return Err(Error::HttpRequestBodySize(u64::try_from(MAX_BODY).ok()));
        }
        body.extend_from_slice(&data);
    }
    Ok(Request {
        method: parts.method.as_str().to_owned(),
        url: parts.uri.to_string(),
        headers,
        body: (!body.is_empty()).then_some(body),
        credentials: Vec::new(),
        redirects: 0,
        timeout: None,
    })
}

/// A response's body, and its place among those at once, until it is read.
struct Held {
    bytes: Vec<u8>,
    _place: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn answer(
    response: Response,
    place: OwnedSemaphorePermit,
) -> Result<hyper::Response<WasiBody>, Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in response.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Error::HttpProtocolError)?;
        let value =
            HeaderValue::from_bytes(value.as_bytes()).map_err(|_| Error::HttpProtocolError)?;
        headers.append(name, value);
    }
    let body = Bytes::from_owner(Held {
        bytes: response.body,
        _place: place,
    });
    let body = Full::new(body).map_err(Into::into).boxed_unsync();
    let mut made = hyper::Response::new(body);
    *made.status_mut() =
        hyper::StatusCode::from_u16(response.status).map_err(|_| Error::HttpProtocolError)?;
    *made.headers_mut() = headers;
    Ok(made)
}

/// What the guest is told. The reason of a denial is in the call's trace.
fn error(fault: Fault) -> Error {
    match fault {
        Fault::Refused(_) | Fault::RefusedRedirect(..) | Fault::NoSuchSecret(_) => {
            Error::HttpRequestDenied
        }
        Fault::Private(_) => Error::DestinationIpProhibited,
        Fault::Unresolved(_) => Error::DnsError {
            rcode: None,
            info_code: None,
        },
        Fault::Unreachable(_) => Error::DestinationUnavailable,
        Fault::Tls(_) => Error::TlsProtocolError,
        Fault::Certificate(_) => Error::TlsCertificateError,
        Fault::Timeout => Error::HttpResponseTimeout,
        Fault::TooLarge => Error::HttpResponseBodySize(u64::try_from(MAX_BODY).ok()),
        Fault::TooManyRedirects => Error::LoopDetected,
        Fault::Malformed(_) => Error::HttpProtocolError,
        Fault::CallOver => Error::ConnectionTerminated,
        Fault::Invalid(how) | Fault::Failed(how) => Error::InternalError(Some(how)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: WasiBody) -> hyper::Request<WasiBody> {
        hyper::Request::builder()
            .method("POST")
            .uri("https://site.test/a?b=1")
            .header("host", "internal")
            .header("connection", "upgrade")
            .header("content-length", "3")
            .header("x-own", "kept")
            .body(body)
            .unwrap()
    }

    fn of_bytes(bytes: &'static [u8]) -> WasiBody {
        Full::new(Bytes::from_static(bytes))
            .map_err(Into::into)
            .boxed_unsync()
    }

    #[tokio::test]
    async fn the_hosts_own_header_fields_are_left_out() {
        let taken = taken(request(of_bytes(b"abc"))).await.unwrap();
        assert_eq!(taken.url, "https://site.test/a?b=1");
        assert_eq!(taken.headers, [("x-own".to_owned(), "kept".to_owned())]);
        assert_eq!(taken.body.as_deref(), Some(&b"abc"[..]));
        assert_eq!(taken.redirects, 0);
    }

    #[tokio::test]
    async fn trailers_are_refused_and_so_is_a_body_that_is_too_large() {
        let body = of_bytes(b"abc").with_trailers(std::future::ready(Some(Ok(HeaderMap::new()))));
        let refused = taken(request(body.boxed_unsync())).await;
        assert!(
            matches!(refused, Err(Error::HttpRequestTrailerSectionSize(_))),
            "{refused:?}"
        );
        let large = Full::new(Bytes::from(vec![0; MAX_BODY + 1])).map_err(Into::into);
        let refused = taken(request(large.boxed_unsync())).await;
        assert!(
            matches!(refused, Err(Error::HttpRequestBodySize(_))),
            "{refused:?}"
        );
    }

    #[test]
    fn a_place_is_held_until_the_response_is_read() {
        let at_once = Arc::new(Semaphore::new(1));
        let place = Arc::clone(&at_once).try_acquire_owned().unwrap();
        let response = Response {
            status: 200,
            url: String::new(),
            headers: Vec::new(),
            body: b"abc".to_vec(),
        };
        let made = answer(response, place).unwrap();
        assert_eq!(at_once.available_permits(), 0);
        drop(made);
        assert_eq!(at_once.available_permits(), 1);
    }
}
