//! A component's messages for the operator: not decided, scrubbed of secrets, bounded.

use std::collections::BTreeSet;

use tollgate_model::{
    record::{ComponentLog, Event},
    text::printable,
    tool::{Execution, end_message},
};

use super::Capabilities;

/// The most bytes of a message in a trace.
const MAX_LOG_MESSAGE: usize = 4096;
/// The most messages of one call that are kept.
const MAX_LOG_MESSAGES: u32 = 100;
/// The most bytes of all of them.
const MAX_LOG_BYTES: usize = 64 << 10;
/// What stands instead of those that are not kept.
const LEFT_OUT: &str = "[more lines are left out: the log of one call is full]";

impl Capabilities {
    pub(super) fn record_log(&self, level: &'static str, message: &str) {
        {
            let mut pending = self.pending();
            if pending.log_lines > MAX_LOG_MESSAGES {
                return;
            }
            pending.log_lines += 1;
            if pending.log_lines > MAX_LOG_MESSAGES {
                drop(pending);
                return self.push_log("warn", LEFT_OUT.into());
            }
        }
        let message = self.log_text(message);
        let is_full = {
            let mut pending = self.pending();
            pending.log_bytes = pending.log_bytes.saturating_add(message.len());
            let is_full = pending.log_bytes > MAX_LOG_BYTES;
            if is_full {
                pending.log_lines = MAX_LOG_MESSAGES + 1;
            }
            is_full
        };
        match is_full {
            true => self.push_log("warn", LEFT_OUT.into()),
            false => self.push_log(level, message),
        }
    }

    /// Records why the sandbox stopped the component, also when its own log is full. Agents do not see it.
    pub(crate) fn record_stop(&self, execution: &Execution) {
        if let Some(cause) = &execution.cause {
            let message = format!("{} {cause}", end_message(execution.status));
            self.push_log("error", self.log_text(&message));
        }
    }

    fn log_text(&self, message: &str) -> String {
        let message = self.cx.ruleset.secrets.scrub_text(message);
        printable(&message, MAX_LOG_MESSAGE)
    }

    fn push_log(&self, level: &'static str, message: String) {
        let event = Event::ComponentLog(ComponentLog {
            call: self.cx.call,
            labels: BTreeSet::new(),
            level: level.into(),
            message,
            parent: self.span,
        });
        let record = self.pep.record(&self.cx, self.pep.now(), event);
        self.pending().records.push(record);
    }
}
