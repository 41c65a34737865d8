//! The gate: its parts, opening and closing.
//!
//! The other files of this folder contain its operations: calls, reloads, approvals, operators' actions,
//! and access to records.

mod accept_upstream;
mod access;
mod approval_links;
mod approvals;
mod call;
mod error;
mod external;
mod operate;
mod preview;
mod promote;
mod reload;
mod resources;
mod retention;
mod reveal;
mod standing;
mod tokens;
mod upstream_logins;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tollgate_ledger::{ApprovalFilter, Batch, Ledger, LedgerError, LedgerOptions, Sync};
use tollgate_model::{
    ids::RunId,
    life::ApprovalState,
    record::{PayloadRef, Record},
    time::Timestamp,
    two_generation_cache::TwoGenerationCache,
};

use self::external::OpenCalls;
pub use self::{
    accept_upstream::{compare_offers, lock_with_offers},
    access::FactsView,
    error::{ConnectAccountError, OperateError},
    external::{AuthorizedCall, CallRef, ReportedOutcome},
    operate::HaltReport,
    preview::PreviewView,
    promote::Promotion,
    retention::ApprovalTimeouts,
    reveal::TokenError,
    tokens::{TokenMaker, TokenValidity},
};
use crate::{
    capture::{self, CaptureSession},
    config::Config,
    egress::Resolver,
    elicitation::OpenElicitations,
    enforce::{InFlightCalls, Pep, Ruleset},
    executors::{Executors, Snapshot},
    ids::{Clock, Ids},
    load::{self, LoadError},
    lock::Lock,
    pipeline::HaltRegistry,
    sandbox::{Compiler, Sandbox},
    upstream::{Connector, LoginStore, NoUpstreams},
    usage::Usage,
};

/// For how many approvals the gate remembers to whom their arguments were shown.
const REMEMBERED_VIEWS: usize = 1024;

/// Options for opening a gate, beyond its configuration.
#[derive(Debug, Clone)]
pub struct GateOptions {
    /// The clock.
    pub clock: Clock,
    /// Whether commits are synced; values other than `Full` are for measurements.
    pub sync: Sync,
    /// The user who opens it, as records name them.
    pub by: String,
    /// Compiles components in a separate process; without it they are compiled in this one.
    pub compiler: Option<Compiler>,
    /// Resolves the host names of components' requests.
    pub resolver: Resolver,
    /// Connects to upstream MCP servers. [`NoUpstreams`] ends calls of their tools before anything is sent.
    pub connector: Arc<dyn Connector>,
}

impl Default for GateOptions {
    fn default() -> Self {
        Self {
            clock: Clock::system(),
            sync: Sync::Full,
            by: "gate".into(),
            compiler: None,
            resolver: Resolver::system(),
            connector: Arc::new(NoUpstreams),
        }
    }
}

/// A gate. Clones are the same gate.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    pep: Pep,
    sandbox: Sandbox,
    connector: Arc<dyn Connector>,
    snapshot: ArcSwap<Snapshot>,
    /// Calls that a halt can stop.
    halts: HaltRegistry,
    /// Calls that their callers execute.
    open_calls: Mutex<OpenCalls>,
    /// Changes whenever another snapshot is in force.
    reloads: watch::Sender<u64>,
    /// Held while a configuration is loaded, so that the last one read is the one in force.
    reloading: tokio::sync::Mutex<()>,
    /// How many calls are in flight.
    in_flight: watch::Sender<usize>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("bundle", &self.ruleset().pdp.digest())
            .finish_non_exhaustive()
    }
}

impl Gate {
    /// Opens the gate that `config` describes: locks its ledger, loads components and policies, closes
    /// calls that a crash left open, and activates the bundle.
    ///
    /// # Errors
    /// [`LoadError`]. A gate opens completely or not at all.
    pub async fn open(config: Config, options: GateOptions) -> Result<Self, LoadError> {
        let lock = load::read_lock(&config)?;
        let gate = Self::prepare(config, &options, &lock).await?;
        gate.activate(&gate.ruleset(), &options.by).await?;
        Ok(gate)
    }

    /// Locks the ledger and loads what `config` and `lock` describe, without activating it.
    async fn prepare(
        config: Config,
        options: &GateOptions,
        lock: &Lock,
    ) -> Result<Self, LoadError> {
        let sandbox = load::sandbox(&config, options.compiler.clone())?
            .with_resolver(options.resolver.clone());
        let connector = Arc::clone(&options.connector);
        let snapshot = load::snapshot(&sandbox, connector.as_ref(), config, lock).await?;
        let store = &snapshot.ruleset.config.store;
        let ledger_options = LedgerOptions {
            path: store.path.clone(),
            key: store.key.clone(),
            sync: options.sync,
            cached_runs: 1024,
        };
        let ledger = Ledger::open(ledger_options, options.clock.now())?;
        let logins = LoginStore::new(
            &ledger,
            &options.clock,
            &snapshot.ruleset.config.gate.tenant,
        );
        connector.attach(logins);
        let ids = Ids::from_system().map_err(|e| LoadError::Randomness(e.to_string()))?;
        let pep = Pep {
            ledger,
            clock: options.clock.clone(),
            ids,
            new_runs: Arc::default(),
            in_flight: InFlightCalls::default(),
            elicitations: OpenElicitations::default(),
            approval_changes: Arc::new(watch::Sender::new(0)),
            memory: Arc::default(),
            reads: Arc::default(),
            turns: Arc::default(),
            usage: Arc::default(),
            shown: Arc::new(Mutex::new(TwoGenerationCache::new(REMEMBERED_VIEWS))),
            capture: Arc::new(ArcSwap::new(Arc::clone(&snapshot.ruleset.capture))),
        };
        let gate = Self(Arc::new(Inner {
            pep,
            sandbox,
            connector,
            snapshot: ArcSwap::from_pointee(snapshot),
            halts: HaltRegistry::default(),
            open_calls: Mutex::default(),
            reloads: watch::Sender::new(0),
            reloading: tokio::sync::Mutex::default(),
            in_flight: watch::Sender::new(0),
        }));
        gate.recover().await?;
        Ok(gate)
    }

    async fn recover(&self) -> Result<(), LoadError> {
        let ledger = &self.0.pep.ledger;
        ledger.recover(self.0.pep.now()).await?;
        // The calls in which servers asked people are over.
        let open = ledger.reader().approvals(&ApprovalFilter::open())?;
        for row in open.into_iter().filter(|row| row.elicitation.is_some()) {
            let cancelled = row.resolved(ApprovalState::Cancelled);
            let now = self.0.pep.now();
            let batch = Batch {
                records: vec![Record::new(row.tenant, Some(row.run), now, cancelled)],
                ..Batch::default()
            };
            self.0.pep.commit(batch).await?;
        }
        let idle = self.ruleset().config.idle();
        ledger.sweep(self.0.pep.now(), idle).await?;
        Ok(())
    }

    /// The snapshot in force.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.snapshot.load_full()
    }

    /// The configuration, policies and tools in force.
    #[must_use]
    pub fn ruleset(&self) -> Arc<Ruleset> {
        Arc::clone(&self.0.snapshot.load().ruleset)
    }

    /// The components and upstream servers in force.
    #[must_use]
    pub fn executors(&self) -> Arc<Executors> {
        Arc::clone(&self.0.snapshot.load().executors)
    }

    /// The ledger. Its reader serves lists, trees and exports.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.0.pep.ledger
    }

    /// Tokens and cost that agents report, for the intake of reports.
    #[must_use]
    pub fn usage(&self) -> &Usage {
        &self.0.pep.usage
    }

    /// The current time, never before the latest record.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.pep.now()
    }

    /// The capture rules for data from outside a call: agents' attributes, log records, self-reports about
    /// a run.
    #[must_use]
    pub fn capturing(&self, run: Option<RunId>) -> CaptureSession {
        let ruleset = self.ruleset();
        let (keys, tenant) = (self.ledger().keys(), &ruleset.config.gate.tenant);
        CaptureSession::new(&ruleset.capture, keys, tenant, self.now(), run)
    }

    /// The captured arguments of a decision, or the captured content of an outcome: the record at `index`.
    /// For uses that the configuration permits, such as exports; for people, use [`Self::facts`].
    ///
    /// # Errors
    /// [`LedgerError::Sealed`] once its day's key was destroyed.
    pub fn captured(&self, index: u64, kept: PayloadRef) -> Result<Option<String>, LedgerError> {
        let Some(digest) = kept.payload else {
            return Ok(None);
        };
        let plain = self.ledger().unseal(index, digest, capture::KIND)?;
        Ok(Some(String::from_utf8_lossy(&plain).into_owned()))
    }

    pub(crate) fn pep(&self) -> &Pep {
        &self.0.pep
    }

    fn connector(&self) -> &dyn Connector {
        self.0.connector.as_ref()
    }

    fn open_calls<T>(&self, f: impl FnOnce(&mut OpenCalls) -> T) -> T {
        let open = self.0.open_calls.lock();
        f(&mut open.unwrap_or_else(PoisonError::into_inner))
    }

    /// Finishes pending writes and releases the store.
    pub async fn close(self) {
        // They are recorded as indeterminate when the gate is opened again.
        drop(self.open_calls(std::mem::take));
        for upstream in self.executors().upstreams.values() {
            upstream.upstream().close().await;
        }
        self.0.pep.ledger.close().await;
    }
}
