//! What an execution may use, and the counters that hold it to that.
//!
//! Four counters, because none is enough: fuel is deterministic but blind to how long an instruction
//! takes, guest time sees that but not the host's, wall-clock time sees all but punishes the guest for a
//! slow disk, and memory grows in no time at all.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use wasmtime::ResourceLimiter;

/// What one execution may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory, over all memories of the component; at most [`Limits::MAX_MEMORY`].
    pub memory: u64,
    /// Fuel units; about one per WebAssembly instruction.
    pub fuel: u64,
    /// From beginning to end, host calls included.
    pub wall: Duration,
    /// Time in which the guest itself runs.
    pub cpu: Duration,
    /// Bytes of content that are returned; what is more is cut, and counted.
    pub output: u64,
    /// Operations that a guest may ask for: on files, and requests over HTTP.
    pub operations: u64,
}

impl Limits {
    /// The most memory that the engine has for a component, in bytes.
    pub const MAX_MEMORY: u64 = 64 << 20;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: Self::MAX_MEMORY,
            fuel: 10_000_000_000,
            wall: Duration::from_secs(30),
            cpu: Duration::from_secs(5),
            output: 1 << 20,
            operations: 10_000,
        }
    }
}

/// Elements of all tables together.
pub(super) const MAX_TABLE_ELEMENTS: usize = 10_000;
/// Core instances of a component.
pub(super) const MAX_INSTANCES: usize = 16;
/// Tables of a component.
pub(super) const MAX_TABLES: usize = 16;
/// Memories of a component.
pub(super) const MAX_MEMORIES: usize = 2;

/// The limit that a guest ran into, as the cause of its trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Exceeded {
    /// Memories or tables.
    #[error("it asked for more memory than it may have")]
    Memory,
    /// Guest time.
    #[error("it used up its computing time")]
    Time,
}

/// Counts memory and tables, and refuses what is too much with a trap: a guest that was refused memory
/// rarely does anything sensible with that.
#[derive(Debug)]
pub(super) struct Meter {
    max_memory: u64,
    memory: u64,
    peak: u64,
    elements: usize,
}

impl Meter {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            max_memory: limits.memory.min(Limits::MAX_MEMORY),
            memory: 0,
            peak: 0,
            elements: 0,
        }
    }

    /// Bytes of linear memory at most.
    pub(super) fn peak(&self) -> u64 {
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
            return Err(Exceeded::Memory.into());
        }
        self.memory = total;
        self.peak = self.peak.max(total);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        Err(Exceeded::Memory.into())
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
        if total > MAX_TABLE_ELEMENTS || maximum.is_some_and(|max| desired > max) {
            return Err(Exceeded::Memory.into());
        }
        self.elements = total;
        Ok(true)
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        Err(Exceeded::Memory.into())
    }

    fn instances(&self) -> usize {
        MAX_INSTANCES
    }

    fn tables(&self) -> usize {
        MAX_TABLES
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES
    }
}

/// Measures the time in which the guest runs: stopped while the host works for it, and while other
/// guests have the thread.
#[derive(Debug)]
pub(super) struct Stopwatch {
    zero: Instant,
    /// Nanoseconds after `zero` since which it runs; [`STOPPED`] while it does not.
    since: AtomicU64,
    /// Nanoseconds before that.
    used: AtomicU64,
}

const STOPPED: u64 = u64::MAX;

impl Stopwatch {
    pub(super) fn new() -> Self {
        Self {
            zero: Instant::now(),
            since: AtomicU64::new(STOPPED),
            used: AtomicU64::new(0),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.zero.elapsed().as_nanos()).unwrap_or(STOPPED - 1)
    }

    // One task at a time runs a guest and its host calls, so relaxed is enough.

    pub(super) fn start(&self) {
        if self.since.load(Ordering::Relaxed) == STOPPED {
            self.since.store(self.now(), Ordering::Relaxed);
        }
    }

    pub(super) fn stop(&self) {
        let since = self.since.swap(STOPPED, Ordering::Relaxed);
        if since != STOPPED {
            self.used
                .fetch_add(self.now().saturating_sub(since), Ordering::Relaxed);
        }
    }

    /// The time so far, while it is stopped.
    pub(super) fn used(&self) -> Duration {
        Duration::from_nanos(self.used.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_time_between_start_and_stop_counts() {
        let stopwatch = Stopwatch::new();
        stopwatch.stop();
        assert_eq!(stopwatch.used(), Duration::ZERO);
        stopwatch.start();
        let since = stopwatch.since.load(Ordering::Relaxed);
        stopwatch.start();
        assert_eq!(
            stopwatch.since.load(Ordering::Relaxed),
            since,
            "it runs already"
        );
        stopwatch.stop();
        let used = stopwatch.used();
        stopwatch.stop();
        assert_eq!(stopwatch.used(), used);
        assert!(used < stopwatch.zero.elapsed());
    }

    #[test]
    fn all_memories_and_tables_count_together() {
        let mut meter = Meter::new(&Limits {
            memory: 300,
            ..Limits::default()
        });
        assert!(meter.memory_growing(0, 100, None).is_ok_and(|may| may));
        assert!(meter.memory_growing(0, 100, Some(100)).is_ok_and(|may| may));
        assert!(
            meter.memory_growing(100, 200, Some(150)).is_err(),
            "beyond its own maximum"
        );
        assert!(meter.memory_growing(100, 201, None).is_err());
        assert!(meter.memory_growing(100, 200, None).is_ok_and(|may| may));
        assert_eq!(meter.peak(), 300);
        assert!(meter.table_growing(0, 6_000, None).is_ok_and(|may| may));
        assert!(meter.table_growing(0, 6_000, None).is_err());
    }
}
