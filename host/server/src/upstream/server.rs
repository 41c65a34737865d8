//! One server: the connection that is open, or how to get one.

use std::{
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};

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
    config::UpstreamConfig, config::UpstreamTransport, egress::Network, secrets::Vault,
    upstream::BoxFuture, upstream::ConnectError, upstream::Offer, upstream::READY,
    upstream::Session, upstream::Upstream,
};
use tollgate_model::backoff::Backoff;

use super::{
    child::{Process, Start},
    connection::{Connection, Known},
    handler::{Handler, ServerMessages},
    http,
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
    known: Known,
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
}

/// Why there was no handshake.
struct NoHandshake {
    unreachable: ConnectError,
    /// Whether an earlier protocol version may fare better.
    by_version: bool,
}

impl Server {
    pub(super) fn new(
        config: &UpstreamConfig,
        secrets: &Arc<Vault>,
        network: &Network,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            config: config.clone(),
            secrets: Arc::clone(secrets),
            network: network.clone(),
            known: Known::default(),
            state: Mutex::new(State {
                connection: None,
                backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
                again: None,
                legacy: false,
            }),
            this: Weak::clone(this),
        })
    }

    async fn open(&self) -> Result<Arc<Connection>, ConnectError> {
        let mut state = self.state.lock().await;
        if let Some(connection) = state.connection.as_ref().filter(|c| c.is_open()) {
            return Ok(Arc::clone(connection));
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
        let slow = |_| ConnectError::new(format!("it was not ready within {} s", READY.as_secs()));
        let attempt = |mode| tokio::time::timeout(READY, self.attempt(mode));
        if !state.legacy {
            let modern = ClientLifecycleMode::Auto {
                preferred_versions: vec![ProtocolVersion::LATEST],
                legacy_version: Some(ProtocolVersion::LATEST_WITH_INITIALIZE),
            };
            match attempt(modern).await.map_err(slow)? {
                Ok(connection) => return Ok(connection),
                Err(NoHandshake {
                    by_version: false,
                    unreachable,
                }) => return Err(unreachable),
                Err(_) => {}
            }
        }
        // Some servers of earlier versions end the connection over a question that they do not know.
        let attempted = attempt(ClientLifecycleMode::Initialize)
            .await
            .map_err(slow)?;
        let connection = attempted.map_err(|no| no.unreachable)?;
        state.legacy = true;
        Ok(connection)
    }

    async fn attempt(&self, mode: ClientLifecycleMode) -> Result<Arc<Connection>, NoHandshake> {
        let heard = Arc::new(ServerMessages::default());
        let handler = Handler {
            heard: Arc::clone(&heard),
            roots: self.config.roots.clone(),
        };
        let unreached = |unreachable| NoHandshake {
            unreachable,
            by_version: false,
        };
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
                let (process, pipe) = start.start(&self.secrets).await.map_err(unreached)?;
                match handshake(handler, pipe, mode).await {
                    Ok(service) => (service, Some(process)),
                    Err(error) => return Err(self.no_handshake(&error, Some(process)).await),
                }
            }
            UpstreamTransport::Http { url, headers } => {
                let transport = http::transport(url, headers, &self.secrets, &self.network);
                let transport = transport.await.map_err(unreached)?;
                match handshake(handler, transport, mode).await {
                    Ok(service) => (service, None),
                    Err(error) => return Err(self.no_handshake(&error, None).await),
                }
            }
        };
        let known = Arc::clone(&self.known);
        Ok(Arc::new(Connection::new(service, heard, process, known)))
    }

    async fn no_handshake(
        &self,
        error: &ClientInitializeError,
        process: Option<Process>,
    ) -> NoHandshake {
        let why = match error {
            ClientInitializeError::ConnectionClosed(_) => "it ended before it answered",
            ClientInitializeError::NoCompatibleProtocolVersion { .. } => {
                "it has no protocol version in common with this gate"
            }
            error if error.is_authorization_required() => "it does not accept the credentials",
            ClientInitializeError::TransportError { error, .. }
                if http::is_unsent(error.error.as_ref()) =>
            {
                "no connection to it comes about"
            }
            ClientInitializeError::TransportError { .. } => "the connection failed",
            _ => "it does not answer as an MCP server does",
        };
        // Over HTTP a failed connection fails again, and credentials do not get better.
        let by_version = match error {
            ClientInitializeError::TransportError { .. } => process.is_some(),
            error => !error.is_authorization_required(),
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
            by_version,
        }
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

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let connection = self.state.lock().await.connection.take();
            if let Some(connection) = connection {
                connection.close().await;
            }
        })
    }
}
