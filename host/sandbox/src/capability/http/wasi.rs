//! Requests of components that use `wasi:http`: sent the same way as those of `tollgate:adapter/http`.
//!
//! A request's body is read whole and bounded before the decision, so that exactly what was decided is
//! sent. Then [`fetch`] decides, records and sends it. Redirects are returned to the component. Nothing
//! here opens a connection or accepts requests from outside.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
    p2::add_only_http_to_linker_async,
};

use super::{
    FetchRequest, FetchResponse, HttpError, HttpPolicy, MAX_BODY, fetch, headers::is_host_only,
};
use crate::{
    call::{Call, Host},
    meter::Operations,
};

/// The most requests in flight and unread responses of one call: they use the host's memory.
const MAX_AT_ONCE: usize = 4;
/// The most bytes that a guest may write to a body before the host reads them.
const MAX_CHUNK: usize = 16 << 10;
/// The most bytes of the fields of one header, including overhead.
const MAX_FIELD_BYTES: usize = 64 << 10;

/// Interfaces that a component may import: outgoing requests only.
const INTERFACES: &[&str] = &["types", "outgoing-handler"];

/// Whether a component may import this, in a version of WASI 0.2.
pub(crate) fn is_linked(import: &str) -> bool {
    let interface = import
        .strip_prefix("wasi:http/")
        .and_then(|rest| rest.split_once('@'))
        .map(|(interface, _)| interface);
    interface.is_some_and(|interface| INTERFACES.contains(&interface))
}

pub(crate) fn add_to_linker<T: WasiHttpView + 'static>(
    linker: &mut Linker<T>,
) -> wasmtime::Result<()> {
    add_only_http_to_linker_async(linker)
}

/// HTTP state of one call.
pub(crate) struct Http<P: ?Sized> {
    ctx: WasiHttpCtx,
    hooks: FetchHooks<P>,
}

impl<P: HttpPolicy + ?Sized> Http<P> {
    pub(crate) fn new() -> Self {
        let mut ctx = WasiHttpCtx::new();
        ctx.set_field_size_limit(MAX_FIELD_BYTES);
        let hooks = FetchHooks {
            origin: None,
            at_once: Arc::new(Semaphore::new(MAX_AT_ONCE)),
        };
        Self { ctx, hooks }
    }

    /// The view for one host function of `call`.
    pub(crate) fn view<'a>(
        &'a mut self,
        call: &Call<P>,
        table: &'a mut ResourceTable,
    ) -> WasiHttpCtxView<'a> {
        self.hooks.origin = call.host().cloned().map(|host| Origin {
            host,
            ends: call.operation_deadline(),
            operations: call.operations(),
        });
        WasiHttpCtxView {
            hooks: &mut self.hooks,
            table,
            ctx: &mut self.ctx,
        }
    }
}

/// Where a component's requests go, instead of the network.
struct FetchHooks<P: ?Sized> {
    /// Absent while tools are listed.
    origin: Option<Origin<P>>,
    at_once: Arc<Semaphore>,
}

/// The call that a request belongs to.
struct Origin<P: ?Sized> {
    host: Host<P>,
    ends: Instant,
    operations: Operations,
}

type SendResult = Result<
    (
        hyper::Response<WasiBody>,
        Box<dyn Future<Output = Result<(), Error>> + Send>,
    ),
    Error,
>;

impl<P: HttpPolicy + ?Sized> WasiHttpHooks for FetchHooks<P> {
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        MAX_CHUNK
    }

    fn send_request(
        &mut self,
        request: hyper::Request<WasiBody>,
        // The call's deadline is also that of its requests.
        _: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = SendResult> + Send> {
        let origin = self.origin.take();
        let at_once = Arc::clone(&self.at_once);
        Box::new(async move {
            let Some(origin) = origin else {
                return Err(failed("there is no call"));
            };
            if !origin.operations.take() {
                return Err(failed("this call has asked for too many operations"));
            }
            let ends = origin.ends.into();
            let place = tokio::time::timeout_at(ends, at_once.acquire_owned()).await;
            let Ok(Ok(place)) = place else {
                return Err(Error::ConnectionLimitReached);
            };
            let request = tokio::time::timeout_at(ends, lift_request(request)).await;
            let request = request.unwrap_or(Err(Error::ConnectionWriteTimeout))?;
            match fetch(&origin.host, request, origin.ends).await {
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

/// A request with its whole body, without the fields that the host sets.
async fn lift_request(request: hyper::Request<WasiBody>) -> Result<FetchRequest, Error> {
    let (parts, mut incoming) = request.into_parts();
    let mut headers = Vec::with_capacity(parts.headers.len());
    for (name, value) in &parts.headers {
        if is_host_only(name.as_str()) {
            continue;
        }
        let value = String::from_utf8(value.as_bytes().to_vec())
            .map_err(|_| failed(&format!("the header field `{name}` is not UTF-8")))?;
        headers.push((name.as_str().to_owned(), value));
    }
    let mut body = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let Ok(data) = frame?.into_data() else {
            // Trailers would not be part of the decision, so they are refused.
            return Err(Error::HttpRequestTrailerSectionSize(Some(0)));
        };
        if data.len() > MAX_BODY.saturating_sub(body.len()) {
            return Err(Error::HttpRequestBodySize(u64::try_from(MAX_BODY).ok()));
        }
        body.extend_from_slice(&data);
    }
    Ok(FetchRequest {
        method: parts.method.as_str().to_owned(),
        url: parts.uri.to_string(),
        headers,
        body: (!body.is_empty()).then_some(body),
        credentials: Vec::new(),
        redirects: 0,
        timeout: None,
    })
}

/// A response's body, and its slot in the limit until it is read.
struct HeldBody {
    bytes: Vec<u8>,
    _place: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for HeldBody {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn answer(
    response: FetchResponse,
    place: OwnedSemaphorePermit,
) -> Result<hyper::Response<WasiBody>, Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in response.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Error::HttpProtocolError)?;
        let value =
            HeaderValue::from_bytes(value.as_bytes()).map_err(|_| Error::HttpProtocolError)?;
        headers.append(name, value);
    }
    let body = Bytes::from_owner(HeldBody {
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

/// The guest's error code. The reason of a denial is in the call's trace.
fn error(fault: HttpError) -> Error {
    match fault {
        HttpError::Denied(_) | HttpError::DeniedRedirect(..) | HttpError::NoSuchSecret(_) => {
            Error::HttpRequestDenied
        }
        HttpError::Private(_) => Error::DestinationIpProhibited,
        HttpError::Unresolved(_) => Error::DnsError {
            rcode: None,
            info_code: None,
        },
        HttpError::Unreachable(_) => Error::DestinationUnavailable,
        HttpError::Tls(_) => Error::TlsProtocolError,
        HttpError::Certificate(_) => Error::TlsCertificateError,
        HttpError::Timeout => Error::HttpResponseTimeout,
        HttpError::TooLarge => Error::HttpResponseBodySize(u64::try_from(MAX_BODY).ok()),
        HttpError::TooManyRedirects => Error::LoopDetected,
        HttpError::Malformed(_) => Error::HttpProtocolError,
        HttpError::CallOver => Error::ConnectionTerminated,
        HttpError::Invalid(how) | HttpError::Failed(how) => Error::InternalError(Some(how)),
    }
}

#[cfg(test)]
mod tests;
