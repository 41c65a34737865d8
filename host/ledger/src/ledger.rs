//! The handle of a ledger's owner.

mod facts;

use std::{
    collections::BTreeSet,
    fmt,
    fs::File,
    sync::{Arc, Mutex},
};

use tollgate_model::{
    canonical::Sha256Digest,
    entity::Uid,
    ids::{RunId, SpanId},
    record::{Halt, KeyedDigest},
    run::RunState,
    time::Timestamp,
};
use zeroize::Zeroizing;

use crate::{
    ApprovalRow, Batch, Binding, CommitError, HaltKeys, Keys, LedgerError, LedgerOptions,
    LedgerReader, Payload, Receipt, Run, StateUpdate, StateUpdateResult, Window, WindowUsage,
    batch::EncodedBatch,
    cache::{SharedState, halted},
    cached_run::{self, call_key},
    component_state::StateUpdateRequest,
    disk_reserve::DiskReserve,
    group_commit::GroupCommit,
    open,
    open_calls::OpenCall,
    sqlite::sibling_path,
    sync::lock,
    writer::Writer,
};

/// A ledger that this process owns: the only one that can write. Clones are the same ledger.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

struct Inner {
    /// First, so that the thread has ended before the lock is released.
    commits: GroupCommit,
    shared: Arc<SharedState>,
    reader: LedgerReader,
    keys: Keys,
    options: LedgerOptions,
    open_calls: Mutex<Vec<OpenCall>>,
    /// Held until the thread has ended.
    lock: Mutex<Option<File>>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("path", &self.0.options.path)
            .finish_non_exhaustive()
    }
}

impl Ledger {
    /// Opens a ledger, or creates one, and owns it until it is closed or dropped.
    ///
    /// # Errors
    /// [`LedgerError`]: owned by another process, newer than this binary, without its key, damaged, rolled back, or
    /// on a disk that cannot be written.
    pub fn open(options: LedgerOptions, now: Timestamp) -> Result<Self, LedgerError> {
        let lock = open::own(&options.path)?;
        Self::open_owned(lock, options, now)
    }

    /// Opens a ledger that this process owns by `lock`.
    pub(crate) fn open_owned(
        lock: File,
        options: LedgerOptions,
        now: Timestamp,
    ) -> Result<Self, LedgerError> {
        let shown = options.path.display().to_string();
        let store = open::store(&options)?;
        let keys = Keys::new(
            store.master.clone(),
            open::connect_keys(&options.path)?,
            shown.clone(),
        );
        let reader = LedgerReader::of_owned(&options.path);
        let halts = reader.halts()?;
        let open_calls = reader.open_calls()?;
        let shared = Arc::new(SharedState::new(
            options.cached_runs,
            keys.clone(),
            halts,
            now.0.max(store.time),
            store.tree.size(),
        ));
        if reader.has_requested_approvals()? {
            shared.set_has_requested();
        }
        if reader.has_labelled_files()? {
            shared.bump_label_epoch();
        }
        for run in reader.suspended_runs()? {
            shared.suspend(run);
        }
        let reserve = DiskReserve::new(sibling_path(&options.path, ".reserve"));
        let mut writer = Writer::new(store, Arc::clone(&shared), reserve);
        writer.anchor_now();
        let commits =
            GroupCommit::start(writer, Arc::clone(&shared)).map_err(|e| LedgerError::Store {
                path: shown,
                reason: format!("no thread for the ledger: {e}"),
            })?;
        Ok(Self(Arc::new(Inner {
            commits,
            shared,
            reader,
            keys,
            options,
            open_calls: Mutex::new(open_calls),
            lock: Mutex::new(Some(lock)),
        })))
    }

    /// Commits a batch durably and as a whole if its conditions hold; otherwise not at all. The commit
    /// happens even if the caller goes away.
    ///
    /// # Errors
    /// [`CommitError`]: nothing of it was committed. After [`CommitError::Poisoned`] that is not known.
    pub async fn commit(&self, batch: Batch) -> Result<Receipt, CommitError> {
        self.0.commits.commit(EncodedBatch::new(batch)?).await
    }

    /// Commit a batch together with an update of component state. An update that fails its precondition or
    /// the limits does not fail the batch: the result says so.
    ///
    /// # Errors
    /// As for [`Ledger::commit`].
    pub async fn commit_with(
        &self,
        batch: Batch,
        update: StateUpdate,
    ) -> Result<(Receipt, StateUpdateResult), CommitError> {
        let result = Arc::default();
        let request = StateUpdateRequest {
            update,
            result: Arc::clone(&result),
        };
        let batch = EncodedBatch::new(batch)?.with(request);
        let receipt = self.0.commits.commit(batch).await?;
        match *lock(&result) {
            Some(result) => Ok((receipt, result)),
            None => Err(CommitError::Illegal(
                "the update of component state was not made",
            )),
        }
    }

    /// Runs a task on the writer between two commits.
    pub(crate) async fn task<T: Send + 'static>(
        &self,
        task: impl FnOnce(&mut Writer) -> T + Send + 'static,
    ) -> Result<T, CommitError> {
        self.0.commits.task(task).await
    }

    /// Whether a commit could succeed now.
    ///
    /// # Errors
    /// [`CommitError::Poisoned`] or [`CommitError::Closed`].
    pub async fn ready(&self) -> Result<(), CommitError> {
        self.task(|writer| writer.ensure_healthy()).await?
    }

    /// The later of `wall` and the latest time that was recorded or returned before.
    #[must_use]
    pub fn now(&self, wall: Timestamp) -> Timestamp {
        Timestamp(self.0.shared.monotonic_now(wall.0))
    }

    /// A run's counts as of the last commit, with the repeats of the call with these `arguments`.
    /// `None` if there is no such run. Takes microseconds.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn run_state(
        &self,
        run: RunId,
        arguments: Option<&KeyedDigest>,
    ) -> Result<Option<RunState>, LedgerError> {
        Ok(self.run(run, arguments)?.map(|run| run.state))
    }

    /// A run as of the last commit, with the repeats of the call with these `arguments`.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn run(
        &self,
        run: RunId,
        arguments: Option<&KeyedDigest>,
    ) -> Result<Option<Run>, LedgerError> {
        let call = arguments.map(|digest| (digest, call_key(digest)));
        let cached = self.0.shared.cache(|cache| cache.get(&run));
        if let Some(held) = &cached {
            let repeats = call.map(|(digest, key)| (digest, held.repeats_of(&key)));
            match repeats {
                None => return Ok(Some(held.view(None))),
                Some((digest, Some(n))) => return Ok(Some(held.view(Some((digest, n))))),
                Some((_, None)) => {}
            }
        }
        // Not cached: only the writer knows that no newer state is being committed.
        self.0.reader.snapshot(|conn| {
            let held = match cached {
                Some(held) => Some((*held).clone()),
                None => cached_run::load(conn, run)?,
            };
            let Some(held) = held else { return Ok(None) };
            let repeats = match call {
                Some((digest, key)) => Some((
                    digest,
                    match held.repeats_of(&key) {
                        Some(n) => n,
                        None => cached_run::stored_repeats(conn, held.identity.opened, &key)?,
                    },
                )),
                None => None,
            };
            Ok(Some(held.view(repeats)))
        })
    }

    /// Whether there is such a run, and it has not ended.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn is_open(&self, run: RunId) -> Result<bool, LedgerError> {
        match self.0.shared.cache(|cache| cache.get(&run)) {
            Some(held) => Ok(!held.ended),
            None => Ok(self.run(run, None)?.is_some_and(|run| !run.ended)),
        }
    }

    /// The caller's latest open run with this name, for this user. Without a name: the latest open run without one
    /// that was active since `not_before`. Takes a microsecond for recently active runs.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn open_run(
        &self,
        tenant: &str,
        principal: &Uid,
        on_behalf_of: &Uid,
        key: Option<&str>,
        not_before: Timestamp,
    ) -> Result<Option<Run>, LedgerError> {
        let cached = self
            .0
            .shared
            .cache(|cache| cache.named(tenant, principal, on_behalf_of, key));
        if let Some(held) = cached
            && (key.is_some() || held.last_active >= not_before)
        {
            return Ok(Some(held.view(None)));
        }
        let row = match key {
            Some(key) => self
                .0
                .reader
                .run_by_key(tenant, principal, on_behalf_of, key)?,
            None => self
                .0
                .reader
                .ambient_run(tenant, principal, on_behalf_of, not_before)?,
        };
        match row.filter(|row| row.ended.is_none()) {
            Some(row) => self.run(row.id, None),
            None => Ok(None),
        }
    }

    /// Labels that a file has taken on. Reads the store only if any file ever has.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn file_labels(
        &self,
        file: &str,
        canonical: Option<&str>,
    ) -> Result<BTreeSet<String>, LedgerError> {
        match self.label_epoch() {
            0 => Ok(BTreeSet::new()),
            _ => self.0.reader.file_labels(file, canonical),
        }
    }

    /// Grows whenever a file takes on labels; 0 if none ever did. If it is the same before and after a
    /// look-up, the labels found are still complete.
    #[must_use]
    pub fn label_epoch(&self) -> u64 {
        self.0.shared.label_epoch()
    }

    /// What a principal did in a window. Reads the store only for principals that are not in memory.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn used(&self, window: &Window) -> Result<WindowUsage, LedgerError> {
        match self.0.shared.windows(|windows| windows.used(window)) {
            Some(used) => Ok(used),
            None => self.0.reader.used(window),
        }
    }

    /// Labels that the principal's runs have held since then.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn labels_held(
        &self,
        tenant: &str,
        principal: &Uid,
        since: Timestamp,
    ) -> Result<BTreeSet<String>, LedgerError> {
        self.0.reader.labels_since(tenant, principal, since)
    }

    /// The approval for which exactly this call was suspended, and the call's span. Reads the store only for runs
    /// that have suspended a call.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn suspended_call(
        &self,
        binding: &Binding,
    ) -> Result<Option<(ApprovalRow, SpanId)>, LedgerError> {
        if !self.0.shared.suspends(binding.run) {
            return Ok(None);
        }
        self.0.reader.suspended_call(binding)
    }

    /// Whether any call has ever requested an approval.
    #[must_use]
    pub fn has_asked(&self) -> bool {
        self.0.shared.has_requested()
    }

    /// Whether one of these is halted.
    #[must_use]
    pub fn is_halted(&self, keys: &HaltKeys) -> bool {
        self.halt_of(keys).is_some()
    }

    /// Fail if one of these is halted.
    ///
    /// # Errors
    /// [`CommitError::Halted`].
    pub fn ensure_not_halted(&self, keys: &HaltKeys) -> Result<(), CommitError> {
        match halted(&self.0.shared.halts(), keys) {
            None => Ok(()),
            Some(halt) => Err(CommitError::halted(halt)),
        }
    }

    /// The halt that concerns one of these.
    #[must_use]
    pub fn halt_of(&self, keys: &HaltKeys) -> Option<Halt> {
        halted(&self.0.shared.halts(), keys).cloned()
    }

    /// Records that are durable.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.0.shared.size()
    }

    /// A reader of this ledger.
    #[must_use]
    pub fn reader(&self) -> &LedgerReader {
        &self.0.reader
    }

    /// Moving average of the time that a commit takes; `None` before the first.
    #[must_use]
    pub fn commit_time(&self) -> Option<std::time::Duration> {
        let latency = self.0.shared.commit_latency();
        (!latency.is_unknown()).then(|| latency.recent_mean())
    }

    /// Commits that wait for the writer.
    #[must_use]
    pub fn queue_depth(&self) -> usize {
        self.0.commits.depth()
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.0.keys
    }

    pub(crate) fn options(&self) -> &LedgerOptions {
        &self.0.options
    }

    /// Calls that were open when the ledger was opened. Returns them once.
    pub(crate) fn take_open_calls(&self) -> Vec<OpenCall> {
        std::mem::take(&mut *lock(&self.0.open_calls))
    }

    /// A keyed digest of `parts` under the tenant's key.
    ///
    /// # Errors
    /// As for [`Keys::digest`].
    pub fn digest(&self, tenant: &str, parts: &[&[u8]]) -> Result<KeyedDigest, LedgerError> {
        self.0.keys.digest(tenant, parts)
    }

    /// Seal `plain` as a payload of this `kind`.
    ///
    /// # Errors
    /// As for [`Keys::seal`].
    pub fn seal(
        &self,
        tenant: &str,
        now: Timestamp,
        plain: &[u8],
        kind: &str,
    ) -> Result<Payload, LedgerError> {
        self.0.keys.seal(tenant, now, plain, kind)
    }

    /// Open a sealed payload of this `kind` that the record at `index`, or another of its batch,
    /// refers to by `digest`.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`], or as for [`Keys::open`].
    pub fn unseal(
        &self,
        index: u64,
        digest: Sha256Digest,
        kind: &str,
    ) -> Result<Zeroizing<Vec<u8>>, LedgerError> {
        let payload = self.0.reader.payload(index, digest)?;
        let payload = payload.ok_or_else(|| LedgerError::NotFound {
            what: "payload",
            id: digest.to_string(),
        })?;
        self.0.keys.open(&payload, kind)
    }

    /// Finishes everything that was sent before, and releases the store. Later commits are refused.
    pub async fn close(&self) {
        self.0.commits.close().await;
        lock(&self.0.lock).take();
    }
}

#[cfg(any(test, feature = "fault-injection"))]
impl Ledger {
    /// Make the next commit fail with this result code of SQLite, in tests.
    pub async fn fail_next(&self, code: std::ffi::c_int) {
        // A closed ledger commits nothing, so there is nothing to fail.
        drop(self.task(move |writer| writer.faults.push(code)).await);
    }
}

#[cfg(test)]
impl Ledger {
    /// Runs, names and counted calls in memory.
    pub(crate) fn cached(&self) -> (usize, usize, usize) {
        self.0.shared.cache(|cache| cache.len())
    }
}
