//! One reported log record.

use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tollgate::capture::Capturing;
use tollgate_model::time::Timestamp;

use super::{
    span::{micros, span_id, trace_id},
    value::Bounded,
};
use crate::{
    capture,
    store::{Attributes, NewLog, Source},
};

/// Bytes of an event's name, and of a severity's.
const MAX_NAME: usize = 256;

/// What a log says, as it is written.
#[derive(Serialize)]
struct Said {
    body: Value,
    attributes: Attributes,
}

/// The log, and whether something was left out; or why it is none.
pub(super) fn read(
    record: LogRecord,
    source: &Source,
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
    let event = capture::event_name(event);
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
    let said = Said {
        body: bounded.body(record.body),
        attributes: bounded.attributes(record.attributes),
    };
    let body = serde_json::to_string(&said).unwrap_or_else(|_| "{}".into());
    let sent = [record.time_unix_nano, record.observed_time_unix_nano];
    let time = match sent {
        [0, 0] => now,
        [0, observed] => micros(observed),
        [time, _] => micros(time),
    };
    let digest = digest(source, &record.span_id, sent, [&severity, &event, &body]);
    let log = NewLog {
        trace,
        span,
        time,
        severity,
        event: Some(event).filter(|event| !event.is_empty()),
        body,
        digest,
    };
    Ok((log, bounded.dropped > 0))
}

/// By what a log is the same when it is sent again: half a SHA-256 of what was sent, and by whom. When it came
/// in is no part of that.
fn digest(source: &Source, span: &[u8], sent: [u64; 2], words: [&str; 3]) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(source.digest());
    hash.update((span.len() as u64).to_be_bytes());
    hash.update(span);
    for time in sent {
        hash.update(time.to_be_bytes());
    }
    for text in words {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    let digest: [u8; 32] = hash.finalize().into();
    digest.first_chunk().copied().unwrap_or_default()
}
