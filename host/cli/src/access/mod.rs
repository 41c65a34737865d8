//! The way to the gate: own its ledger, or ask the process that does.
//!
//! One process owns a ledger at a time. A command that finds an owner asks it over its socket; one that
//! finds none becomes the owner, and serves the socket for as long as it runs. When an owner leaves
//! meanwhile, the next attempt finds another one or becomes it.

mod execute;
mod socket;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;
use tollgate::{config::Config, gate::Gate, gate::GateOptions, load::LoadError};
use tollgate_ledger::LedgerError;
use tollgate_model::{canonical::Sha256Digest, entity::Uid};
use tollgate_server::{auth::token, mcp, upstream::Servers};

use crate::{
    access::socket::{Envelope, Server, Stream, Unanswered},
    component::compiler,
    error::Failure,
    exit_code::Exit,
    identity::{self, Claim},
    operation::{Operation, Reply},
    output::Output,
};

/// How long an owner that does not answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long agents' calls may take to end when the owner leaves.
const DRAINING: Duration = Duration::from_secs(30);
/// How long until it is asked again.
const PAUSE: Duration = Duration::from_millis(50);

/// A gate that this process owns.
pub(crate) struct Owner {
    gate: Gate,
    /// The gate as agents see it, also through the socket.
    server: mcp::Server,
    /// Becomes true when this process is about to leave.
    leaving: watch::Sender<bool>,
}

impl Owner {
    /// Do what `login`, or whoever `claim` says and proves to be, asks for.
    async fn execute(
        &self,
        login: &str,
        claim: Option<&Claim>,
        operation: Operation,
    ) -> Result<Reply, Failure> {
        let user = match claim {
            Some(claim) => self.proven(claim)?,
            None => identity::of_login(&self.gate.ruleset().config, login)?,
        };
        execute::execute(&self.server, &user, operation, self.leaving.subscribe()).await
    }

    fn proven(&self, claim: &Claim) -> Result<Uid, Failure> {
        if token::is_of(&self.gate, &claim.user, &claim.token)? {
            return Ok(self.gate.user(&claim.user)?);
        }
        // The same words whether the user, the token or both are wrong.
        Err(Failure::new(
            Exit::Denied,
            format!("this is not the token of `{}`", claim.user),
        )
        .help(format!(
            "an operator makes a new one with `tollgate user token {}`",
            claim.user
        )))
    }
}

/// Until the owner is about to leave.
async fn left(leaving: &mut watch::Receiver<bool>) {
    // An error says that the owner is gone altogether. What is borrowed is given back at once.
    drop(leaving.wait_for(|leaving| *leaving).await);
}

/// Why this process is not the owner.
pub(crate) enum NotAlone {
    /// Another process is.
    Owned(Failure),
    /// The gate does not open.
    Broken(Failure),
}

/// The way to one gate.
pub(crate) struct Access<'a> {
    config: Config,
    claim: Option<Claim>,
    out: &'a Output,
    owned: Option<(Arc<Owner>, Server)>,
}

impl<'a> Access<'a> {
    /// The way to the gate that `config` describes. Nothing is opened before it is needed.
    pub(crate) fn new(config: Config, claim: Option<Claim>, out: &'a Output) -> Self {
        Self {
            config,
            claim,
            out,
            owned: None,
        }
    }

    /// Do it here or have it done.
    pub(crate) async fn execute(&mut self, operation: Operation) -> Result<Reply, Failure> {
        let mut operation = operation;
        let begun = Instant::now();
        let mut unanswered = Instant::now();
        loop {
            if let Some((owner, _)) = &self.owned {
                let login = identity::login(identity::own_uid())?;
                return owner.execute(&login, self.claim.as_ref(), operation).await;
            }
            let envelope = Envelope {
                claim: self.claim.clone(),
                operation: operation.clone(),
            };
            match socket::ask(&self.config.store.path, &envelope).await {
                Ok(Ok(Reply::Waiting(reply))) => {
                    // The owner left while the call waits for a human: go on waiting elsewhere.
                    let left = envelope.operation.wait().saturating_sub(begun.elapsed());
                    match &mut operation {
                        Operation::Call { wait, .. } if !left.is_zero() => {
                            *wait = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
                        }
                        _ => return Ok(Reply::Call(reply)),
                    }
                    unanswered = Instant::now();
                }
                Ok(answer) => return answer,
                Err(Unanswered::NotAsked) => {}
                Err(Unanswered::Refused(problem)) => return Err(Failure::plain(problem)),
                Err(Unanswered::Lost) if envelope.operation.has_effects() => {
                    return Err(Failure::new(
                        Exit::Indeterminate,
                        "the process that owns the gate went away in the middle of the call: it may have happened",
                    )
                    .help("do not repeat it before you have looked: tollgate runs show"));
                }
                Err(Unanswered::Lost) => {
                    return Err(Failure::plain(
                        "the process that owns the gate went away without an answer",
                    )
                    .help("see whether it was done, then try again"));
                }
            }
            match self.own().await {
                Ok(()) => {}
                Err(LoadError::Ledger(LedgerError::Owned { pid, .. })) => {
                    if unanswered.elapsed() > PATIENCE {
                        return Err(self.deaf(pid));
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => {
                    let Operation::AcceptUpstream { seen } = &operation else {
                        return Err(error.into());
                    };
                    // What is to be accepted may be what the gate does not open without.
                    self.own_accepting(seen).await?;
                    return Ok(Reply::Done);
                }
            }
        }
    }

    async fn own_accepting(&mut self, seen: &[(String, Sha256Digest)]) -> Result<(), Failure> {
        if self.claim.is_some() {
            return Err(
                Failure::plain("the gate does not open yet, so nobody can check a token")
                    .help("accept the server as the user that you are logged in as"),
            );
        }
        let user = identity::of_login(&self.config, &identity::login(identity::own_uid())?)?;
        let options = self.options();
        let gate = Gate::open_accepting(self.config.clone(), options, &user, seen).await?;
        self.serve(gate);
        Ok(())
    }

    /// Have it done by the process that serves the gate; nothing is opened here.
    pub(crate) async fn ask(&self, operation: Operation) -> Result<Reply, Failure> {
        let envelope = Envelope {
            claim: self.claim.clone(),
            operation,
        };
        match socket::ask(&self.config.store.path, &envelope).await {
            Ok(answer) => answer,
            Err(Unanswered::NotAsked) => {
                Err(Failure::plain("no process serves this gate").help("start one: tollgate serve"))
            }
            Err(Unanswered::Refused(problem)) => Err(Failure::plain(problem)),
            Err(Unanswered::Lost) => Err(Failure::plain(
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
        // Without a server, the command that owns the store does what is due: approvals expire or are escalated. If
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

    /// Answer whoever asks for this gate.
    fn serve(&mut self, gate: Gate) {
        let owner = Arc::new(Owner {
            server: mcp::Server::new(gate.clone()),
            gate,
            leaving: watch::Sender::new(false),
        });
        let server = Server::start(Arc::clone(&owner));
        self.owned = Some((owner, server));
    }

    /// Become the owner, for what cannot be asked of another process.
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
            .map(|(owner, _)| owner.server.clone())
            .ok_or_else(|| Failure::plain("this process does not own the gate"))
    }

    /// A connection to the owner on which MCP is spoken as `agent`; nothing if nobody answers.
    ///
    /// # Errors
    /// The owner's own refusal.
    pub(crate) async fn connect(&self, agent: &str) -> Result<Option<Stream>, Failure> {
        let envelope = Envelope {
            claim: self.claim.clone(),
            operation: Operation::Mcp {
                agent: agent.into(),
            },
        };
        match socket::connect(&self.config.store.path, &envelope).await {
            Ok((Ok(_), stream)) => Ok(Some(stream)),
            Ok((Err(failure), _)) => Err(failure),
            Err(Unanswered::Refused(problem)) => Err(Failure::plain(problem)),
            Err(Unanswered::NotAsked | Unanswered::Lost) => Ok(None),
        }
    }

    /// Give up what this process owns: finish what others have asked for, and close the ledger.
    pub(crate) async fn close(mut self) {
        self.leave().await;
    }

    /// As [`Access::close`], and stay usable.
    pub(crate) async fn leave(&mut self) {
        if let Some((owner, server)) = self.owned.take() {
            owner.leaving.send_replace(true);
            owner.server.drain(DRAINING).await;
            server.stop().await;
            owner.server.close_trace().await;
            owner.gate.clone().close().await;
        }
    }
}

#[cfg(test)]
mod tests;
