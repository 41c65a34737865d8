//! Rows in memory while the writer changes them.

use tollgate_model::time::Timestamp;

/// A row of `traces`, while the writer changes it.
#[derive(Debug, Clone, Default)]
pub(crate) struct TraceEntry {
    pub(crate) id: i64,
    pub(in crate::store) run: bool,
    pub(in crate::store) caller: Option<[u8; 16]>,
    pub(in crate::store) principal: Option<String>,
    pub(in crate::store) conversation: Option<String>,
    pub(in crate::store) started: i64,
    pub(in crate::store) last: i64,
    pub(in crate::store) seen: i64,
    pub(in crate::store) reported: u64,
    pub(in crate::store) logs: u64,
    /// Reported bytes.
    pub(in crate::store) bytes: u64,
    pub(in crate::store) changed: bool,
}

impl TraceEntry {
    /// Notes that something arrived at `now`.
    pub(crate) fn mark_seen(&mut self, now: Timestamp) {
        self.seen = self.seen.max(now.0);
        self.changed = true;
    }

    /// Extends the time range by a reported span. The range of a run has the gate's own times only.
    pub(in crate::store) fn extend_time_range(
        &mut self,
        start: Timestamp,
        end: Timestamp,
        now: Timestamp,
    ) {
        if !self.run {
            self.started = self.started.min(start.0);
            self.last = self.last.max(end.0);
        }
        self.mark_seen(now);
    }
}

/// Totals of one reporter in one trace.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ReporterTotals {
    pub(in crate::store) spans: u64,
    pub(in crate::store) logs: u64,
    /// The bytes of their bodies.
    pub(in crate::store) bytes: u64,
    /// Facets that this reporter has added.
    pub(crate) facets: u64,
}

/// The row ids of a source and its reporter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SourceId {
    pub(in crate::store) source: i64,
    pub(in crate::store) reporter: i64,
}
