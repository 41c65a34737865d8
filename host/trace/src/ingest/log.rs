//! One reported log record.

use opentelemetry_proto::tonic::{
    logs::v1::{LogRecord, SeverityNumber},
    trace::v1::Span,
};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tollgate_model::{
    capture::AttributeFilter, ids::SpanId, settings::PricesConfig, time::Timestamp,
};

use super::{
    agent_events,
    span::{micros, span_id, trace_id},
    value::SizeLimiter,
};
use crate::{
    capture,
    session::session_trace,
    store::{Attributes, NewLog, Source},
};

/// The longest name of an event or severity, in bytes.
const MAX_NAME: usize = 256;

/// The stored form of a log.
#[derive(Serialize)]
struct LogBody {
    body: Value,
    attributes: Attributes,
}

/// The result of reading a log record.
pub(super) struct ReadLog {
    pub(super) log: NewLog,
    /// The model call that it describes, unless a span describes the same.
    pub(super) model_call: Option<Span>,
    /// Whether a part was left out.
    pub(super) cut: bool,
}

/// The resource and scope of log records.
pub(super) struct LogContext<'a> {
    pub(super) tenant: &'a str,
    pub(super) source: &'a Source,
    /// The session that the resource names.
    pub(super) session: Option<&'a str>,
    pub(super) prices: &'a PricesConfig,
    pub(super) now: Timestamp,
}

/// The log, or why it is refused. A log without a trace id belongs to the trace of its session.
pub(super) fn read(
    record: LogRecord,
    context: &LogContext<'_>,
    filter: &dyn AttributeFilter,
) -> Result<ReadLog, &'static str> {
    let session = agent_events::session(&record.attributes).or(context.session);
    let session = session.map(str::to_owned);
    let (trace, session) = match trace_id(&record.trace_id) {
        Some(trace) => (trace, None),
        None if record.trace_id.iter().any(|byte| *byte != 0) => {
            return Err("no trace id of 16 bytes");
        }
        None => {
            let session =
                session.ok_or("no trace id and no `session.id`, so it belongs to no run")?;
            (session_trace(context.tenant, &session), Some(session))
        }
    };
    let mut span = None;
    if !record.span_id.is_empty() {
        span = Some(span_id(&record.span_id).ok_or("no span id of 8 bytes")?);
    }
    let mut bounded = SizeLimiter::new(filter);
    let event = bounded.name(agent_events::event_name(&record), MAX_NAME);
    let event = capture::event_name(event);
    let severity = severity(&mut bounded, &record);
    let said = LogBody {
        body: bounded.body(record.body.clone()),
        attributes: bounded.attributes(record.attributes.clone()),
    };
    let body = serde_json::to_string(&said).unwrap_or_else(|_| "{}".into());
    let sent = [record.time_unix_nano, record.observed_time_unix_nano];
    let time = match sent {
        [0, 0] => context.now,
        [0, observed] => micros(observed),
        [time, _] => micros(time),
    };
    let digest = digest(
        context.source,
        &record.span_id,
        sent,
        [&severity, &event, &body],
    );
    let model_call = session.as_deref().and_then(|session| {
        let [span @ .., _, _, _, _, _, _, _, _] = digest;
        agent_events::model_call(
            &record,
            trace,
            SpanId::from_bytes(span),
            session,
            context.prices,
        )
    });
    Ok(ReadLog {
        log: NewLog {
            trace,
            span,
            time,
            severity,
            event: Some(event).filter(|event| !event.is_empty()),
            conversation: session,
            body,
            digest,
        },
        model_call,
        cut: bounded.dropped > 0,
    })
}

/// The text of the severity.
fn severity(bounded: &mut SizeLimiter<'_>, record: &LogRecord) -> String {
    if !record.severity_text.is_empty() {
        return bounded.name(&record.severity_text, MAX_NAME);
    }
    let severity = SeverityNumber::try_from(record.severity_number).unwrap_or_default();
    match severity {
        SeverityNumber::Unspecified => String::new(),
        known => known
            .as_str_name()
            .trim_start_matches("SEVERITY_NUMBER_")
            .to_owned(),
    }
}

/// Identifies a log that is sent again: 16 bytes of SHA-256 over contents and sender, without the time of arrival.
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
