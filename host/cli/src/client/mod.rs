//! The client of the gate's REST API: over the socket of the process that owns the ledger, or in this process.
//!
//! One process owns a ledger at a time. If there is an owner, a command sends its request to the owner's socket.
//! If there is none, the command becomes the owner: it answers its own request by the same router, and serves the
//! socket while it runs. If the owner exits in between, the command tries again.

mod connection;
mod request;
mod response;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use axum::{Router, body::Body};
use serde::de::DeserializeOwned;
use tollgate::{config::Config, gate::Gate, gate::GateOptions, load::LoadError};
use tollgate_ledger::LedgerError;
use tollgate_model::canonical::Sha256Digest;
use tollgate_server::{
    auth::peer::PeerCredentials,
    http::socket::{self, OwnerSocket},
    mcp,
    upstream::Servers,
};
use tower::ServiceExt as _;

use self::{connection::RequestError, response::Response};
use crate::{
    component::compiler,
    error::Failure,
    exit_code::Exit,
    identity::{self, Claim},
    output::Output,
};

pub(crate) use self::{
    connection::Stream,
    request::{ApiRequest, segment, value},
};

/// How long to wait for an owner that does not answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long calls of agents may take to end when this owner stops.
const DRAINING: Duration = Duration::from_secs(30);
/// The pause before another attempt.
const PAUSE: Duration = Duration::from_millis(50);

/// A gate that this process owns.
struct Owner {
    gate: Gate,
    /// The gate as agents see it, also through the socket.
    server: mcp::Server,
    /// The routes of the socket.
    router: Router,
    socket: OwnerSocket,
}

impl Owner {
    /// Answers a request of this process.
    async fn answer(
        &self,
        request: &ApiRequest,
        claim: Option<&Claim>,
    ) -> Result<Response, Failure> {
        let mut request: axum::http::Request<Body> = request.to_http(claim)?;
        request.extensions_mut().insert(PeerCredentials::own());
        let Ok(response) = self.router.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await;
        let body = body.map_err(|e| Failure::plain(format!("the answer broke off: {e}")))?;
        Ok(Response::new(&parts, body))
    }
}

/// Why this process is not the owner.
pub(crate) enum NotAlone {
    /// Another process is the owner.
    Owned(Failure),
    /// The gate does not open.
    Broken(Failure),
}

/// The client of one gate.
pub(crate) struct Client<'a> {
    config: Config,
    claim: Option<Claim>,
    out: &'a Output,
    owned: Option<Owner>,
}

impl<'a> Client<'a> {
    /// The client of the gate that `config` describes. Nothing is opened before it is needed.
    pub(crate) fn new(config: Config, claim: Option<Claim>, out: &'a Output) -> Self {
        Self {
            config,
            claim,
            out,
            owned: None,
        }
    }

    /// Sends a request to the gate, in this process or at its owner.
    pub(crate) async fn execute<T: DeserializeOwned>(
        &mut self,
        request: ApiRequest,
    ) -> Result<T, Failure> {
        let mut request = request;
        let wait = request.wait();
        let begun = Instant::now();
        let mut silence = OwnerTimeout::since_now(PATIENCE);
        loop {
            if let Some(owner) = &self.owned {
                return owner.answer(&request, self.claim.as_ref()).await?.json();
            }
            match self.attempt(&request).await? {
                Attempt::Answered(response) if response.is_leaving() => {
                    silence.patience = DRAINING + PATIENCE;
                }
                Attempt::Answered(response) if response.is_interrupted => {
                    // The owner exits while the call waits for an approval: wait at the next owner.
                    let left = wait.saturating_sub(begun.elapsed());
                    if left.is_zero() {
                        return response.json();
                    }
                    request = request.waiting(left);
                    silence = OwnerTimeout::since_now(DRAINING + PATIENCE);
                }
                Attempt::Answered(response) => return response.json(),
                Attempt::NotAsked => {}
            }
            match self.own().await {
                Ok(()) => {}
                Err(LoadError::Ledger(LedgerError::Owned { pid, .. })) => {
                    if silence.is_over() {
                        return Err(self.deaf(pid));
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => {
                    let Some(offers) = request.offers() else {
                        return Err(error.into());
                    };
                    // The gate may not open before these definitions are accepted.
                    self.own_accepting(offers).await?;
                    return Response::nothing().json();
                }
            }
        }
    }

    /// Sends a request to the owner once.
    async fn attempt(&self, request: &ApiRequest) -> Result<Attempt, Failure> {
        let http = request.to_http(self.claim.as_ref())?;
        match connection::ask(&self.config.store.path, http).await {
            Ok(response) => Ok(Attempt::Answered(response)),
            Err(RequestError::NotAsked) => Ok(Attempt::NotAsked),
            Err(RequestError::Refused(problem)) => Err(Failure::plain(problem)),
            Err(RequestError::Lost) if request.has_effects() => Err(Failure::new(
                Exit::Indeterminate,
                "the process that owns the gate went away in the middle of the call: it may have happened",
            )
            .help("do not repeat it before you have looked: tollgate runs show")),
            Err(RequestError::Lost) => Err(Failure::plain(
                "the process that owns the gate went away without an answer",
            )
            .help("see whether it was done, then try again")),
        }
    }

    async fn own_accepting(&mut self, offers: &[(String, Sha256Digest)]) -> Result<(), Failure> {
        if self.claim.is_some() {
            return Err(
                Failure::plain("the gate does not open yet, so no token can be checked")
                    .help("accept the server as the user that you are logged in as"),
            );
        }
        let user = identity::of_login(&self.config, &identity::login(identity::own_uid())?)?;
        let options = self.options();
        let gate = Gate::open_accepting(self.config.clone(), options, &user, offers).await?;
        self.serve(gate);
        Ok(())
    }

    /// Sends a request to the owner. Never becomes the owner, and starts no thread.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, request: ApiRequest) -> Result<T, Failure> {
        let answer = self.ask_if_served(request).await?;
        answer.ok_or_else(|| {
            Failure::plain("no process serves this gate").help("start one: tollgate serve")
        })
    }

    /// Like [`Client::ask`]; `None` if no process serves the gate.
    pub(crate) async fn ask_if_served<T: DeserializeOwned>(
        &self,
        request: ApiRequest,
    ) -> Result<Option<T>, Failure> {
        let http = request.to_http(self.claim.as_ref())?;
        match connection::ask(&self.config.store.path, http).await {
            Ok(response) => response.json().map(Some),
            Err(RequestError::NotAsked) => Ok(None),
            Err(RequestError::Refused(problem)) => Err(Failure::plain(problem)),
            Err(RequestError::Lost) => Err(Failure::plain(
                "the process that serves the gate went away without an answer",
            )),
        }
    }

    fn deaf(&self, pid: u32) -> Failure {
        let socket = socket::path(&self.config.store.path);
        Failure::plain(format!(
            "process {pid} owns the ledger {} and does not answer at {}",
            self.config.store.path.display(),
            socket.display()
        ))
        .help(format!("wait until it is done, or end it: kill {pid}"))
    }

    async fn own(&mut self) -> Result<(), LoadError> {
        let step = self
            .out
            .progress()
            .map(|progress| progress.step("opening the gate"));
        let gate = Gate::open(self.config.clone(), self.options()).await?;
        // Without a server, the command that owns the store expires and escalates approvals. If
        // that cannot be recorded, the command itself fails for the same reason.
        let _ = gate.pass_time().await;
        drop(step);
        self.serve(gate);
        Ok(())
    }

    fn options(&self) -> GateOptions {
        let login = identity::login(identity::own_uid()).unwrap_or_else(|_| "gate".into());
        let by = identity::of_login(&self.config, &login).map_or(login, |user| user.id);
        GateOptions {
            by,
            compiler: Some(compiler()),
            connector: Servers::new(),
            ..GateOptions::default()
        }
    }

    /// Owns the gate, and serves its socket.
    fn serve(&mut self, gate: Gate) {
        let server = mcp::Server::new(gate.clone());
        let router = socket::router(&server);
        self.owned = Some(Owner {
            socket: OwnerSocket::start(&server, router.clone()),
            gate,
            server,
            router,
        });
    }

    /// Becomes the owner, for operations that need the gate in this process.
    ///
    /// # Errors
    /// [`NotAlone`]: another process is the owner, or the gate does not open.
    pub(crate) async fn own_alone(&mut self) -> Result<(), NotAlone> {
        match self.own().await {
            Ok(()) => Ok(()),
            Err(LoadError::Ledger(LedgerError::Owned { pid, path })) => Err(NotAlone::Owned(
                Failure::plain(format!(
                    "process {pid} owns the ledger {path}, and this needs it closed"
                ))
                .help("wait until it is done, or end it, and try again"),
            )),
            Err(error) => Err(NotAlone::Broken(error.into())),
        }
    }

    /// The gate that this process owns, as agents see it.
    pub(crate) fn server(&self) -> Result<mcp::Server, Failure> {
        let owned = self.owned.as_ref();
        owned
            .map(|owner| owner.server.clone())
            .ok_or_else(|| Failure::plain("this process does not own the gate"))
    }

    /// Whether calls as `agent` are its own: no other user is named, and the login of this process is its operator's,
    /// or that of no user, who answers nothing.
    fn is_operator(&self, agent: &str) -> bool {
        let login = identity::login(identity::own_uid());
        let user = login.and_then(|login| identity::of_login(&self.config, &login));
        let operator = self.config.agents.get(agent).map(|agent| &agent.operator);
        self.claim.is_none() && user.map_or(true, |user| Some(&user.id) == operator)
    }

    /// Where this process is the owner and its user is not the operator of `agent`: a stream of MCP to its own socket,
    /// where it is decided whether that user speaks for the agent.
    ///
    /// # Errors
    /// The user may not.
    pub(crate) async fn speaker_stream(&self, agent: &str) -> Result<Option<Stream>, Failure> {
        if self.is_operator(agent) {
            return Ok(None);
        }
        let gone = || Failure::plain("the socket of this process does not answer");
        self.connect(agent).await?.ok_or_else(gone).map(Some)
    }

    /// A stream of MCP to the owner, as `agent`; `None` if there is no owner.
    ///
    /// # Errors
    /// The owner refuses it.
    pub(crate) async fn connect(&self, agent: &str) -> Result<Option<Stream>, Failure> {
        let path = format!("/v1/agents/{}/stdio", segment(agent));
        let mut request = ApiRequest::get(path).to_http(self.claim.as_ref())?;
        for (name, value) in connection::upgrade_headers() {
            let value = axum::http::HeaderValue::from_static(value);
            request.headers_mut().insert(name, value);
        }
        match connection::upgrade(&self.config.store.path, request).await {
            Ok(Ok(stream)) => Ok(Some(stream)),
            Ok(Err(response)) if response.is_leaving() => Ok(None),
            Ok(Err(response)) => response.json().map(|()| None),
            Err(RequestError::Refused(problem)) => Err(Failure::plain(problem)),
            Err(RequestError::NotAsked | RequestError::Lost) => Ok(None),
        }
    }

    /// Stops being the owner: answers accepted requests, and closes the ledger.
    pub(crate) async fn close(mut self) {
        self.leave().await;
    }

    /// Like [`Client::close`], but the client can be used again.
    pub(crate) async fn leave(&mut self) {
        if let Some(owner) = self.owned.take() {
            let Owner {
                gate,
                server,
                router,
                socket,
            } = owner;
            socket.close();
            server.drain(DRAINING).await;
            socket.stop().await;
            drop(router);
            server.close_trace().await;
            gate.close().await;
        }
    }
}

/// Sends a request to the hook socket, as the agent that this process's account stands for.
pub(crate) async fn ask_hook<T: DeserializeOwned>(
    socket: &Path,
    request: ApiRequest,
) -> Result<T, Failure> {
    match connection::ask_hook(socket, request.to_http(None)?).await {
        Ok(response) => response.json(),
        Err(RequestError::NotAsked) => Err(Failure::plain(format!(
            "no gate answers at {}",
            socket.display()
        ))
        .help("`tollgate serve` makes the socket of [hook]; this account needs access to it")),
        Err(RequestError::Refused(problem)) => Err(Failure::plain(problem)),
        Err(RequestError::Lost) => Err(Failure::plain("the gate went away without an answer")),
    }
}

/// The result of one attempt.
enum Attempt {
    Answered(Response),
    NotAsked,
}

/// How long no owner has answered, and the limit.
struct OwnerTimeout {
    since: Instant,
    patience: Duration,
}

impl OwnerTimeout {
    fn since_now(patience: Duration) -> Self {
        Self {
            since: Instant::now(),
            patience,
        }
    }

    fn is_over(&self) -> bool {
        self.since.elapsed() > self.patience
    }
}

#[cfg(test)]
mod tests;
