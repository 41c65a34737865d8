//! The HTTP listener: who may connect, how much they may send, and how long they may take.
//!
//! Nothing here decides about calls. Every route that acts for a caller is behind [`crate::auth`]. Beyond
//! loopback every request needs credentials.

mod connections;
pub mod hook_socket;
mod requests;
mod sessions;
pub mod socket;
mod unix;

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use axum_server::{Handle, Server};
use bytes::Bytes;
use hyper_util::rt::TokioTimer;
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};
use tokio_util::sync::CancellationToken;
use tollgate::gate::Gate;
use tollgate_trace::store::StoreError;

use self::{
    connections::{ConnectionLimit, Usage},
    requests::Requests,
    sessions::Sessions,
};
use crate::{
    auth::{self, Auth},
    limits::SLOWEST,
    mcp,
    metrics::{self, Metrics},
    otlp, rest,
    tls::Tls,
};

pub use crate::limits::MAX_BODY;
/// How often a stream that is silent says that it is there; so a client that has gone is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// The path of MCP.
const MCP: &str = "/mcp";

/// Why the gate is not served over HTTP.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The address is not loopback, and no credentials are configured.
    #[error(
        "{0} can be reached from other machines, and nothing authenticates who calls: make a token with \
         `tollgate token create`, configure [serve.oauth], or listen on 127.0.0.1"
    )]
    Open(SocketAddr),
    /// The address is not available.
    #[error("cannot listen on {address}: {reason}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// The error of the operating system.
        reason: io::Error,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gives no randomness")]
    Randomness,
    /// The trace store cannot be opened.
    #[error(transparent)]
    Trace(#[from] StoreError),
}

/// Binds an address. `authenticated` is whether any credentials are configured; without them only a loopback
/// address is accepted.
///
/// # Errors
/// [`HttpError`].
pub fn listen(address: SocketAddr, authenticated: bool) -> Result<TcpListener, HttpError> {
    if !authenticated && auth::required_for(address) {
        return Err(HttpError::Open(address));
    }
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|reason| HttpError::Address { address, reason })
}

/// Checks of every request.
struct Guard {
    gate: Gate,
    /// The address of the listener.
    ip: IpAddr,
}

/// The routes of a listener at `address`: MCP at `/mcp`, REST at `/v1`, OTLP, `/metrics`, and public routes.
///
/// # Errors
/// [`HttpError::Randomness`], [`HttpError::Trace`].
pub fn router(server: &mcp::Server, auth: Auth, address: SocketAddr) -> Result<Router, HttpError> {
    let key = tollgate::ids::random(32).ok_or(HttpError::Randomness)?;
    let settings = StreamableHttpServerConfig::default()
        .with_json_response(true)
        .with_sse_keep_alive(Some(KEEP_ALIVE))
        .with_max_request_body_bytes(MAX_BODY)
        .with_cancellation_token(server.closed().clone())
        // Host and Origin are checked by `guarded`, for all routes.
        .disable_allowed_hosts();
    let clients = server.clone();
    let open = Arc::new(LocalSessionManager::default());
    let mcp = StreamableHttpService::new(
        move || Ok(clients.client(None, None)),
        Arc::clone(&open),
        settings,
    );
    let sessions = Sessions::new(open, key);
    let mcp = Router::new()
        .route_service(MCP, mcp)
        .layer(middleware::from_fn(mcp::as_written))
        .layer(middleware::from_fn_with_state(sessions, sessions::session));
    let gate = server.gate();
    let others: Vec<Arc<dyn metrics::Source>> = vec![
        Arc::new(metrics::TraceMetrics::of(gate)),
        Arc::new(metrics::ExporterMetrics::of(gate)),
        Arc::new(metrics::HookMetrics::of(server.unknown_events())),
    ];
    let metrics = metrics::router(Metrics::new(gate, others), auth.clone());
    let protected = mcp
        .merge(rest::protected(server))
        .merge(otlp::routes(gate, &server.trace()?))
        .layer(middleware::from_fn_with_state(
            Requests::new(),
            requests::admitted,
        ));
    let guard = Arc::new(Guard {
        gate: gate.clone(),
        ip: address.ip(),
    });
    Ok(auth::protect(protected, auth)
        .merge(rest::public(gate))
        .merge(auth::metadata(gate))
        .merge(metrics)
        .layer(middleware::from_fn_with_state(guard, guarded)))
}

/// Serves `router`, with TLS if configured, until `until` is cancelled. Requests in flight then have `patience` to
/// end.
///
/// # Errors
/// The error of the operating system.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<&Tls>,
    until: CancellationToken,
    patience: Duration,
) -> io::Result<()> {
    let handle = Handle::new();
    let leaving = handle.clone();
    tokio::spawn(async move {
        until.cancelled().await;
        leaving.graceful_shutdown(Some(patience));
    });
    let service = router.into_make_service();
    match tls {
        None => {
            let mut server = axum_server::from_tcp(listener)?.handle(handle);
            impatient(&mut server);
            server.map(ConnectionLimit::new).serve(service).await
        }
        Some(tls) => {
            let mut server = tls.server(listener)?.handle(handle);
            impatient(&mut server);
            server.map(ConnectionLimit::new).serve(service).await
        }
    }
}

fn impatient<A: axum_server::Address, Acceptor>(server: &mut Server<A, Acceptor>) {
    let mut builder = server.http_builder().http1();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(SLOWEST);
    let mut builder = builder.http2();
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(SLOWEST);
}

fn refused(status: StatusCode, message: impl Into<String>) -> Response {
    (status, message.into() + "\n").into_response()
}

fn busy() -> Response {
    let mut busy = refused(
        StatusCode::SERVICE_UNAVAILABLE,
        "Busy: try again in a second",
    );
    let second = HeaderValue::from_static("1");
    busy.headers_mut().insert(header::RETRY_AFTER, second);
    busy
}

impl Guard {
    /// Checks that Host is this server, and that Origin is absent or allowed. Returns an allowed origin.
    ///
    /// # Errors
    /// The status and the words of the answer.
    fn admits(&self, request: &Request) -> Result<Option<HeaderValue>, (StatusCode, &'static str)> {
        let authority = match request.headers().get(header::HOST) {
            Some(host) => host.to_str().ok().and_then(|host| host.parse().ok()),
            None => request.uri().authority().cloned(),
        };
        let Some(authority): Option<http::uri::Authority> = authority else {
            let what = "Bad Request: the Host header is missing, or none";
            return Err((StatusCode::BAD_REQUEST, what));
        };
        let ruleset = self.gate.ruleset();
        let config = &ruleset.config.serve;
        // Any other name points here by a foreign DNS entry: DNS rebinding.
        let host = authority.host().trim_matches(['[', ']']);
        let is_local = ["localhost", "127.0.0.1", "::1"].contains(&&*host.to_ascii_lowercase());
        let is_own = !self.ip.is_unspecified() && host.parse() == Ok(self.ip);
        if !is_local && !is_own && !config.hosts.iter().any(|h| h.eq_ignore_ascii_case(host)) {
            let what = "Forbidden: this Host is not one of mine; add it to `hosts` under [serve]";
            return Err((StatusCode::FORBIDDEN, what));
        }
        let Some(given) = request.headers().get(header::ORIGIN) else {
            return Ok(None);
        };
        let origin = given.to_str().unwrap_or_default();
        let (_, rest) = origin.split_once("://").unwrap_or_default();
        if rest.eq_ignore_ascii_case(authority.as_str()) {
            return Ok(None);
        }
        if config
            .origins
            .iter()
            .any(|o| o.eq_ignore_ascii_case(origin))
        {
            return Ok(Some(given.clone()));
        }
        let what = "Forbidden: this Origin may not call; add it to `origins` under [serve]";
        Err((StatusCode::FORBIDDEN, what))
    }
}

/// Checks Host and Origin of a request, and marks its connection as used. The caller is not known yet, so
/// the body is not read and no slot is taken.
async fn guarded(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let origin = match guard.admits(&request) {
        Ok(origin) => origin,
        Err((status, what)) => return refused(status, what),
    };
    let in_use = request.extensions().get::<Arc<Usage>>().map(Usage::begin);
    let preflight = origin.as_ref().and_then(|_| preflight(&request));
    let mut response = match preflight {
        Some(answer) => answer,
        None => next.run(request).await,
    };
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        let exposed = HeaderValue::from_static("Mcp-Session-Id, WWW-Authenticate, Retry-After");
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
    response.map(|body| GuardedBody::with(body, in_use))
}

/// The response to a CORS preflight request of an allowed origin (Fetch standard). It has no credentials.
fn preflight(request: &Request) -> Option<Response> {
    let asked = request.headers();
    if request.method() != Method::OPTIONS
        || !asked.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
    {
        return None;
    }
    let mut answer = HeaderMap::new();
    let methods = HeaderValue::from_static("GET, POST, DELETE");
    answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    if let Some(names) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    let lasts = HeaderValue::from_static("600");
    answer.insert(header::ACCESS_CONTROL_MAX_AGE, lasts);
    Some((StatusCode::NO_CONTENT, answer).into_response())
}

/// A response's body, with guards that are dropped when the body ends or the client disconnects.
struct GuardedBody<T> {
    body: Body,
    _kept: T,
}

impl<T: Send + Unpin + 'static> GuardedBody<T> {
    fn with(body: Body, kept: T) -> Body {
        Body::new(Self { body, _kept: kept })
    }
}

impl<T: Unpin> axum::body::HttpBody for GuardedBody<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
