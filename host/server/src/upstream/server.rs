//! One server: the connection that is open, or how to get one.

use std::{
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};

use http::StatusCode;
use rmcp::{
    RoleClient,
    model::ProtocolVersion,
    service::{
        ClientInitializeError, ClientLifecycleMode, RunningService, serve_client_with_lifecycle,
    },
    transport::IntoTransport,
};
use tokio::{sync::Mutex, time::Instant};
use tollgate::{
    config::HttpProtocol, config::UpstreamConfig, config::UpstreamTransport, egress::Network,
    secrets::Vault, upstream::BoxFuture, upstream::ConnectError, upstream::Offer, upstream::READY,
    upstream::Session, upstream::Upstream,
};
use tollgate_model::backoff::Backoff;

use super::{
    child::{Process, Start},
    connection::{Connection, ConnectionParts, LastOffer, OfferFilter, RequestStreams},
    handler::{Handler, ServerMessages},
    http::{EventStream, HttpClient, HttpError, HttpTransport, StaleFlag},
    oauth::AccessTokens,
};

/// The pause after the first time that a server could not be reached; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// One server.
#[derive(Debug)]
pub(super) struct Server {
    config: UpstreamConfig,
    secrets: Arc<Vault>,
    network: Network,
    tokens: Option<Arc<AccessTokens>>,
    known: LastOffer,
    state: Mutex<State>,
    this: Weak<Self>,
}

#[derive(Debug)]
struct State {
    connection: Option<Arc<Connection>>,
    backoff: Backoff,
    /// When it may be tried again.
    again: Option<Instant>,
    /// Whether it only knows the handshake of earlier protocol versions.
    legacy: bool,
    /// Whether it is one of HTTP with SSE, as in the first version.
    has_event_stream: bool,
}

/// Why there was no handshake.
struct NoHandshake {
    unreachable: ConnectError,
    /// Whether an earlier protocol version may fare better.
    by_version: bool,
    /// Whether the older transport may.
    by_transport: bool,
}

impl From<ConnectError> for NoHandshake {
    fn from(unreachable: ConnectError) -> Self {
        Self {
            unreachable,
            by_version: false,
            by_transport: false,
        }
    }
}

impl Server {
    pub(super) fn new(
        config: &UpstreamConfig,
        secrets: &Arc<Vault>,
        network: &Network,
        tokens: Option<Arc<AccessTokens>>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            config: config.clone(),
            secrets: Arc::clone(secrets),
            network: network.clone(),
            tokens,
            known: LastOffer::default(),
            state: Mutex::new(State {
                connection: None,
                backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
                again: None,
                legacy: false,
                has_event_stream: false,
            }),
            this: Weak::clone(this),
        })
    }

    async fn open(&self) -> Result<Arc<Connection>, ConnectError> {
        let mut state = self.state.lock().await;
        if let Some(connection) = state.connection.as_ref().filter(|c| c.is_open()) {
            if !connection.is_stale() {
                return Ok(Arc::clone(connection));
            }
            // It ends when the calls in flight on it have ended.
            state.connection = None;
        }
        if let Some(dead) = state.connection.take() {
            dead.close().await;
        }
        let now = Instant::now();
        if let Some(again) = state.again.filter(|again| *again > now) {
            return Err(ConnectError::new(format!(
                "it could not be reached {} in a row and is tried again in {} ms",
                match state.backoff.failures() {
                    1 => "once".into(),
                    n => format!("{n} times"),
                },
                (again - now).as_millis()
            )));
        }
        match self.connect(&mut state).await {
            Ok(connection) => {
                state.backoff.reset();
                state.again = None;
                state.connection = Some(Arc::clone(&connection));
                Ok(connection)
            }
            Err(unreachable) => {
                state.again = Some(Instant::now() + state.backoff.fail());
                Err(unreachable)
            }
        }
    }

    async fn connect(&self, state: &mut State) -> Result<Arc<Connection>, ConnectError> {
        let protocol = match &self.config.transport {
            UpstreamTransport::Http { protocol, .. } => *protocol,
            UpstreamTransport::Command { .. } => HttpProtocol::Streamable,
        };
        if protocol == HttpProtocol::EventStream || state.has_event_stream {
            let attempted = self.attempt(ClientLifecycleMode::Initialize, true).await;
            state.has_event_stream = attempted.is_ok();
            return attempted.map_err(|no| no.unreachable);
        }
        let mut no = NoHandshake {
            by_version: true,
            ..ConnectError::new("it was not asked").into()
        };
        if !state.legacy {
            let modern = ClientLifecycleMode::Auto {
                preferred_versions: vec![ProtocolVersion::LATEST],
                legacy_version: Some(ProtocolVersion::LATEST_WITH_INITIALIZE),
            };
            match self.attempt(modern, false).await {
                Ok(connection) => return Ok(connection),
                Err(refused) => no = refused,
            }
        }
        if no.by_version && !no.by_transport {
            // Some servers of earlier versions end the connection over a question that they do not know.
            match self.attempt(ClientLifecycleMode::Initialize, false).await {
                Ok(connection) => {
                    state.legacy = true;
                    return Ok(connection);
                }
                Err(refused) => no = refused,
            }
        }
        if no.by_transport && protocol == HttpProtocol::Either {
            // MCP 2025-11-25, Transports, "Backwards Compatibility".
            let attempted = self.attempt(ClientLifecycleMode::Initialize, true).await;
            if let Ok(connection) = attempted {
                state.has_event_stream = true;
                return Ok(connection);
            }
        }
        Err(no.unreachable)
    }

    async fn attempt(
        &self,
        mode: ClientLifecycleMode,
        has_event_stream: bool,
    ) -> Result<Arc<Connection>, NoHandshake> {
        let attempt = tokio::time::timeout(READY, self.handshake(mode, has_event_stream));
        attempt.await.unwrap_or_else(|_| {
            let why = format!("it was not ready within {} s", READY.as_secs());
            Err(ConnectError::new(why).into())
        })
    }

    async fn handshake(
        &self,
        mode: ClientLifecycleMode,
        has_event_stream: bool,
    ) -> Result<Arc<Connection>, NoHandshake> {
        let heard = Arc::new(ServerMessages::default());
        let handler = Handler {
            heard: Arc::clone(&heard),
            roots: self.config.roots.clone(),
            elicits: self.config.carried.elicitation,
            secrets: Arc::clone(&self.secrets),
        };
        let stale = StaleFlag::default();
        let (service, process) = match &self.config.transport {
            UpstreamTransport::Command {
                command,
                env,
                dir,
                user,
            } => {
                let start = Start {
                    command,
                    env,
                    dir,
                    user: user.as_deref(),
                };
                let (process, pipe) = start.start(&self.secrets).await?;
                match handshake(handler, pipe, mode).await {
                    Ok(service) => (service, Some(process)),
                    Err(error) => return Err(self.no_handshake(error, Some(process)).await),
                }
            }
            UpstreamTransport::Http { url, headers, .. } => {
                let client = HttpClient::new(url, headers, &self.secrets, &self.network).await?;
                let client = client.with_tokens(self.tokens.clone());
                let service = if has_event_stream {
                    let stream = EventStream::open(client, Arc::clone(&stale)).await;
                    handshake(handler, stream.map_err(of_http)?, mode).await
                } else {
                    let transport = HttpTransport::new(client, Arc::clone(&stale));
                    handshake(handler, transport, mode).await
                };
                match service {
                    Ok(service) => (service, None),
                    Err(error) => return Err(self.no_handshake(error, None).await),
                }
            }
        };
        let is_http = matches!(self.config.transport, UpstreamTransport::Http { .. });
        let parts = ConnectionParts {
            heard,
            process,
            streams: match is_http && !has_event_stream {
                true => RequestStreams::Own,
                false => RequestStreams::Shared,
            },
            known: Arc::clone(&self.known),
            stale,
            wanted: OfferFilter {
                tools: self.config.tools.clone(),
                carried: self.config.carried.clone(),
            },
            secrets: Arc::clone(&self.secrets),
        };
        Ok(Arc::new(Connection::new(service, parts)))
    }

    async fn no_handshake(
        &self,
        error: ClientInitializeError,
        process: Option<Process>,
    ) -> NoHandshake {
        let error = match error {
            ClientInitializeError::LegacyFallbackFailed { fallback, .. } => *fallback,
            error => error,
        };
        if let ClientInitializeError::TransportError { error, .. } = &error
            && let Some(error) = error.error.downcast_ref::<HttpError>()
        {
            return of_http(error.clone());
        }
        let why = match error {
            ClientInitializeError::ConnectionClosed(_) => "it ended before it answered",
            ClientInitializeError::NoCompatibleProtocolVersion { .. } => {
                "it has no protocol version in common with this gate"
            }
            // Over a pipe a message is one line; a line without its end is not a complete message.
            ClientInitializeError::TransportError { .. } => "no connection to it comes about",
            _ => "it does not answer as an MCP server does",
        };
        let said = match process {
            Some(process) => process.last_words_of_all(&self.secrets).await,
            None => None,
        };
        NoHandshake {
            unreachable: ConnectError {
                why: why.into(),
                said,
            },
            by_version: true,
            by_transport: false,
        }
    }
}

/// What went wrong over HTTP. A failed connection fails again, and credentials do not get better.
fn of_http(error: HttpError) -> NoHandshake {
    let other_way = |status: StatusCode| {
        status.is_client_error()
            && ![
                StatusCode::UNAUTHORIZED,
                StatusCode::FORBIDDEN,
                StatusCode::TOO_MANY_REQUESTS,
            ]
            .contains(&status)
    };
    NoHandshake {
        by_version: false,
        by_transport: error.status.is_some_and(other_way),
        unreachable: ConnectError {
            why: error.why,
            said: error.said,
        },
    }
}

async fn handshake<T, E, A>(
    handler: Handler,
    transport: T,
    mode: ClientLifecycleMode,
) -> Result<RunningService<RoleClient, Handler>, ClientInitializeError>
where
    T: IntoTransport<RoleClient, E, A>,
    E: std::error::Error + Send + Sync + 'static,
{
    serve_client_with_lifecycle(handler, transport, mode).await
}

impl Upstream for Server {
    fn session(&self) -> BoxFuture<'_, Result<Arc<dyn Session>, ConnectError>> {
        let this = self.this.upgrade();
        Box::pin(async move {
            let gone = || ConnectError::new("it is no longer configured");
            let this = this.ok_or_else(gone)?;
            // A server that takes long to start is not started anew by each call that does not wait.
            let opening = tokio::spawn(async move { this.open().await });
            let opened = opening.await.map_err(|_| gone())?;
            opened.map(|connection| connection as Arc<dyn Session>)
        })
    }

    fn last_offer(&self) -> Option<Arc<Offer>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    fn secrets(&self) -> Option<&Arc<Vault>> {
        Some(&self.secrets)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let connection = self.state.lock().await.connection.take();
            if let Some(connection) = connection {
                connection.close().await;
            }
        })
    }
}
