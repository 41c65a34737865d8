//! One reported span.

use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};
use serde::Serialize;
use serde_json::Value;
use tollgate::{capture::Capturing, config::PricesConfig};
use tollgate_model::{
    ids::{RunId, SpanId},
    time::Timestamp,
};

use super::value::Bounded;
use crate::{
    capture,
    store::{Attributes, Facet, NewSpan},
    usage,
};

/// Events of one span, and as many links.
const MAX_EVENTS: usize = 128;
/// Bytes of a span's name.
const MAX_NAME: usize = 1 << 10;
/// Bytes of a conversation's id.
const MAX_CONVERSATION: usize = 256;

/// A trace's id (W3C Trace Context, section 3.2.2.3): all zeros is none.
pub(super) fn trace_id(bytes: &[u8]) -> Option<RunId> {
    let id: [u8; 16] = bytes.try_into().ok()?;
    (id != [0; 16]).then(|| RunId::from_bytes(id))
}

/// A span's id (section 3.2.2.4).
pub(super) fn span_id(bytes: &[u8]) -> Option<SpanId> {
    let id: [u8; 8] = bytes.try_into().ok()?;
    (id != [0; 8]).then(|| SpanId::from_bytes(id))
}

/// Microseconds, as everything here has them.
pub(super) fn micros(nanos: u64) -> Timestamp {
    Timestamp(i64::try_from(nanos / 1_000).unwrap_or(i64::MAX))
}

/// What [`crate::store::Body`] reads.
#[derive(Serialize)]
struct Written<'a> {
    attributes: &'a Attributes,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<Happened>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<Linked>,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    state: String,
    #[serde(skip_serializing_if = "is_zero")]
    dropped: u64,
}

/// An event of a span.
#[derive(Serialize)]
struct Happened {
    time: Timestamp,
    name: String,
    attributes: Attributes,
}

/// A link of a span.
#[derive(Serialize)]
struct Linked {
    trace: RunId,
    span: SpanId,
    attributes: Attributes,
}

/// The span, and whether something was left out; or why it is none.
pub(super) fn read(
    span: Span,
    service: Option<&Value>,
    prices: &PricesConfig,
    capturing: &Capturing,
) -> Result<(NewSpan, bool), &'static str> {
    let trace = trace_id(&span.trace_id).ok_or("no trace id of 16 bytes")?;
    let id = span_id(&span.span_id).ok_or("no span id of 8 bytes")?;
    let mut parent = None;
    if !span.parent_span_id.is_empty() {
        parent = Some(span_id(&span.parent_span_id).ok_or("no parent span id of 8 bytes")?);
    }
    let kind = match SpanKind::try_from(span.kind) {
        Ok(SpanKind::Server) => "server",
        Ok(SpanKind::Client) => "client",
        Ok(SpanKind::Producer) => "producer",
        Ok(SpanKind::Consumer) => "consumer",
        _ => "internal",
    };
    let mut bounded = Bounded::new(capturing);
    let name = bounded.name(&span.name, MAX_NAME);
    let attributes = bounded.attributes(span.attributes);
    let status = span.status.unwrap_or_default();
    let failed = status.code == StatusCode::Error as i32;
    let message = bounded.said(status.message);
    bounded.dropped += span.events.len().saturating_sub(MAX_EVENTS) as u64;
    bounded.dropped += span.links.len().saturating_sub(MAX_EVENTS) as u64;
    let events = span.events.into_iter().take(MAX_EVENTS);
    let events: Vec<Happened> = events
        .map(|event| Happened {
            time: micros(event.time_unix_nano),
            name: capture::event_name(bounded.name(&event.name, MAX_NAME)),
            attributes: bounded.attributes(event.attributes),
        })
        .collect();
    let mut links = Vec::new();
    for link in span.links.into_iter().take(MAX_EVENTS) {
        match trace_id(&link.trace_id).zip(span_id(&link.span_id)) {
            Some((trace, span)) => links.push(Linked {
                trace,
                span,
                attributes: bounded.attributes(link.attributes),
            }),
            None => bounded.dropped += 1,
        }
    }
    let state = bounded.name(&span.trace_state, 512);
    let cut = bounded.dropped > 0;
    let text = |name: &str| attributes.get(name).and_then(Value::as_str);
    let error = failed.then(|| text("error.type").unwrap_or("_OTHER").to_owned());
    let (model, used, counts) = usage::of(&attributes, prices);
    let conversation = text("gen_ai.conversation.id")
        .or_else(|| text("session.id"))
        .filter(|id| !id.is_empty() && id.len() <= MAX_CONVERSATION)
        .map(str::to_owned);
    let start = micros(span.start_time_unix_nano);
    let end = (span.end_time_unix_nano > 0).then(|| micros(span.end_time_unix_nano));
    let facets = facets(
        &attributes,
        &name,
        &message,
        model.as_deref(),
        error.as_deref(),
        service.and_then(Value::as_str),
        parent.is_none(),
    );
    let theirs = [
        span.dropped_attributes_count,
        span.dropped_events_count,
        span.dropped_links_count,
    ];
    let body = Written {
        attributes: &attributes,
        events,
        links,
        message,
        state,
        dropped: bounded.dropped + theirs.into_iter().map(u64::from).sum::<u64>(),
    };
    let body = serde_json::to_string(&body).unwrap_or_else(|_| "{}".into());
    let span = NewSpan {
        trace,
        span: id,
        parent: parent.filter(|parent| *parent != id),
        name,
        kind,
        start,
        end,
        error,
        model,
        usage: used,
        counts,
        conversation,
        facets,
        body,
    };
    Ok((span, cut))
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// What its trace is found by because of a span.
fn facets(
    attributes: &Attributes,
    name: &str,
    message: &str,
    model: Option<&str>,
    error: Option<&str>,
    service: Option<&str>,
    is_root: bool,
) -> Vec<(Facet, String)> {
    let text = |name: &str| attributes.get(name).and_then(Value::as_str);
    let versions = [
        ("gen_ai.agent.version", "agent:"),
        ("reported.tollgate.prompt.version", "prompt:"),
        ("reported.tollgate.workflow.version", "workflow:"),
    ];
    let found = [
        (Facet::Name, Some(name)),
        (Facet::Agent, text("gen_ai.agent.name")),
        (
            Facet::Tool,
            text("gen_ai.tool.name").or_else(|| text("tool.name")),
        ),
        (Facet::Model, model),
        (Facet::Error, error),
        (Facet::Service, service),
        (Facet::Text, Some(message).filter(|m| !m.is_empty())),
        (Facet::Text, text("input.value").filter(|_| is_root)),
    ];
    let found = found
        .into_iter()
        .filter_map(|(facet, value)| Some((facet, value?.to_owned())));
    let versions = versions
        .into_iter()
        .filter_map(|(name, prefix)| Some((Facet::Version, format!("{prefix}{}", text(name)?))));
    found.chain(versions).collect()
}
