//! What the writer shares with those who commit and decide.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
};

use arc_swap::ArcSwap;
use tollgate_model::{
    ids::RunId,
    record::{Halt, HaltScope},
};

use super::{HaltKeys, cached_run::Cache, group_commit::lock, usage_window::Windows};
use tollgate_model::latency_ewma::LatencyEwma;

/// Principals of whom it is kept in memory what they have done lately.
pub(crate) const PRINCIPALS: usize = 256;

/// What the writer shares with everybody else.
#[derive(Debug)]
pub(crate) struct Shared {
    cache: Mutex<Cache>,
    windows: Mutex<Windows>,
    halts: ArcSwap<Vec<Halt>>,
    /// The highest time seen.
    clock: AtomicI64,
    /// Records that are durable.
    size: AtomicU64,
    /// How long a commit takes lately.
    pace: LatencyEwma,
    /// How many committed together lately.
    crowd: AtomicUsize,
    /// How often files were marked with labels since the ledger was opened, and one if any was before.
    marks: AtomicU64,
    /// Whether anybody was ever asked for an approval.
    asked: AtomicBool,
    /// Open runs in which a call was suspended to wait for an approval.
    suspended: Mutex<HashSet<RunId>>,
}

impl Shared {
    pub(crate) fn new(cached_runs: usize, halts: Vec<Halt>, now: i64, size: u64) -> Self {
        Self {
            cache: Mutex::new(Cache::new(cached_runs)),
            windows: Mutex::new(Windows::new(PRINCIPALS)),
            halts: ArcSwap::from_pointee(halts),
            clock: AtomicI64::new(now),
            size: AtomicU64::new(size),
            pace: LatencyEwma::default(),
            crowd: AtomicUsize::new(0),
            marks: AtomicU64::new(0),
            asked: AtomicBool::new(false),
            suspended: Mutex::default(),
        }
    }

    /// Look into the cache.
    pub(crate) fn cache<T>(&self, look: impl FnOnce(&mut Cache) -> T) -> T {
        // A panic while it was held leaves whole entries: each is put in by one call.
        look(&mut lock(&self.cache))
    }

    /// Look at what principals have done lately.
    pub(crate) fn windows<T>(&self, look: impl FnOnce(&mut Windows) -> T) -> T {
        look(&mut lock(&self.windows))
    }

    pub(crate) fn halts(&self) -> Arc<Vec<Halt>> {
        self.halts.load_full()
    }

    /// The later of `time` and the highest that was seen.
    pub(crate) fn floor(&self, time: i64) -> i64 {
        self.clock.fetch_max(time, Ordering::Relaxed).max(time)
    }

    /// Say what is durable now.
    pub(crate) fn publish(&self, size: u64, halts: &[Halt]) {
        if *self.halts.load_full() != halts {
            self.halts.store(Arc::new(halts.to_vec()));
        }
        self.size.store(size, Ordering::Release);
    }

    /// Files were marked: said before whoever does it may write to them.
    pub(crate) fn marked(&self) {
        self.marks.fetch_add(1, Ordering::AcqRel);
    }

    /// How often files were marked.
    pub(crate) fn marks(&self) -> u64 {
        self.marks.load(Ordering::Acquire)
    }

    /// How long a commit takes lately.
    pub(crate) fn pace(&self) -> &LatencyEwma {
        &self.pace
    }

    /// Whether anybody was ever asked for an approval, as far as anybody knows.
    pub(crate) fn asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// Somebody is about to be asked: said before that is committed.
    pub(crate) fn set_asked(&self) {
        self.asked.store(true, Ordering::Release);
    }

    /// Whether a call of the run may be suspended.
    pub(crate) fn suspends(&self, run: RunId) -> bool {
        lock(&self.suspended).contains(&run)
    }

    /// A call of the run is about to be suspended: said before that is committed.
    pub(crate) fn suspend(&self, run: RunId) {
        lock(&self.suspended).insert(run);
    }

    /// The run has ended.
    pub(crate) fn ended(&self, run: RunId) {
        lock(&self.suspended).remove(&run);
    }

    /// How many committed together lately.
    pub(crate) fn crowd(&self) -> usize {
        self.crowd.load(Ordering::Relaxed)
    }

    /// So many commit together now: a maximum that forgets a quarter of itself each time.
    pub(crate) fn came(&self, together: usize) {
        let crowd = self.crowd();
        let crowd = together.max(crowd - crowd.div_ceil(4));
        self.crowd.store(crowd, Ordering::Relaxed);
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
