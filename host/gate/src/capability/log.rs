//! A component's messages for the operator: not decided, scrubbed of secrets, bounded.

use std::collections::BTreeSet;

use tollgate_model::{
    record::{ComponentLog, Event},
    text::printable,
};

use super::Capabilities;

/// The most bytes of a message in a trace.
const MAX_LOG_MESSAGE: usize = 4096;
/// The most messages of one call that are kept.
const MAX_LOG_MESSAGES: u32 = 100;

impl Capabilities {
    pub(super) fn record_log(&self, level: &'static str, message: &str) {
        {
            let mut pending = self.pending();
            pending.log_lines = pending.log_lines.saturating_add(1);
            if pending.log_lines > MAX_LOG_MESSAGES {
                return;
            }
        }
        let message = self.cx.ruleset.secrets.scrub_text(message);
        let event = Event::ComponentLog(ComponentLog {
            call: self.cx.call,
            labels: BTreeSet::new(),
            level: level.into(),
            message: printable(&message, MAX_LOG_MESSAGE),
            parent: self.span,
        });
        let record = self.pep.record(&self.cx, self.pep.now(), event);
        self.pending().records.push(record);
    }
}
