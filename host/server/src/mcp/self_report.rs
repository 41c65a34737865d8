//! What an agent reports with a call, in `_meta`: why it makes it, and what it changes in its own state.
//!
//! It is stored after the call, apart from it. What makes no sense is left out: no call fails for its comment.

use rmcp::model::RequestMetaObject;
use serde_json::Value;
use tollgate::enforce::Answer;
use tollgate_model::{ids::SpanId, time::Timestamp};
use tollgate_trace::self_report::{self, SelfReport, SelfReportTopic};

use super::Client;
use crate::review::captured;

/// Why the call is made, in a few words.
const SUMMARY: &str = "dev.tollgate/summary";
/// What it changes in the agent's state: any JSON, or text.
const STATE_DELTA: &str = "dev.tollgate/state_delta";
/// What it reports about the run, by topic.
const SELF_REPORT: &str = "dev.tollgate/self_report";

/// What `_meta` reports of a call and of its run.
fn of_meta(meta: &RequestMetaObject, call: SpanId, at: Timestamp) -> Vec<SelfReport> {
    let mut all = Vec::new();
    for (key, topic) in [
        (SUMMARY, SelfReportTopic::Summary),
        (STATE_DELTA, SelfReportTopic::StateDelta),
    ] {
        let value = meta.get(key).filter(|value| !value.is_null());
        all.extend(value.and_then(|value| self_report::one(topic, value, Some(call), at).ok()));
    }
    if let Some(about @ Value::Object(_)) = meta.get(SELF_REPORT) {
        all.extend(self_report::read(about, None, at).unwrap_or_default());
    }
    all
}

impl Client {
    /// Keep what was reported with a call. Nothing waits for it.
    pub(super) fn keep_self_report(&self, meta: &RequestMetaObject, answer: &Answer) {
        let gate = self.gate();
        let reports = of_meta(meta, answer.call, gate.now());
        let (Some(run), false) = (answer.run, reports.is_empty()) else {
            return;
        };
        let Ok(store) = self.server.trace() else {
            return;
        };
        let reports = captured(gate, run, reports);
        let tenant = gate.ruleset().config.gate.tenant.clone();
        self.server.0.requests.spawn(async move {
            // A store that is busy or full takes none: it is the agent's word, and not evidence.
            drop(store.add_self_reports(&tenant, run, reports).await);
        });
    }
}

#[cfg(test)]
mod tests;
