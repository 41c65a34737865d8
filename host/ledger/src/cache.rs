//! State in memory that all share: runs, usage, halts, the clock, the size.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
};

use arc_swap::ArcSwap;
use tollgate_model::{
    ids::{RunId, SeriesId},
    record::{Halt, HaltScope},
};

use tollgate_model::latency_ewma::LatencyEwma;

use crate::{
    HaltKeys, Keys, cached_run::RunCache, series::SeriesCache, sync::lock,
    usage_window::UsageWindows,
};

/// The least number of principals whose usage is kept in memory.
pub(crate) const PRINCIPALS: usize = 256;
/// Series that are read from the store at the same time.
const READINGS: usize = 32;

/// State that the writer shares with callers and readers.
#[derive(Debug)]
pub(crate) struct SharedState {
    cache: Mutex<RunCache>,
    windows: Mutex<UsageWindows>,
    series: Mutex<SeriesCache>,
    /// Who reads a series from the store. Different series rarely wait for each other.
    readings: [Arc<tokio::sync::Mutex<()>>; READINGS],
    halts: ArcSwap<Vec<Halt>>,
    /// The latest time seen, in microseconds since 1970.
    clock: AtomicI64,
    /// Durable records.
    size: AtomicU64,
    /// Moving average of the time that a commit takes.
    commit_latency: LatencyEwma,
    /// Recent maximum of batches in one group.
    group_size: AtomicUsize,
    /// Grows whenever files take on labels; 0 only if none ever did.
    label_epoch: AtomicU64,
    /// Whether any call has ever asked for an approval.
    has_requested: AtomicBool,
    /// Open runs in which a call was suspended to wait for an approval.
    suspended: Mutex<HashSet<RunId>>,
}

impl SharedState {
    pub(crate) fn new(
        cached_runs: usize,
        keys: Keys,
        halts: Vec<Halt>,
        now: i64,
        size: u64,
    ) -> Self {
        Self {
            cache: Mutex::new(RunCache::new(cached_runs)),
            windows: Mutex::new(UsageWindows::new(PRINCIPALS)),
            series: Mutex::new(SeriesCache::new(keys, size)),
            readings: Default::default(),
            halts: ArcSwap::from_pointee(halts),
            clock: AtomicI64::new(now),
            size: AtomicU64::new(size),
            commit_latency: LatencyEwma::default(),
            group_size: AtomicUsize::new(0),
            label_epoch: AtomicU64::new(0),
            has_requested: AtomicBool::new(false),
            suspended: Mutex::default(),
        }
    }

    /// Use the cached runs.
    pub(crate) fn cache<T>(&self, look: impl FnOnce(&mut RunCache) -> T) -> T {
        look(&mut lock(&self.cache))
    }

    /// Use the usage of principals.
    pub(crate) fn windows<T>(&self, look: impl FnOnce(&mut UsageWindows) -> T) -> T {
        look(&mut lock(&self.windows))
    }

    /// Use the series of facts.
    pub(crate) fn series<T>(&self, look: impl FnOnce(&mut SeriesCache) -> T) -> T {
        look(&mut lock(&self.series))
    }

    /// Who reads this series from the store.
    pub(crate) fn series_reading(&self, id: &SeriesId) -> Arc<tokio::sync::Mutex<()>> {
        let [.., last] = id.as_bytes();
        let [first, ..] = &self.readings;
        let own = self.readings.get(usize::from(*last) % READINGS);
        Arc::clone(own.unwrap_or(first))
    }

    pub(crate) fn halts(&self) -> Arc<Vec<Halt>> {
        self.halts.load_full()
    }

    /// The later of `time` and the latest time seen.
    pub(crate) fn monotonic_now(&self, time: i64) -> i64 {
        self.clock.fetch_max(time, Ordering::Relaxed).max(time)
    }

    /// Publishes the durable state.
    pub(crate) fn publish(&self, size: u64, halts: &[Halt]) {
        if *self.halts.load_full() != halts {
            self.halts.store(Arc::new(halts.to_vec()));
        }
        self.size.store(size, Ordering::Release);
    }

    /// Files take on labels. Call this before the write that labels them can begin.
    pub(crate) fn bump_label_epoch(&self) {
        self.label_epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// How often files took on labels.
    pub(crate) fn label_epoch(&self) -> u64 {
        self.label_epoch.load(Ordering::Acquire)
    }

    /// Moving average of the time that a commit takes.
    pub(crate) fn commit_latency(&self) -> &LatencyEwma {
        &self.commit_latency
    }

    /// Whether any call has ever requested an approval.
    pub(crate) fn has_requested(&self) -> bool {
        self.has_requested.load(Ordering::Acquire)
    }

    /// An approval is about to be requested. Call this before it is committed.
    pub(crate) fn set_has_requested(&self) {
        self.has_requested.store(true, Ordering::Release);
    }

    /// Whether a call of the run may be suspended.
    pub(crate) fn suspends(&self, run: RunId) -> bool {
        lock(&self.suspended).contains(&run)
    }

    /// A call of the run is about to be suspended. Call this before it is committed.
    pub(crate) fn suspend(&self, run: RunId) {
        lock(&self.suspended).insert(run);
    }

    /// The run has ended.
    pub(crate) fn ended(&self, run: RunId) {
        lock(&self.suspended).remove(&run);
    }

    /// Recent maximum of batches in one group.
    pub(crate) fn recent_group_size(&self) -> usize {
        self.group_size.load(Ordering::Relaxed)
    }

    /// Adds a group of this many commits. The maximum decays by a quarter with each group.
    pub(crate) fn note_group_size(&self, together: usize) {
        let recent = self.recent_group_size();
        let recent = together.max(recent - recent.div_ceil(4));
        self.group_size.store(recent, Ordering::Relaxed);
    }

    pub(crate) fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }
}

/// The halt that concerns one of these, if there is one.
pub(crate) fn halted<'a>(halts: &'a [Halt], keys: &HaltKeys) -> Option<&'a Halt> {
    halts.iter().find(|halt| match halt.scope {
        HaltScope::All => true,
        HaltScope::Agent => halt.name == keys.agent,
        HaltScope::Tenant => halt.name == keys.tenant,
        HaltScope::Tool => keys.tool.as_ref() == Some(&halt.name),
        HaltScope::Component => keys.component.as_ref() == Some(&halt.name),
    })
}
