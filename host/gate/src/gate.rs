//! The gate: what it is made of, and what its operators can do with it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tollgate_model::{
    canonical::Sha256Digest,
    decision::Outcome,
    entity::{Kind, Uid},
    ids::{ApprovalId, DecisionId, RunId, SpanId},
    life::ApprovalState,
    record::{
        AdminAction, Administered, BundleActivated, Capture, Event, Halt, HaltScope, Record,
        RunOutcome,
    },
    request::Action,
    time::Timestamp,
};

use crate::{
    capture::{self, Capturing},
    config::Config,
    enforce::{
        Answered, ApprovalError, ApprovalView, CallContext, OperatorAct, Pep, Refusal, RunAct,
        StoredCall, Underway, Waiter, Words,
    },
    external::AllOpen,
    ids::{Clock, Ids},
    load::{self, LoadError},
    lock::Lock,
    pip::Caller,
    sandbox::{Compiler, Resolver, Sandbox},
    snapshot::{Snapshot, Tool},
    upstream::{Connector, NoUpstreams},
    usage::Usage,
};
use tollgate_ledger::{
    ApprovalFilter, ApprovalRow, Batch, CommitError, Condition, Ledger, LedgerError, LedgerOptions,
    RunRow, Sync,
};
use tollgate_model::two_generation_cache::TwoGenerationCache;

/// How often open approvals are looked at again because they change while they are voided.
const MAX_VOIDED: u32 = 100;
/// Approvals of which it is remembered that their arguments were shown.
const REMEMBERED: usize = 1024;

/// How a gate is opened, beyond its configuration.
#[derive(Debug, Clone)]
pub struct GateOptions {
    /// Where the time comes from.
    pub clock: Clock,
    /// Whether commits are synced; anything but `Full` is for measurements.
    pub sync: Sync,
    /// Who opens it, as records name them.
    pub by: String,
    /// What compiles components in a process of its own; without it they are compiled in this one.
    pub compiler: Option<Compiler>,
    /// Where components' requests get addresses of names from.
    pub resolver: Resolver,
    /// What reaches upstream MCP servers; calls of their tools end before anything is sent where nothing
    /// does.
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
    running: Mutex<HashMap<SpanId, Running>>,
    /// Changes whenever an approval does.
    approvals: watch::Sender<u64>,
    /// Calls that their callers execute.
    external: Mutex<AllOpen>,
    /// Changes whenever another snapshot is in force.
    reloads: watch::Sender<u64>,
    /// Held while a configuration is loaded, so that the last one that is read is the one in force.
    reloading: tokio::sync::Mutex<()>,
    /// How many calls are on their way.
    lines: watch::Sender<usize>,
}

/// A call on its way; dropped, it has come to its end.
pub(crate) struct CallOnTheWay(Gate);

impl Drop for CallOnTheWay {
    fn drop(&mut self) {
        self.0.0.lines.send_modify(|n| *n = n.saturating_sub(1));
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("bundle", &self.snapshot().pdp.digest())
            .finish_non_exhaustive()
    }
}

/// A call whose guest is running.
struct Running {
    run: RunId,
    principal: String,
    tool: String,
    component: String,
    tenant: String,
    /// The calls that it is made within.
    within: Vec<SpanId>,
    halt: watch::Sender<bool>,
}

/// Keeps a call in the list of those that a halt ends.
pub(crate) struct RunningCall {
    gate: Gate,
    span: SpanId,
    halted: watch::Receiver<bool>,
}

impl RunningCall {
    pub(crate) fn halted(&self) -> watch::Receiver<bool> {
        self.halted.clone()
    }
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        self.gate
            .running_calls(|calls| drop(calls.remove(&self.span)));
    }
}

/// Why an operator's act did not happen.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OperateError {
    /// Policy does not let this person.
    #[error("{}", .0.message())]
    Refused(Box<Refusal>),
    /// Nothing has this name.
    #[error("{0}")]
    Unknown(String),
    /// The store.
    #[error("{0}")]
    Store(String),
}

impl From<Refusal> for OperateError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<LedgerError> for OperateError {
    fn from(error: LedgerError) -> Self {
        Self::Store(error.to_string())
    }
}

impl Gate {
    /// Open the gate that `config` describes: own its ledger, load components and policies, close what
    /// a crash left open, and put the bundle into force.
    ///
    /// # Errors
    /// [`LoadError`]. A gate opens whole or not at all.
    pub async fn open(config: Config, options: GateOptions) -> Result<Self, LoadError> {
        let lock = load::read_lock(&config)?;
        let gate = Self::prepare(config, &options, &lock).await?;
        gate.activate(&gate.snapshot(), &options.by).await?;
        Ok(gate)
    }

    /// Own the ledger and load what `config` and `lock` describe, without putting it into force.
    pub(crate) async fn prepare(
        config: Config,
        options: &GateOptions,
        lock: &Lock,
    ) -> Result<Self, LoadError> {
        let sandbox = load::sandbox(&config, options.compiler.clone())?
            .with_resolver(options.resolver.clone());
        let connector = Arc::clone(&options.connector);
        let snapshot = load::snapshot(&sandbox, connector.as_ref(), config, lock).await?;
        let ledger_options = LedgerOptions {
            path: snapshot.config.store.path.clone(),
            key: snapshot.config.store.key.clone(),
            sync: options.sync,
            cached_runs: 1024,
        };
        let now = options.clock.now();
        let ledger = Ledger::open(ledger_options, now)?;
        let ids = Ids::from_system().map_err(|e| LoadError::Randomness(e.to_string()))?;
        let pep = Pep {
            ledger,
            clock: options.clock.clone(),
            ids,
            new_runs: Arc::default(),
            underway: Underway::default(),
            usage: Arc::default(),
            shown: Arc::new(Mutex::new(TwoGenerationCache::new(REMEMBERED))),
            capture: Arc::new(ArcSwap::new(Arc::clone(&snapshot.capture))),
        };
        let gate = Self(Arc::new(Inner {
            pep,
            sandbox,
            connector,
            snapshot: ArcSwap::from_pointee(snapshot),
            running: Mutex::default(),
            approvals: watch::Sender::new(0),
            external: Mutex::default(),
            reloads: watch::Sender::new(0),
            reloading: tokio::sync::Mutex::default(),
            lines: watch::Sender::new(0),
        }));
        gate.recover().await?;
        Ok(gate)
    }

    async fn recover(&self) -> Result<(), LoadError> {
        let ledger = &self.0.pep.ledger;
        ledger.recover(self.0.pep.now()).await?;
        ledger
            .sweep(self.0.pep.now(), self.snapshot().config.idle())
            .await?;
        Ok(())
    }

    /// Record that a bundle is in force, unless it is the one that was.
    pub(crate) async fn activate(&self, snapshot: &Snapshot, by: &str) -> Result<(), LoadError> {
        let ledger = &self.0.pep.ledger;
        let components: std::collections::BTreeMap<String, Sha256Digest> = snapshot
            .tools
            .values()
            .map(|t| (t.provider.name().to_owned(), t.provider.digest()))
            .collect();
        let activated = BundleActivated {
            bundle: snapshot.pdp.digest(),
            by: by.into(),
            components,
            policies: snapshot.pdp.policies().len() as u64,
            tools: snapshot.tools.len() as u64,
        };
        if ledger
            .reader()
            .active_bundle()?
            .as_ref()
            .is_some_and(|last| {
                last.bundle == activated.bundle && last.components == activated.components
            })
        {
            return Ok(());
        }
        ledger
            .store_bundle(snapshot.pdp.digest(), &snapshot.bundle)
            .await?;
        let tenant = snapshot.config.gate.tenant.clone();
        let record = Record::new(
            tenant,
            None,
            self.0.pep.now(),
            Event::BundleActivated(activated),
        );
        self.0
            .pep
            .commit(Batch {
                records: vec![record],
                ..Batch::default()
            })
            .await?;
        Ok(())
    }

    /// Load the configuration again and put it into force for calls that arrive from now on. A bad one
    /// changes nothing; that it was refused is recorded.
    ///
    /// # Errors
    /// [`LoadError`]; the old snapshot stays.
    pub async fn reload(&self, by: &str) -> Result<(), LoadError> {
        let _one_at_a_time = self.0.reloading.lock().await;
        let loaded = self.load_again(by).await;
        if let Err(error) = &loaded {
            let refused = Event::Administered(Administered {
                action: AdminAction::ReloadRefused,
                by: by.into(),
                target: crate::text::printable(&error.to_string(), 500),
            });
            // The error is told in any case; a ledger that takes no record tells of itself.
            let _ = self.note(refused).await;
        }
        loaded
    }

    async fn load_again(&self, by: &str) -> Result<(), LoadError> {
        let before = self.snapshot();
        let config = Config::read(&before.config.file)?;
        load::same_gate(&before.config, &config)?;
        let lock = load::read_lock(&config)?;
        let snapshot = self.load(config, &lock).await?;
        self.put_into_force(snapshot, by).await
    }

    /// What `config` and `lock` describe.
    pub(crate) async fn load(&self, config: Config, lock: &Lock) -> Result<Snapshot, LoadError> {
        load::snapshot(&self.0.sandbox, self.connector(), config, lock).await
    }

    /// Let `snapshot` hold for calls that arrive from now on.
    pub(crate) async fn put_into_force(
        &self,
        snapshot: Snapshot,
        by: &str,
    ) -> Result<(), LoadError> {
        self.activate(&snapshot, by).await?;
        self.0.pep.capture.store(Arc::clone(&snapshot.capture));
        let old = self.0.snapshot.swap(Arc::new(snapshot));
        self.0.reloads.send_modify(|n| *n = n.wrapping_add(1));
        let now = self.snapshot();
        for (name, upstream) in &old.upstreams {
            let stays = now.upstreams.get(name);
            if !stays.is_some_and(|now| Arc::ptr_eq(now.upstream(), upstream.upstream())) {
                upstream.upstream().close().await;
            }
        }
        Ok(())
    }

    pub(crate) fn connector(&self) -> &dyn Connector {
        self.0.connector.as_ref()
    }

    /// Decide, and record, whether `user` may put what is configured now into force.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn may_reload(&self, user: &Uid) -> Result<DecisionId, OperateError> {
        Ok(self.operate(user, Action::ActivatePolicies).await?)
    }

    /// Changes whenever another snapshot is in force.
    #[must_use]
    pub fn reloads(&self) -> watch::Receiver<u64> {
        self.0.reloads.subscribe()
    }

    /// Count one more call on its way.
    pub(crate) fn another_line(&self) -> CallOnTheWay {
        self.0.lines.send_modify(|n| *n = n.saturating_add(1));
        CallOnTheWay(self.clone())
    }

    /// How many calls are on their way.
    #[must_use]
    pub fn calls_underway(&self) -> usize {
        *self.0.lines.borrow()
    }

    /// Until no call is on its way, or `timeout` has passed.
    pub async fn idle(&self, timeout: std::time::Duration) {
        let mut lines = self.0.lines.subscribe();
        let idle = lines.wait_for(|n| *n == 0);
        drop(tokio::time::timeout(timeout, idle).await);
    }

    /// The configuration, policies and tools in force.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.snapshot.load_full()
    }

    /// The ledger: its reading side serves lists, trees and exports.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.0.pep.ledger
    }

    /// What agents report about tokens and cost, for whoever takes their reports in.
    #[must_use]
    pub fn usage(&self) -> &Usage {
        &self.0.pep.usage
    }

    /// What keeps payloads, and cleans words, of what comes from outside a call: agents' attributes, log
    /// records, what callers tell about a run.
    #[must_use]
    pub fn capturing(&self, run: Option<RunId>) -> Capturing {
        let snapshot = self.snapshot();
        let (keys, tenant) = (self.ledger().keys(), &snapshot.config.gate.tenant);
        Capturing::new(&snapshot.capture, keys, tenant, self.now(), run)
    }

    /// What is kept of the arguments of a decision, or of the content of an outcome: the record at `index`.
    /// For what has the configuration's leave, such as exports; people ask by [`Self::payloads`].
    ///
    /// # Errors
    /// [`LedgerError::Sealed`] once its day's key was destroyed.
    pub fn captured(&self, index: u64, kept: Capture) -> Result<Option<String>, LedgerError> {
        let Some(digest) = kept.payload else {
            return Ok(None);
        };
        let plain = self.ledger().unseal(index, digest, capture::KIND)?;
        Ok(Some(String::from_utf8_lossy(&plain).into_owned()))
    }

    pub(crate) fn pep(&self) -> &Pep {
        &self.0.pep
    }

    pub(crate) fn sandbox(&self) -> &Sandbox {
        &self.0.sandbox
    }

    pub(crate) fn open_calls<T>(&self, f: impl FnOnce(&mut AllOpen) -> T) -> T {
        let external = self.0.external.lock();
        f(&mut external.unwrap_or_else(PoisonError::into_inner))
    }

    fn running_calls<T>(&self, f: impl FnOnce(&mut HashMap<SpanId, Running>) -> T) -> T {
        f(&mut self
            .0
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner))
    }

    /// List a call among those that a halt ends.
    pub(crate) fn running(&self, cx: &CallContext, tool: &Tool) -> RunningCall {
        let (halt, halted) = watch::channel(false);
        let running = Running {
            run: cx.run,
            principal: cx.principal.id.clone(),
            tool: tool.name.clone(),
            component: tool.provider.name().to_owned(),
            tenant: cx.snapshot.config.gate.tenant.clone(),
            within: cx.within.iter().map(|above| above.call).collect(),
            halt,
        };
        self.running_calls(|calls| drop(calls.insert(cx.call, running)));
        // A halt, or the end of the run, that was recorded between this call's start and the line above has
        // not seen it.
        let keys = |component: &str, tool: &str| tollgate_ledger::HaltKeys {
            agent: cx.principal.id.clone(),
            component: Some(component.into()),
            tenant: cx.snapshot.config.gate.tenant.clone(),
            tool: Some(tool.into()),
        };
        let ledger = &self.0.pep.ledger;
        let mut above = cx.within.iter();
        if ledger.is_halted(&keys(tool.provider.name(), &tool.name))
            || above.any(|call| ledger.is_halted(&keys(&call.component, &call.tool)))
            || !ledger.is_open(cx.run).unwrap_or(false)
        {
            self.stop(|call| call.run == cx.run && call.tool == tool.name);
        }
        RunningCall {
            gate: self.clone(),
            span: cx.call,
            halted,
        }
    }

    fn stop(&self, which: impl Fn(&Running) -> bool) {
        self.running_calls(|calls| {
            let hit = calls.iter().filter(|(_, call)| which(call));
            let hit: Vec<SpanId> = hit.map(|(span, _)| *span).collect();
            for (span, call) in calls.iter() {
                // What a halted call has called ends with it.
                if hit.contains(span) || call.within.iter().any(|above| hit.contains(above)) {
                    call.halt.send_replace(true);
                }
            }
        });
    }

    /// Answer an approval as `user`. `seen` is the digest of the call that the approver was shown.
    ///
    /// # Errors
    /// [`ApprovalError`].
    pub async fn answer(
        &self,
        user: &Uid,
        id: ApprovalId,
        approve: bool,
        seen: Option<&str>,
        note: Option<&str>,
        channel: &str,
    ) -> Result<Answered, ApprovalError> {
        let snapshot = self.snapshot();
        let answered = self
            .0
            .pep
            .answer(
                &snapshot,
                user,
                id,
                Words {
                    approve,
                    seen,
                    note,
                    channel,
                },
            )
            .await;
        self.approvals_changed();
        answered
    }

    pub(crate) fn approvals_changed(&self) {
        self.0.approvals.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// An approval as `user` may see it. That its arguments are shown is recorded.
    ///
    /// # Errors
    /// [`ApprovalError`]; also where this person may not know of it.
    pub async fn approval(
        &self,
        user: &Uid,
        id: ApprovalId,
    ) -> Result<ApprovalView, ApprovalError> {
        let caller = Caller::User(user.id.clone());
        let row = self.ledger().reader().approval(id)?;
        let row = row
            .filter(|row| self.sees_approval(&caller, row))
            .ok_or(ApprovalError::NotFound(id))?;
        let snapshot = self.snapshot();
        self.0.pep.approval_view(&snapshot, user, row).await
    }

    /// Wait until an approval is no longer pending, or `timeout` has passed.
    ///
    /// # Errors
    /// [`ApprovalError`].
    pub async fn approval_settled(
        &self,
        id: ApprovalId,
        timeout: std::time::Duration,
    ) -> Result<ApprovalState, ApprovalError> {
        let mut changes = self.0.approvals.subscribe();
        let deadline = tokio::time::Instant::now() + timeout;
        loop {
            changes.borrow_and_update();
            let row = self
                .ledger()
                .reader()
                .approval(id)?
                .ok_or(ApprovalError::NotFound(id))?;
            let changed = tokio::time::timeout_at(deadline, changes.changed());
            if row.state != ApprovalState::Pending || changed.await.is_err() {
                return Ok(row.state);
            }
        }
    }

    /// An approval that the caller asked for; only for whoever asked, on the same person's behalf.
    ///
    /// # Errors
    /// [`ApprovalError::NotFound`] for everybody else; [`ApprovalError::Store`] if it cannot be read.
    pub fn own_approval(
        &self,
        caller: &Caller,
        id: ApprovalId,
    ) -> Result<ApprovalRow, ApprovalError> {
        self.0.pep.own_approval(&self.snapshot(), caller, id)
    }

    /// Void what the caller asked for, so that its call is not made by it any more. Says what its state is
    /// then: it stays what it is, if it is over or its call has begun.
    ///
    /// # Errors
    /// [`ApprovalError::NotFound`] for everybody but who asked, on the same person's behalf; else that this
    /// could not be recorded.
    pub async fn withdraw(
        &self,
        caller: &Caller,
        id: ApprovalId,
    ) -> Result<ApprovalState, ApprovalError> {
        let withdrawn = self.0.pep.withdraw(&self.snapshot(), caller, id).await;
        self.approvals_changed();
        withdrawn
    }

    /// The call that asked for an approval, as it was asked for; only for whoever asked, on the same
    /// person's behalf.
    ///
    /// # Errors
    /// [`ApprovalError::NotFound`] for everybody else.
    pub fn stored_call(
        &self,
        caller: &Caller,
        id: ApprovalId,
    ) -> Result<StoredCall, ApprovalError> {
        self.0.pep.stored_call(&self.snapshot(), caller, id)
    }

    /// The time, never before anything that is recorded.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.pep.now()
    }

    /// Whether whoever repeats the call that an approval has let run still gets its answer.
    #[must_use]
    pub fn is_underway(&self, id: ApprovalId) -> bool {
        self.0.pep.underway.has(id)
    }

    /// Say that somebody waits for an approval and will repeat the call that it is for.
    #[must_use]
    pub fn waiter(&self, id: ApprovalId) -> Waiter {
        self.0.pep.underway.waiter(id)
    }

    pub(crate) async fn operate(&self, user: &Uid, action: Action) -> Result<DecisionId, Refusal> {
        let (request, entities) = OperatorAct::new(action, user).parts();
        self.0
            .pep
            .authorize(&self.snapshot(), request, entities, None)
            .await
    }

    /// Halt something: no new call of it starts, running guests end, held approvals are void.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn halt(
        &self,
        user: &Uid,
        scope: HaltScope,
        name: &str,
        reason: &str,
    ) -> Result<(), OperateError> {
        self.operate(user, Action::Halt).await?;
        let halt = Halt {
            by: user.id.clone(),
            name: name.into(),
            reason: crate::text::printable(reason, 200),
            scope,
        };
        // In force by itself, whatever becomes of the approvals meanwhile.
        self.note(Event::Halted(halt)).await?;
        self.stop(|call| match scope {
            HaltScope::All => true,
            HaltScope::Agent => call.principal == name,
            HaltScope::Tool => call.tool == name,
            HaltScope::Component => call.component == name,
            HaltScope::Tenant => call.tenant == name,
        });
        let snapshot = self.snapshot();
        let component_of = |tool: &str| {
            snapshot
                .tools
                .get(tool)
                .map(|t| t.provider.name().to_owned())
        };
        self.void(|row| match scope {
            HaltScope::All => true,
            HaltScope::Agent => row.principal.id == name,
            HaltScope::Tool => row.tool == name,
            HaltScope::Component => component_of(&row.tool).as_deref() == Some(name),
            HaltScope::Tenant => row.tenant == name,
        })
        .await
    }

    /// Void the open approvals of which `which` is true. One that is answered meanwhile is looked at again;
    /// one that is used up, or over, stays what it is.
    async fn void(&self, which: impl Fn(&ApprovalRow) -> bool) -> Result<(), OperateError> {
        for _ in 0..MAX_VOIDED {
            let open = self.ledger().reader().approvals(&ApprovalFilter::open())?;
            let mut changed = false;
            for row in open.into_iter().filter(&which) {
                let resolved = row.resolved(ApprovalState::Cancelled);
                let now = self.0.pep.now();
                let batch = Batch {
                    conditions: vec![Condition::ApprovalUnchanged(row.id, row.version)],
                    records: vec![Record::new(row.tenant, Some(row.run), now, resolved)],
                    ..Batch::default()
                };
                match self.0.pep.commit(batch).await {
                    Ok(_) => {}
                    Err(CommitError::ApprovalChanged | CommitError::Illegal(_)) => changed = true,
                    Err(error) => return Err(Refusal::from(error).into()),
                }
            }
            if !changed {
                self.approvals_changed();
                return Ok(());
            }
        }
        let reason = "approvals change faster than they can be voided; do it again".into();
        Err(Refusal::Unrecorded { reason }.into())
    }

    /// Lift a halt.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn resume(
        &self,
        user: &Uid,
        scope: HaltScope,
        name: &str,
    ) -> Result<(), OperateError> {
        let halts = self.ledger().reader().halts()?;
        let Some(halt) = halts
            .into_iter()
            .find(|h| h.scope == scope && h.name == name)
        else {
            return Err(OperateError::Unknown(format!(
                "no halt of {} {name} is in force; see `tollgate halt --list`",
                scope.as_str()
            )));
        };
        self.operate(user, Action::Halt).await?;
        let event = Event::Resumed(Halt {
            by: user.id.clone(),
            ..halt
        });
        self.note(event).await
    }

    /// End a run because it is over. Without an outcome it is what its last call was refused for, or
    /// success.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn end_run(
        &self,
        user: &Uid,
        row: &RunRow,
        outcome: Option<RunOutcome>,
        reason: &str,
    ) -> Result<(), OperateError> {
        self.0.pep.end_run(row, &user.id, outcome, reason).await?;
        Ok(())
    }

    /// Stop a run: nothing more of it starts, its running guests end, its approvals are void.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn cancel_run(
        &self,
        user: &Uid,
        row: &RunRow,
        reason: &str,
    ) -> Result<(), OperateError> {
        if row.tenant != self.snapshot().config.gate.tenant {
            let problem = format!("run {} is of another tenant", row.id);
            return Err(OperateError::Unknown(problem));
        }
        self.operate(user, Action::CancelRun).await?;
        self.0
            .pep
            .end_run(row, &user.id, Some(RunOutcome::Cancelled), reason)
            .await?;
        self.stop(|call| call.run == row.id);
        self.void(|approval| approval.run == row.id).await
    }

    /// Decide, and record, whether `user` may do `action` with a run.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn may_with_run(
        &self,
        user: &Uid,
        action: Action,
        run: &RunRow,
    ) -> Result<DecisionId, OperateError> {
        let (request, entities) = RunAct::new(action, user, run.id, &run.tenant).parts();
        Ok(self
            .0
            .pep
            .authorize(&self.snapshot(), request, entities, Some(run.id))
            .await?)
    }

    /// Whether `user` may do `action` with a run, without a record: for lists.
    #[must_use]
    pub fn could_with_run(&self, user: &Uid, action: Action, run: RunId, tenant: &str) -> bool {
        let (request, entities) = RunAct::new(action, user, run, tenant).parts();
        self.0
            .pep
            .judge(&self.snapshot(), request, entities)
            .decision
            .outcome()
            == Outcome::Allow
    }

    /// Whether `user` may do `action` with the gate itself, without a record.
    #[must_use]
    pub fn could(&self, user: &Uid, action: Action) -> bool {
        let (request, entities) = OperatorAct::new(action, user).parts();
        self.0
            .pep
            .judge(&self.snapshot(), request, entities)
            .decision
            .outcome()
            == Outcome::Allow
    }

    /// Decide and record an administrative act, such as making a token.
    ///
    /// # Errors
    /// [`OperateError`].
    pub async fn administer(
        &self,
        user: &Uid,
        action: AdminAction,
        target: &str,
    ) -> Result<(), OperateError> {
        self.operate(user, Action::Administer).await?;
        let event = Event::Administered(Administered {
            action,
            by: user.id.clone(),
            target: crate::text::printable(target, 200),
        });
        self.note(event).await
    }

    /// Record an act on the gate itself.
    pub(crate) async fn note(&self, event: Event) -> Result<(), OperateError> {
        let tenant = self.snapshot().config.gate.tenant.clone();
        let record = Record::new(tenant, None, self.0.pep.now(), event);
        let batch = Batch {
            records: vec![record],
            ..Batch::default()
        };
        self.0.pep.commit(batch).await.map_err(Refusal::from)?;
        Ok(())
    }

    /// The configured user with this name.
    ///
    /// # Errors
    /// [`OperateError::Unknown`].
    pub fn user(&self, name: &str) -> Result<Uid, OperateError> {
        if self.snapshot().config.users.contains_key(name) {
            return Ok(Uid::new(Kind::User, name));
        }
        Err(OperateError::Unknown(format!(
            "there is no user `{name}`; add [users.{name}] to tollgate.toml"
        )))
    }

    /// Finish what is being written and give the store up.
    pub async fn close(self) {
        // They are recorded as indeterminate when the gate is opened again.
        drop(self.open_calls(std::mem::take));
        for upstream in self.snapshot().upstreams.values() {
            upstream.upstream().close().await;
        }
        self.0.pep.ledger.close().await;
    }
}
