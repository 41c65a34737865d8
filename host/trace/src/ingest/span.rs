//! One reported span.

use opentelemetry_proto::tonic::trace::v1::{
    Span,
    span::{self, SpanKind},
    status::StatusCode,
};
use serde::Serialize;
use serde_json::Value;
use tollgate_model::{
    capture::AttributeFilter,
    ids::{RunId, SpanId},
    settings::PricesConfig,
    time::Timestamp,
};

use super::value::SizeLimiter;
use crate::{
    capture,
    conventions::{Facts, Meaning},
    store::{Attributes, Facet, NewSpan},
    usage,
};

/// The most events of one span, and the most links.
const MAX_EVENTS: usize = 128;
/// The longest name of a span, in bytes.
const MAX_NAME: usize = 1 << 10;
/// The longest id of a conversation, in bytes.
const MAX_CONVERSATION: usize = 256;

/// A trace id (W3C Trace Context, section 3.2.2.3); `None` for all zeros.
pub(super) fn trace_id(bytes: &[u8]) -> Option<RunId> {
    let id: [u8; 16] = bytes.try_into().ok()?;
    (id != [0; 16]).then(|| RunId::from_bytes(id))
}

/// A span id (section 3.2.2.4).
pub(super) fn span_id(bytes: &[u8]) -> Option<SpanId> {
    let id: [u8; 8] = bytes.try_into().ok()?;
    (id != [0; 8]).then(|| SpanId::from_bytes(id))
}

/// Nanoseconds as a time in microseconds.
pub(super) fn micros(nanos: u64) -> Timestamp {
    Timestamp(i64::try_from(nanos / 1_000).unwrap_or(i64::MAX))
}

/// The JSON form of [`crate::store::Body`].
#[derive(Serialize)]
struct SpanBody<'a> {
    attributes: &'a Attributes,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<EventBody>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<LinkBody>,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    state: String,
    #[serde(skip_serializing_if = "is_zero")]
    dropped: u64,
}

/// An event of a span.
#[derive(Serialize)]
struct EventBody {
    time: Timestamp,
    name: String,
    attributes: Attributes,
}

/// A link of a span.
#[derive(Serialize)]
struct LinkBody {
    trace: RunId,
    span: SpanId,
    attributes: Attributes,
}

/// The span, and whether a part was left out; or why it is rejected.
pub(super) fn read(
    span: Span,
    service: Option<&Value>,
    prices: &PricesConfig,
    filter: &dyn AttributeFilter,
) -> Result<(NewSpan, bool), &'static str> {
    let trace = trace_id(&span.trace_id).ok_or("no trace id of 16 bytes")?;
    let id = span_id(&span.span_id).ok_or("no span id of 8 bytes")?;
    let mut parent = None;
    if !span.parent_span_id.is_empty() {
        parent = Some(span_id(&span.parent_span_id).ok_or("no parent span id of 8 bytes")?);
    }
    let mut bounded = SizeLimiter::new(filter);
    let name = bounded.name(&span.name, MAX_NAME);
    let attributes = bounded.attributes(span.attributes);
    let status = span.status.unwrap_or_default();
    let failed = status.code == StatusCode::Error as i32;
    let message = bounded.said(status.message);
    let events = events(&mut bounded, span.events);
    let links = links(&mut bounded, span.links);
    let state = bounded.name(&span.trace_state, 512);
    let cut = bounded.dropped > 0;
    let facts = Facts::of(&attributes);
    let exception = events.iter().find_map(EventBody::exception);
    let error = failed.then(|| error_class(&facts, exception));
    let (model, usage, counts) = usage::of(&facts, prices);
    let conversation = facts.text(Meaning::Conversation);
    let found = SearchTerms {
        facts: &facts,
        name: &name,
        message: Some(message.as_str())
            .filter(|message| !message.is_empty())
            .or_else(|| exception?.message),
        model: model.as_deref(),
        error: error.as_deref(),
        service: service.and_then(Value::as_str),
        is_root: parent.is_none(),
    };
    let facets = found.facets();
    let theirs = [
        span.dropped_attributes_count,
        span.dropped_events_count,
        span.dropped_links_count,
    ];
    let conversation = conversation
        .filter(|id| id.len() <= MAX_CONVERSATION)
        .map(str::to_owned);
    let body = SpanBody {
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
        kind: kind(span.kind),
        start: micros(span.start_time_unix_nano),
        end: (span.end_time_unix_nano > 0).then(|| micros(span.end_time_unix_nano)),
        error,
        model,
        usage,
        counts,
        conversation,
        facets,
        body,
    };
    Ok((span, cut))
}

/// OpenTelemetry's kind of span.
fn kind(kind: i32) -> &'static str {
    match SpanKind::try_from(kind) {
        Ok(SpanKind::Server) => "server",
        Ok(SpanKind::Client) => "client",
        Ok(SpanKind::Producer) => "producer",
        Ok(SpanKind::Consumer) => "consumer",
        _ => "internal",
    }
}

/// The class of a failed span's error: `error.type`, else the type of its exception.
fn error_class(facts: &Facts<'_>, exception: Option<Exception<'_>>) -> String {
    let class = facts
        .text(Meaning::ErrorType)
        .or_else(|| exception?.class)
        .unwrap_or("_OTHER");
    class.to_owned()
}

fn events(bounded: &mut SizeLimiter<'_>, events: Vec<span::Event>) -> Vec<EventBody> {
    bounded.dropped += events.len().saturating_sub(MAX_EVENTS) as u64;
    let events = events.into_iter().take(MAX_EVENTS);
    events
        .map(|event| EventBody {
            time: micros(event.time_unix_nano),
            name: capture::event_name(bounded.name(&event.name, MAX_NAME)),
            attributes: bounded.attributes(event.attributes),
        })
        .collect()
}

fn links(bounded: &mut SizeLimiter<'_>, links: Vec<span::Link>) -> Vec<LinkBody> {
    bounded.dropped += links.len().saturating_sub(MAX_EVENTS) as u64;
    let mut kept = Vec::new();
    for link in links.into_iter().take(MAX_EVENTS) {
        match trace_id(&link.trace_id).zip(span_id(&link.span_id)) {
            Some((trace, span)) => kept.push(LinkBody {
                trace,
                span,
                attributes: bounded.attributes(link.attributes),
            }),
            None => bounded.dropped += 1,
        }
    }
    kept
}

/// An exception event (OpenTelemetry semantic conventions, "Exceptions on spans").
#[derive(Debug, Clone, Copy)]
struct Exception<'a> {
    class: Option<&'a str>,
    message: Option<&'a str>,
}

impl EventBody {
    fn exception(&self) -> Option<Exception<'_>> {
        let text = |name: &str| {
            let text = self.attributes.get(name).and_then(Value::as_str);
            text.filter(|text| !text.is_empty())
        };
        (self.name == "exception").then(|| Exception {
            class: text("exception.type"),
            message: text("exception.message"),
        })
    }
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// The search terms that one span adds to its trace.
struct SearchTerms<'a> {
    facts: &'a Facts<'a>,
    name: &'a str,
    message: Option<&'a str>,
    model: Option<&'a str>,
    error: Option<&'a str>,
    service: Option<&'a str>,
    is_root: bool,
}

impl SearchTerms<'_> {
    fn facets(&self) -> Vec<(Facet, String)> {
        let facts = self.facts;
        let found = [
            (Facet::Name, Some(self.name)),
            (Facet::Agent, facts.text(Meaning::Agent)),
            (Facet::Tool, facts.text(Meaning::Tool)),
            (Facet::Model, self.model),
            (Facet::Error, self.error),
            (Facet::Service, self.service),
            (Facet::Text, self.message),
            (
                Facet::Text,
                facts.text(Meaning::Input).filter(|_| self.is_root),
            ),
            (Facet::Text, facts.text(Meaning::RetryReason)),
            (Facet::Text, facts.text(Meaning::HandoffReason)),
        ];
        let found = found
            .into_iter()
            .filter_map(|(facet, value)| Some((facet, value?.to_owned())));
        let versions = [
            (Meaning::AgentVersion, "agent"),
            (Meaning::PromptVersion, "prompt"),
            (Meaning::WorkflowVersion, "workflow"),
        ];
        let versions = versions.into_iter().filter_map(|(meaning, prefix)| {
            let version = facts.get(meaning)?;
            let version = version
                .as_str()
                .map_or_else(|| version.to_string(), str::to_owned);
            Some((Facet::Version, format!("{prefix}:{version}")))
        });
        found.chain(versions).collect()
    }
}
