//! One reported log record.

use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};
use serde_json::{Value, json};
use tollgate_core::time::Timestamp;

use super::{
    span::{micros, short, span_id, trace_id},
    value::Bounded,
};
use crate::{
    capture,
    store::{Attributes, NewLog},
};

/// Bytes of an event's name, and of a severity's.
const MAX_NAME: usize = 256;
/// Levels of a body.
const DEPTH: usize = 8;

/// The log, and whether something was left out; or why it is none.
pub(super) fn read(record: LogRecord, now: Timestamp) -> Result<(NewLog, bool), &'static str> {
    let trace = trace_id(&record.trace_id).ok_or("no trace id, so it belongs to no run")?;
    let mut span = None;
    if !record.span_id.is_empty() {
        span = Some(span_id(&record.span_id).ok_or("no span id of 8 bytes")?);
    }
    let mut bounded = Bounded::default();
    let event = short(&record.event_name, MAX_NAME, &mut bounded);
    let event = match event.strip_prefix("tollgate.") {
        Some(rest) => format!("reported.tollgate.{rest}"),
        None => event,
    };
    let severity = match record.severity_text.is_empty() {
        false => short(&record.severity_text, MAX_NAME, &mut bounded),
        true => SeverityNumber::try_from(record.severity_number)
            .map(|s| {
                s.as_str_name()
                    .trim_start_matches("SEVERITY_NUMBER_")
                    .to_owned()
            })
            .unwrap_or_default(),
    };
    // A body goes the way of every attribute.
    let body = bounded.value(record.body, DEPTH);
    let mut body = capture::reported(Attributes::from_iter([("body".to_owned(), body)]));
    let body = body.remove("body").unwrap_or(Value::Null);
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
