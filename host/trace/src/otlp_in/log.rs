//! One reported log record.

use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};
use serde_json::json;
use tollgate::capture::Capturing;
use tollgate_core::time::Timestamp;

use super::{
    span::{micros, span_id, trace_id},
    value::Bounded,
};
use crate::store::NewLog;

/// Bytes of an event's name, and of a severity's.
const MAX_NAME: usize = 256;

/// The log, and whether something was left out; or why it is none.
pub(super) fn read(
    record: LogRecord,
    now: Timestamp,
    capturing: &Capturing,
) -> Result<(NewLog, bool), &'static str> {
    let trace = trace_id(&record.trace_id).ok_or("no trace id, so it belongs to no run")?;
    let mut span = None;
    if !record.span_id.is_empty() {
        span = Some(span_id(&record.span_id).ok_or("no span id of 8 bytes")?);
    }
    let mut bounded = Bounded::new(capturing);
    let event = bounded.name(&record.event_name, MAX_NAME);
    let event = match event.strip_prefix("tollgate.") {
        Some(rest) => format!("reported.tollgate.{rest}"),
        None => event,
    };
    let severity = match record.severity_text.is_empty() {
        false => bounded.name(&record.severity_text, MAX_NAME),
        true => SeverityNumber::try_from(record.severity_number)
            .map(|s| {
                s.as_str_name()
                    .trim_start_matches("SEVERITY_NUMBER_")
                    .to_owned()
            })
            .unwrap_or_default(),
    };
    let body = bounded.body(record.body);
    let attributes = bounded.attributes(record.attributes);
    let time = match (record.time_unix_nano, record.observed_time_unix_nano) {
        (0, 0) => now,
        (0, observed) => micros(observed),
        (time, _) => micros(time),
    };
    let log = NewLog {
        trace,
        span,
        time,
        severity,
        event: Some(event).filter(|event| !event.is_empty()),
        body: json!({"body": body, "attributes": attributes}).to_string(),
    };
    Ok((log, bounded.dropped > 0))
}
