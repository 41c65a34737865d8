//! Reports of how far a call has come: kept in the trace, and released to whoever listens.
//!
//! A report that leaves while the tool runs is content like any other: whether it may is decided
//! (`return_result`), and that decision and the labels that it adds to the run are durable before it
//! goes. Nothing here waits for the listener: one that does not keep up misses reports.

use std::collections::BTreeSet;

use tokio::sync::mpsc;
use tollgate_model::{
    canonical::MAX_INTEGER,
    decision::Decision,
    record::{AdapterLog, Event, Record},
};

use super::{Capabilities, ReleaseDecision};
use crate::text::printable;
use tollgate_ledger::Batch;

/// Reports of one call that are kept.
const MAX_REPORTS: u32 = 100;
/// Bytes of a report's message.
const MAX_MESSAGE: usize = 1 << 10;
/// The level by which the trace tells reports from messages.
const LEVEL: &str = "progress";

/// How far a call has come, as its component says: untrusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How much is done. Each report of a call is beyond the one before.
    pub progress: u64,
    /// How much there is, in the same unit, if it is known.
    pub total: Option<u64>,
    /// A few words, printable.
    pub message: String,
}

/// Whoever hears the reports of a call while it runs.
pub type Listener = mpsc::Sender<Report>;

/// What has been reported so far.
#[derive(Debug, Default)]
pub(super) struct Reported {
    count: u32,
    last: Option<u64>,
}

impl Reported {
    fn takes(&mut self, progress: u64) -> bool {
        if self.count >= MAX_REPORTS || self.last.is_some_and(|last| progress <= last) {
            return false;
        }
        self.count += 1;
        self.last = Some(progress);
        true
    }
}

impl Capabilities {
    /// Take in a report. What comes back is to be [released](Self::release_report); nothing does if
    /// nobody listens, or if there were too many.
    #[must_use]
    pub fn report(&self, progress: u64, total: Option<u64>, message: &str) -> Option<Report> {
        let exact = |n: u64| n.min(MAX_INTEGER.unsigned_abs());
        let report = Report {
            progress: exact(progress),
            total: total.map(exact),
            message: printable(message, MAX_MESSAGE),
        };
        let mut so_far = self.progress();
        if so_far.closed || !so_far.reported.takes(report.progress) {
            return None;
        }
        if self.listener.is_some() {
            return Some(report);
        }
        let record = self.report_record(&report, BTreeSet::new());
        so_far.records.push(record);
        None
    }

    /// Let a report go to whoever listens, if policy lets it. Its labels join the run first, durably.
    pub async fn release_report(&self, report: Report) {
        let mut labels = self.tool.content_labels();
        labels.extend(self.progress().labels.iter().cloned());
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
        // What policy redacts could be repeated in the message, so only a plain yes releases it.
        let goes = matches!(decision, Decision::Allow(_));
        let labels = if goes { labels } else { BTreeSet::new() };
        if self.progress().closed {
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
            // A listener that does not keep up, or has gone, misses it.
            let _ = listener.try_send(report);
        }
    }

    fn report_record(&self, report: &Report, labels: BTreeSet<String>) -> Record {
        let Report {
            progress,
            total,
            message,
        } = report;
        let message = match total {
            Some(total) => format!("{progress} of {total}: {message}"),
            None => format!("{progress}: {message}"),
        };
        let event = Event::AdapterLog(AdapterLog {
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
mod tests {
    use super::*;

    #[test]
    fn only_what_goes_on_is_taken_and_no_more_than_some() {
        let mut reported = Reported::default();
        assert!(reported.takes(5));
        assert!(!reported.takes(5) && !reported.takes(4));
        let taken = (6..1_000).filter(|n| reported.takes(*n)).count();
        assert_eq!(taken as u32, MAX_REPORTS - 1);
    }
}
