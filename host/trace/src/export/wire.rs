//! Converts spans to OTLP, by profile. What may be exported was decided before.

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value},
    resource::v1::Resource,
    trace::v1::{
        ResourceSpans, ScopeSpans, Span as OtlpSpan, Status, span::Event as OtlpEvent,
        span::Link as OtlpLink, span::SpanKind as OtlpKind, status::StatusCode,
    },
};
use serde_json::Value;
use tollgate_model::{
    ids::RunId,
    settings::{ExportConfig, ExportProfile},
    span::{
        OtelKind, Span, SpanKind,
        names::{attribute as a, openinference, resource},
    },
    time::Timestamp,
};

use super::Source;

/// The longest text, in bytes.
const MAX_TEXT: usize = 8 << 10;
/// Attributes with text from outside, which could contain a secret.
const WORDS: &[&str] = &[
    a::AGENT_VERSION,
    a::APPROVAL_REASON,
    a::CAPABILITY_ERROR,
    a::CONVERSATION_ID,
    a::FILE_PATH,
    a::HTTP_METHOD,
    a::LOG_MESSAGE,
    a::MCP_PROTOCOL,
    a::MCP_SESSION,
    a::PROMPT_VERSION,
    a::RUN_KEY,
    a::RUN_STOP_REASON,
    a::RUN_TASK_TYPE,
    a::SERVER_ADDRESS,
    a::SESSION_ID,
    a::TOOL_CALL_ID,
    a::TOOL_NAME,
    a::URL_FULL,
    a::VALIDATION_POINTERS,
    a::WORKFLOW_VERSION,
];
/// Sampled, and it is known whether the parent is remote (`SpanFlags`).
const FLAGS: u32 = 0x101;
/// The parent is remote.
const REMOTE: u32 = 0x200;

/// A finished span in OTLP.
pub(super) fn span(run: RunId, span: Span, source: &Source, profile: ExportProfile) -> OtlpSpan {
    let kind = match span.otel {
        OtelKind::Internal => OtlpKind::Internal,
        OtelKind::Server => OtlpKind::Server,
        OtelKind::Client => OtlpKind::Client,
    };
    let status = span.error.map(|error| Status {
        message: error.into(),
        code: StatusCode::Error.into(),
    });
    let remote = span.parent.is_some_and(|parent| {
        let caller = span.attribute(a::CALLER_SPAN_ID).and_then(Value::as_str);
        caller.is_some_and(|caller| *caller == parent.to_string())
    });
    let events = span.events.iter().map(|event| OtlpEvent {
        time_unix_nano: nanos(event.time),
        name: event.name.into(),
        attributes: attributes(event.attributes.iter(), source),
        dropped_attributes_count: 0,
    });
    let links = span.links.iter().map(|link| OtlpLink {
        trace_id: link.trace.as_bytes().to_vec(),
        span_id: link.span.as_bytes().to_vec(),
        flags: FLAGS,
        ..OtlpLink::default()
    });
    OtlpSpan {
        trace_id: run.as_bytes().to_vec(),
        span_id: span.id.as_bytes().to_vec(),
        trace_state: String::new(),
        parent_span_id: span
            .parent
            .map(|parent| parent.as_bytes().to_vec())
            .unwrap_or_default(),
        flags: FLAGS | if remote { REMOTE } else { 0 },
        name: source.redact(span.otel_name()).into_owned(),
        kind: kind.into(),
        start_time_unix_nano: nanos(span.start),
        end_time_unix_nano: nanos(span.end.unwrap_or(span.start).max(span.start)),
        attributes: all_attributes(&span, source, profile),
        events: events.collect(),
        dropped_events_count: span.dropped_events,
        links: links.collect(),
        status,
        ..OtlpSpan::default()
    }
}

fn all_attributes(span: &Span, source: &Source, profile: ExportProfile) -> Vec<KeyValue> {
    let mut all = attributes(span.attributes.iter(), source);
    let named = |name| span.attribute(name).and_then(Value::as_str);
    let tool = named(a::TOOL_NAME);
    let description = tool.and_then(|tool| source.settings.descriptions.get(tool));
    if let Some(description) = description {
        all.push(text(a::TOOL_DESCRIPTION, description));
    }
    if profile == ExportProfile::Openinference {
        all.push(text(openinference::SPAN_KIND, span.kind.openinference()));
        match (span.kind, tool, named(a::AGENT_NAME)) {
            (SpanKind::ExecuteTool, Some(tool), _) => {
                all.push(text(openinference::TOOL_NAME, &source.redact(tool)));
                all.extend(description.map(|d| text(openinference::TOOL_DESCRIPTION, d)));
            }
            (SpanKind::InvokeAgent, _, Some(agent)) => {
                all.push(text(openinference::AGENT_NAME, agent));
            }
            _ => {}
        }
    }
    all
}

fn attributes<'a>(
    attributes: impl Iterator<Item = &'a (&'static str, Value)>,
    source: &Source,
) -> Vec<KeyValue> {
    let one = |(name, value): &(&'static str, Value)| {
        let value = match value {
            words if WORDS.contains(name) => clean(words, source),
            other => any_of(other),
        };
        pair(name, value)
    };
    attributes.map(one).collect()
}

/// A text, or a list of texts, without secrets.
fn clean(words: &Value, source: &Source) -> AnyValue {
    let text = |text: &str| any(any_value::Value::StringValue(cut(&source.redact(text))));
    match words {
        Value::String(words) => text(words),
        Value::Array(items) => any(any_value::Value::ArrayValue(ArrayValue {
            values: items.iter().map(|item| clean(item, source)).collect(),
        })),
        other => any_of(other),
    }
}

fn pair(name: &str, value: AnyValue) -> KeyValue {
    KeyValue {
        key: name.into(),
        value: Some(value),
        ..KeyValue::default()
    }
}

fn text(name: &str, value: &str) -> KeyValue {
    pair(name, any(any_value::Value::StringValue(value.into())))
}

fn any(value: any_value::Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn any_of(value: &Value) -> AnyValue {
    use any_value::Value as V;
    any(match value {
        Value::Bool(flag) => V::BoolValue(*flag),
        Value::String(text) => V::StringValue(cut(text)),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => V::IntValue(whole),
            // Beyond the range of integers in OTLP.
            None => V::DoubleValue(number.as_f64().unwrap_or_default()),
        },
        Value::Array(items) => V::ArrayValue(ArrayValue {
            values: items.iter().map(any_of).collect(),
        }),
        Value::Null | Value::Object(_) => V::StringValue(cut(&value.to_string())),
    })
}

fn cut(text: &str) -> String {
    if text.len() <= MAX_TEXT {
        return text.to_owned();
    }
    let mut end = MAX_TEXT;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

/// A request with spans and their resource.
pub(super) fn request(
    spans: Vec<OtlpSpan>,
    source: &Source,
    export: &ExportConfig,
) -> ExportTraceServiceRequest {
    let settings = &source.settings;
    let mut own = vec![
        text(resource::SERVICE_NAME, &settings.service),
        text(resource::SERVICE_VERSION, env!("CARGO_PKG_VERSION")),
        text(resource::DEPLOYMENT_ENVIRONMENT, &settings.environment),
    ];
    let given = export.resource.iter();
    own.extend(given.map(|(name, value)| text(name, value)));
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes: own,
                ..Resource::default()
            }),
            scope_spans: vec![ScopeSpans {
                scope: Some(InstrumentationScope {
                    name: resource::SCOPE.into(),
                    version: env!("CARGO_PKG_VERSION").into(),
                    ..InstrumentationScope::default()
                }),
                spans,
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

fn nanos(time: Timestamp) -> u64 {
    u64::try_from(time.0).unwrap_or(0).saturating_mul(1000)
}
