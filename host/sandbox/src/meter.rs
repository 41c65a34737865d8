//! Limits of an execution, and the counters that enforce them.
//!
//! There are four counters, because none is enough alone. Fuel is deterministic but ignores how long an
//! instruction takes. Guest time measures that but not the host's work. Wall-clock time measures everything
//! but penalises the guest for a slow disk. Memory can be exhausted in no time at all.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};
use tollgate_model::tool::{Limits, Size};
use wasmtime::ResourceLimiter;

/// The resources that the engine for components of this size has for one component.
pub(crate) const fn resources(size: Size) -> Resources {
    match size {
        Size::Standard => Resources {
            memory: size.max_memory(),
            table_elements: 10_000,
            instances: 16,
            tables: 16,
            memories: 2,
            core_instance: 1 << 20,
            resident: 256 << 10,
        },
        Size::Large => Resources {
            memory: size.max_memory(),
            table_elements: 100_000,
            instances: 64,
            tables: 32,
            memories: 2,
            core_instance: 4 << 20,
            resident: 8 << 20,
        },
    }
}

/// An engine's resources for one component.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resources {
    /// Bytes of all memories in total.
    pub(crate) memory: u64,
    /// Elements of all tables in total.
    pub(crate) table_elements: usize,
    /// Core instances.
    pub(crate) instances: usize,
    /// Tables.
    pub(crate) tables: usize,
    /// Memories.
    pub(crate) memories: usize,
    /// Bytes of the engine's own data for one core instance.
    pub(crate) core_instance: usize,
    /// Bytes of a memory that are overwritten instead of unmapped.
    pub(crate) resident: usize,
}

/// The limit that a guest exceeded, as the cause of its trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LimitExceeded {
    /// Memories or tables.
    #[error("it asked for more memory than it may have")]
    Memory,
    /// Guest time.
    #[error("it used up its computing time")]
    Time,
}

/// Counts memory and tables, and traps if a limit is exceeded: a guest rarely handles refused memory
/// sensibly.
#[derive(Debug)]
pub(crate) struct Meter {
    resources: Resources,
    max_memory: u64,
    memory: u64,
    peak: u64,
    elements: usize,
}

impl Meter {
    pub(crate) fn new(limits: &Limits, resources: Resources) -> Self {
        Self {
            resources,
            max_memory: limits.memory.min(resources.memory),
            memory: 0,
            peak: 0,
            elements: 0,
        }
    }

    /// The highest size of linear memory, in bytes.
    pub(crate) fn peak(&self) -> u64 {
        self.peak
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self
            .memory
            .saturating_add(desired.saturating_sub(current) as u64);
        if total > self.max_memory || maximum.is_some_and(|max| desired > max) {
            return Err(LimitExceeded::Memory.into());
        }
        self.memory = total;
        self.peak = self.peak.max(total);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        Err(LimitExceeded::Memory.into())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self
            .elements
            .saturating_add(desired.saturating_sub(current));
        if total > self.resources.table_elements || maximum.is_some_and(|max| desired > max) {
            return Err(LimitExceeded::Memory.into());
        }
        self.elements = total;
        Ok(true)
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        Err(LimitExceeded::Memory.into())
    }

    fn instances(&self) -> usize {
        self.resources.instances
    }

    fn tables(&self) -> usize {
        self.resources.tables
    }

    fn memories(&self) -> usize {
        self.resources.memories
    }
}

/// Measures the guest's processor time. It is paused while the host works for the guest, and while other
/// guests use the thread.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    /// The thread's clock when it was started; [`STOPPED`] while paused.
    since: AtomicU64,
    /// Nanoseconds before that.
    used: AtomicU64,
}

const STOPPED: u64 = u64::MAX;

impl Stopwatch {
    pub(crate) fn new() -> Self {
        Self {
            since: AtomicU64::new(STOPPED),
            used: AtomicU64::new(0),
        }
    }

    /// Processor time of this thread, in nanoseconds. It does not advance while others have the processor.
    fn now() -> u64 {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        let (seconds, nanos) = (time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
        seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
    }

    // Only one task at a time runs a guest and its host calls, so relaxed ordering is enough. The meter is
    // paused whenever that task could continue on another thread.

    pub(crate) fn start(&self) {
        if self.since.load(Ordering::Relaxed) == STOPPED {
            self.since.store(Self::now(), Ordering::Relaxed);
        }
    }

    pub(crate) fn stop(&self) {
        let since = self.since.swap(STOPPED, Ordering::Relaxed);
        if since != STOPPED {
            self.used
                .fetch_add(Self::now().saturating_sub(since), Ordering::Relaxed);
        }
    }

    /// Adds time that others used.
    pub(crate) fn charge(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 2);
        self.used.fetch_add(nanos, Ordering::Relaxed);
    }

    /// The time so far, while paused.
    pub(crate) fn used(&self) -> Duration {
        Duration::from_nanos(self.used.load(Ordering::Relaxed))
    }
}

/// Remaining operations of a call, shared by all counters.
#[derive(Clone)]
pub(crate) struct Operations(Arc<AtomicU64>);

impl Operations {
    pub(crate) fn new(most: u64) -> Self {
        Self(Arc::new(AtomicU64::new(most)))
    }

    /// Takes one. False if none is left.
    pub(crate) fn take(&self) -> bool {
        let less = |left: u64| left.checked_sub(1);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }

    /// How many are left.
    pub(crate) fn left(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
