//! Progress reports: kept in the trace, and released to a listener.
//!
//! A report that is sent while the tool runs is content. Its release is decided (`return_result`), and that
//! decision and the labels that it adds to the run are durable before it is sent. Nothing waits for the
//! listener: a slow one misses reports.

use std::collections::BTreeSet;

use tollgate_ledger::Batch;
use tollgate_model::{
    canonical::MAX_INTEGER,
    decision::Decision,
    record::{ComponentLog, Event, Record},
    text::printable,
};
use tollgate_sandbox::capability::progress::ProgressReport;

use super::Capabilities;
use crate::enforce::ReleaseDecision;

/// The most reports of one call that are kept.
const MAX_REPORTS: u32 = 100;
/// The most bytes of a report's message.
const MAX_MESSAGE: usize = 1 << 10;
/// By how much a report that the call waits is beyond the one before: little, so that the tool's next one counts.
const WAIT_STEP: f64 = 0.001;
/// The level that distinguishes reports from messages in the trace.
const LEVEL: &str = "progress";

/// What has been reported so far.
#[derive(Debug, Default)]
pub(super) struct ReportCount {
    count: u32,
    last: Option<f64>,
}

impl ReportCount {
    fn take(&mut self, progress: f64) -> bool {
        if self.count >= MAX_REPORTS || self.last.is_some_and(|last| progress <= last) {
            return false;
        }
        self.count += 1;
        self.last = Some(progress);
        true
    }

    /// The number of a report of the gate's own, beyond the one before.
    fn wait(&mut self) -> f64 {
        let next = self.last.unwrap_or(0.0) + WAIT_STEP;
        self.last = Some(next);
        next
    }
}

/// A number that every JSON reader understands alike; zero for what is none.
fn bounded(n: f64) -> f64 {
    if n.is_nan() {
        return 0.0;
    }
    n.clamp(0.0, MAX_INTEGER as f64)
}

impl Capabilities {
    /// Takes a report. Returns it if it is to be [released](Self::release_report); `None` if there is no
    /// listener, or there were too many.
    #[must_use]
    pub(crate) fn take_report(&self, report: ProgressReport) -> Option<ProgressReport> {
        let report = ProgressReport {
            progress: bounded(report.progress),
            total: report.total.map(bounded),
            message: printable(&report.message, MAX_MESSAGE),
        };
        let mut so_far = self.pending();
        if so_far.closed || !so_far.reported.take(report.progress) {
            return None;
        }
        if self.listener.is_some() {
            return Some(report);
        }
        let record = self.report_record(&report, BTreeSet::new());
        so_far.records.push(record);
        None
    }

    /// Sends a report to the listener, if policy allows it. Its labels join the run first, durably.
    pub(crate) async fn release_report(&self, report: ProgressReport) {
        let mut labels = self.tool.content_labels();
        labels.extend(self.pending().labels.iter().cloned());
        labels.extend(self.cx.inherited_labels.iter().cloned());
        let size = report.message.len() as u64;
        let judged = self
            .pep
            .decide_release(&self.cx, &self.tool, false, size, &labels);
        let (Ok(judged), Some(listener)) = (judged, &self.listener) else {
            return;
        };
        let ReleaseDecision {
            decision,
            record,
            payload,
            condition,
        } = judged;
        // The message could repeat redacted data, so only an unconditional allow releases it.
        let goes = matches!(decision, Decision::Allow(_));
        let labels = if goes { labels } else { BTreeSet::new() };
        if self.pending().closed {
            return;
        }
        let mut conditions = vec![condition];
        conditions.extend(self.not_halted());
        let batch = Batch {
            records: vec![record, self.report_record(&report, labels)],
            payloads: vec![payload],
            conditions,
        };
        if self.commit(batch, None).await.is_ok() && goes {
            // A slow or closed listener misses it.
            let _ = listener.try_send(report);
        }
    }

    /// Tells the listener that the call waits. These are the gate's own words, which need no decision.
    pub(super) fn report_wait(&self, message: &str) {
        let Some(listener) = &self.listener else {
            return;
        };
        let report = ProgressReport {
            progress: self.pending().reported.wait(),
            total: None,
            message: message.to_owned(),
        };
        // A slow or closed listener misses it.
        let _ = listener.try_send(report);
    }

    fn report_record(&self, report: &ProgressReport, labels: BTreeSet<String>) -> Record {
        let ProgressReport {
            progress,
            total,
            message,
        } = report;
        let message = match total {
            Some(total) => format!("{progress} of {total}: {message}"),
            None => format!("{progress}: {message}"),
        };
        let event = Event::ComponentLog(ComponentLog {
            call: self.cx.call,
            labels,
            level: LEVEL.into(),
            message,
            parent: self.span,
        });
        self.pep.record(&self.cx, self.pep.now(), event)
    }
}

#[cfg(test)]
mod tests;
