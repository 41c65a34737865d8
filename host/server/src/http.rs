//! The HTTP listener: who may connect, how much they may send, and how long they may take.
//!
//! Nothing here decides about calls. Whatever is asked for with a caller's rights is behind
//! [`crate::auth`]; beyond loopback nobody calls without credentials.

use std::{
    io,
    net::{SocketAddr, TcpListener},
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
use hmac::{Hmac, KeyInit as _, Mac as _};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioTimer;
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};
use serde::de::IgnoredAny;
use serde_json::json;
use sha2::Sha256;
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};
use tollgate::config::ServeConfig;
use tollgate_trace::store::StoreError;

use crate::{
    auth::{self, Auth, Authenticated},
    depth::too_deep,
    mcp::{self, Connection},
    metrics::{self, Metrics},
    otlp, rest,
    tls::Tls,
};

/// Bytes of a request's body.
pub const MAX_BODY: usize = 4 << 20;
/// Requests that are answered at once.
const MAX_REQUESTS: usize = 1024;
/// How long a client may take to send its headers, and then its body.
pub(crate) const SLOWEST: Duration = Duration::from_secs(15);
/// How often a stream that is silent says that it is there; so a client that has gone is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Sessions at once; one in which nothing happens for five minutes ends.
const MAX_SESSIONS: usize = 10_000;
/// The header that names a session.
const SESSION: &str = "mcp-session-id";
/// Where MCP is spoken.
const MCP: &str = "/mcp";

/// Why the gate is not served over HTTP.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// Nobody who reaches the address could say who they are.
    #[error(
        "{0} can be reached from other machines, and nothing authenticates who calls: make a token with \
         `tollgate token create`, configure [serve.oauth], or listen on 127.0.0.1"
    )]
    Open(SocketAddr),
    /// The address cannot be had.
    #[error("nobody can listen at {address}: {reason}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        reason: io::Error,
    },
    /// The system gives no randomness.
    #[error("the operating system gives no randomness")]
    Randomness,
    /// What agents report has no place.
    #[error(transparent)]
    Trace(#[from] StoreError),
}

/// Take an address. `authenticated` is whether anybody has credentials: where other machines reach the
/// address, nobody calls without.
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

/// What every request passes.
struct Guard {
    requests: Semaphore,
    hosts: Vec<String>,
    origins: Vec<String>,
    sessions: Arc<LocalSessionManager>,
    /// Signs sessions for whoever began them.
    key: Vec<u8>,
}

/// The routes: MCP at `/mcp`, REST at `/v1`, OTLP, `/metrics`, and what is public.
///
/// # Errors
/// [`HttpError::Randomness`], [`HttpError::Trace`].
pub fn router(server: &mcp::Server, auth: Auth, config: &ServeConfig) -> Result<Router, HttpError> {
    let key = tollgate::ids::random(32).ok_or(HttpError::Randomness)?;
    let settings = StreamableHttpServerConfig::default()
        .with_json_response(true)
        .with_sse_keep_alive(Some(KEEP_ALIVE))
        .with_max_request_body_bytes(MAX_BODY)
        .with_cancellation_token(server.closed().clone())
        // Host and Origin are looked at below, for all routes.
        .disable_allowed_hosts();
    let clients = server.clone();
    let sessions = Arc::new(LocalSessionManager::default());
    let mcp = StreamableHttpService::new(
        move || Ok(clients.client(None, None)),
        Arc::clone(&sessions),
        settings,
    );
    let guard = Arc::new(Guard {
        requests: Semaphore::new(MAX_REQUESTS),
        hosts: hosts(config),
        origins: config.origins.clone(),
        sessions,
        key,
    });
    let mcp = Router::new()
        .route_service(MCP, mcp)
        .layer(middleware::from_fn_with_state(Arc::clone(&guard), session));
    let gate = server.gate();
    let others: Vec<Arc<dyn metrics::Source>> = vec![
        Arc::new(metrics::Reported::of(gate)),
        Arc::new(metrics::Exported::of(gate)),
    ];
    let metrics = metrics::router(Metrics::new(gate, others), auth.clone());
    let protected = mcp
        .merge(rest::protected(gate, &server.trace()?))
        .merge(otlp::routes(gate, &server.trace()?));
    Ok(auth::protect(protected, auth)
        .merge(rest::public(gate))
        .merge(auth::metadata(gate))
        .merge(metrics)
        .layer(middleware::from_fn_with_state(guard, guarded)))
}

/// Serve `router`, by TLS if there is any, until `until` is cancelled; what is being answered then may take `patience`.
///
/// # Errors
/// What the system says.
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
            server.serve(service).await
        }
        Some(tls) => {
            let mut server = tls.server(listener)?.handle(handle);
            impatient(&mut server);
            server.serve(service).await
        }
    }
}

fn impatient<A: axum_server::Address, Acceptor>(server: &mut Server<A, Acceptor>) {
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(SLOWEST);
}

/// Names by which this server may be called: others were made to point here by somebody else's DNS.
fn hosts(config: &ServeConfig) -> Vec<String> {
    let mut hosts: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    let ip = config.listen.ip();
    if !ip.is_unspecified() {
        hosts.push(ip.to_string());
    }
    hosts.extend(config.hosts.iter().map(|host| host.to_ascii_lowercase()));
    hosts
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

/// A protocol error for which there is no message to answer (JSON-RPC 2.0, section 5).
fn protocol_error(status: StatusCode, code: i32, message: &str) -> Response {
    let body = json!({"jsonrpc": "2.0", "id": null, "error": {"code": code, "message": message}});
    (status, axum::Json(body)).into_response()
}

impl Guard {
    /// Whether the request is for this server, and from no foreign page.
    fn admits(&self, request: &Request) -> Result<(), Response> {
        let authority = match request.headers().get(header::HOST) {
            Some(host) => host.to_str().ok().and_then(|host| host.parse().ok()),
            None => request.uri().authority().cloned(),
        };
        let Some(authority): Option<http::uri::Authority> = authority else {
            let what = "Bad Request: the Host header is missing, or none";
            return Err(refused(StatusCode::BAD_REQUEST, what));
        };
        let host = authority
            .host()
            .trim_matches(['[', ']'])
            .to_ascii_lowercase();
        if !self.hosts.contains(&host) {
            let what = "Forbidden: this Host is not one of mine; add it to `hosts` under [serve]";
            return Err(refused(StatusCode::FORBIDDEN, what));
        }
        let Some(origin) = request.headers().get(header::ORIGIN) else {
            return Ok(());
        };
        let own = |origin: &str| {
            let (_, rest) = origin.split_once("://").unwrap_or(("", ""));
            rest.eq_ignore_ascii_case(authority.as_str())
        };
        let known = |origin: &str| self.origins.iter().any(|o| o.eq_ignore_ascii_case(origin));
        match origin.to_str() {
            Ok(origin) if own(origin) || known(origin) => Ok(()),
            _ => {
                let what = "Forbidden: this Origin may not call; add it to `origins` under [serve]";
                Err(refused(StatusCode::FORBIDDEN, what))
            }
        }
    }

    /// What stands behind a session's id, for whoever began it and nobody else.
    fn signature(&self, id: &str, whose: Option<&Authenticated>) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        let whose = whose.map(|a| serde_json::to_string(&a.caller).unwrap_or_default());
        mac.update(id.as_bytes());
        mac.update(&[0]);
        mac.update(whose.unwrap_or_default().as_bytes());
        let bytes = mac.finalize().into_bytes();
        Some(tollgate_core::ids::hex(bytes.get(..16)?))
    }
}

/// Host, Origin, size, speed and form of a request; and how its client's leaving is noticed.
async fn guarded(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    if let Err(refused) = guard.admits(&request) {
        return refused;
    }
    let Ok(_permit) = guard.requests.try_acquire() else {
        return busy();
    };
    let (mut parts, body) = request.into_parts();
    if otlp::is_otlp(parts.uri.path()) {
        // Its body is larger, and read once it is known who sends it.
        return next.run(Request::from_parts(parts, body)).await;
    }
    let body = match tokio::time::timeout(SLOWEST, whole(body)).await {
        Ok(Ok(body)) => body,
        Ok(Err(response)) => return response,
        Err(_) => {
            let what = "Request Timeout: the body took too long";
            return refused(StatusCode::REQUEST_TIMEOUT, what);
        }
    };
    let is_json = parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| {
            kind.trim()
                .to_ascii_lowercase()
                .starts_with("application/json")
        });
    if parts.method == Method::POST && is_json && parts.uri.path() == MCP {
        if too_deep(&body) {
            let what = "the body nests too deep";
            return protocol_error(StatusCode::BAD_REQUEST, -32600, what);
        }
        if serde_json::from_slice::<IgnoredAny>(&body).is_err() {
            return protocol_error(StatusCode::BAD_REQUEST, -32700, "the body is no JSON");
        }
    }
    let gone = CancellationToken::new();
    parts.extensions.insert(Connection(gone.clone()));
    // Dropped with the request while it is answered, and with the body of the response after that.
    let connection = gone.drop_guard();
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    response.map(|body| {
        Body::new(Watched {
            body,
            _connection: connection,
        })
    })
}

async fn whole(body: Body) -> Result<Bytes, Response> {
    let limited = http_body_util::Limited::new(body, MAX_BODY);
    match limited.collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            let what = format!("Payload Too Large: a body has at most {MAX_BODY} bytes");
            Err(refused(StatusCode::PAYLOAD_TOO_LARGE, what))
        }
        Err(_) => Err(refused(
            StatusCode::BAD_REQUEST,
            "Bad Request: the body ended early",
        )),
    }
}

/// A session belongs to whoever began it: its id is signed for them, and nobody else's request reaches
/// it.
async fn session(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    let whose = request.extensions().get::<Authenticated>().cloned();
    if let Some(signed) = request.headers().get(SESSION) {
        let signed = signed.to_str().unwrap_or_default();
        let own = signed.split_once('.').filter(|(id, signature)| {
            let right = guard.signature(id, whose.as_ref());
            right.is_some_and(|right| {
                subtle::ConstantTimeEq::ct_eq(right.as_bytes(), signature.as_bytes()).into()
            })
        });
        let id = own.and_then(|(id, _)| HeaderValue::from_str(id).ok());
        let Some(id) = id else {
            let what = "Not Found: there is no such session; begin another with initialize";
            return refused(StatusCode::NOT_FOUND, what);
        };
        request.headers_mut().insert(SESSION, id);
    } else if begins_a_session(request.headers())
        && guard.sessions.sessions.read().await.len() >= MAX_SESSIONS
    {
        return busy();
    }
    let mut response = next.run(request).await;
    sign(&guard, response.headers_mut(), whose.as_ref());
    response
}

/// Whether a request without a session may begin one: protocols from 2026-07-28 on have none.
fn begins_a_session(headers: &HeaderMap) -> bool {
    let version = headers.get("mcp-protocol-version");
    version.is_none_or(|version| version.as_bytes() < b"2026-07-28".as_slice())
}

fn sign(guard: &Guard, headers: &mut HeaderMap, whose: Option<&Authenticated>) {
    let signed = headers
        .get(SESSION)
        .and_then(|id| id.to_str().ok())
        .and_then(|id| Some(format!("{id}.{}", guard.signature(id, whose)?)))
        .and_then(|signed| HeaderValue::from_str(&signed).ok());
    if let Some(signed) = signed {
        headers.insert(SESSION, signed);
    }
}

/// A response's body that is noticed to be dropped.
struct Watched {
    body: Body,
    _connection: DropGuard,
}

impl axum::body::HttpBody for Watched {
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
