//! Model calls that coding agents report as log events instead of spans.
//!
//! Such an event becomes a span as well, so that its tokens, cost, errors and duration count. An event that belongs
//! to a span does not, because the span has the same information.

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value::Value},
    logs::v1::LogRecord,
    trace::v1::{Span, Status, span::SpanKind, status::StatusCode},
};
use tollgate_model::{
    ids::{RunId, SpanId},
    settings::PricesConfig,
};

/// The attribute names of one kind of event.
struct ModelEvent {
    /// The value of `event.name`.
    name: &'static str,
    /// A condition: an attribute and its value.
    only_if: Option<(&'static str, &'static str)>,
    provider: &'static str,
    input: &'static str,
    output: &'static str,
    cached: &'static str,
    cache_write: &'static str,
    /// The cost in US dollars.
    cost: &'static str,
    /// The attribute with the error's text; set for events of failed calls.
    error: Option<&'static str>,
}

/// The attribute with the model, the same for all.
const MODEL: &str = "model";
const DURATION: &str = "duration_ms";

const CLAUDE: ModelEvent = ModelEvent {
    name: "api_request",
    only_if: None,
    provider: "anthropic",
    input: "input_tokens",
    output: "output_tokens",
    cached: "cache_read_tokens",
    cache_write: "cache_creation_tokens",
    cost: "cost_usd",
    error: None,
};
const CODEX: ModelEvent = ModelEvent {
    name: "codex.sse_event",
    only_if: Some(("event.kind", "response.completed")),
    provider: "openai",
    input: "input_token_count",
    output: "output_token_count",
    cached: "cached_token_count",
    cache_write: "",
    cost: "",
    error: None,
};
const GEMINI: ModelEvent = ModelEvent {
    name: "gemini_cli.api_response",
    provider: "gcp.gemini",
    cached: "cached_content_token_count",
    only_if: None,
    ..CODEX
};

/// Claude Code ("Monitoring", events), Codex ("config.md", otel) and Gemini CLI ("telemetry.md").
const EVENTS: &[ModelEvent] = &[
    CLAUDE,
    ModelEvent {
        name: "claude_code.api_request",
        ..CLAUDE
    },
    ModelEvent {
        name: "api_error",
        error: Some("error"),
        ..CLAUDE
    },
    ModelEvent {
        name: "claude_code.api_error",
        error: Some("error"),
        ..CLAUDE
    },
    CODEX,
    GEMINI,
    ModelEvent {
        name: "gemini_cli.api_error",
        error: Some("error"),
        ..GEMINI
    },
];

/// Attributes that name the session of an agent, the most specific first.
const SESSIONS: &[&str] = &[
    "session.id",
    "conversation.id",
    "gen_ai.conversation.id",
    "thread.id",
];
/// The longest name of a session, in bytes.
const MAX_SESSION: usize = 256;

/// The session that attributes name.
pub(super) fn session(attributes: &[KeyValue]) -> Option<&str> {
    let mut named = SESSIONS.iter().filter_map(|name| text(attributes, name));
    named.find(|name| !name.is_empty() && name.len() <= MAX_SESSION)
}

/// The event name of a log record.
pub(super) fn event_name(record: &LogRecord) -> &str {
    match record.event_name.as_str() {
        "" => text(&record.attributes, "event.name").unwrap_or_default(),
        name => name,
    }
}

/// The model call of a log record, as a span of `trace`.
pub(super) fn model_call(
    record: &LogRecord,
    trace: RunId,
    span: SpanId,
    session: &str,
    prices: &PricesConfig,
) -> Option<Span> {
    let attributes = &record.attributes;
    let name = event_name(record);
    let event = EVENTS.iter().find(|event| {
        event.name == name
            && event
                .only_if
                .is_none_or(|(name, value)| text(attributes, name) == Some(value))
    })?;
    let model = text(attributes, MODEL).unwrap_or_default();
    let end = match record.time_unix_nano {
        0 => record.observed_time_unix_nano,
        time => time,
    };
    let took = whole(attributes, DURATION).unwrap_or(0);
    Some(Span {
        trace_id: trace.as_bytes().to_vec(),
        span_id: span.as_bytes().to_vec(),
        name: format!("chat {model}").trim_end().to_owned(),
        kind: SpanKind::Client as i32,
        start_time_unix_nano: end.saturating_sub(took.saturating_mul(1_000_000)),
        end_time_unix_nano: end,
        attributes: conventional(event, attributes, session, prices),
        status: event.error.map(|name| Status {
            message: text(attributes, name).unwrap_or_default().to_owned(),
            code: StatusCode::Error as i32,
        }),
        ..Span::default()
    })
}

/// The attributes of an event under the names of the GenAI conventions.
fn conventional(
    event: &ModelEvent,
    attributes: &[KeyValue],
    session: &str,
    prices: &PricesConfig,
) -> Vec<KeyValue> {
    let count = |name| whole(attributes, name);
    // If an agent counts cache writes, its input tokens do not include cached tokens.
    let (cached, written) = (count(event.cached), count(event.cache_write));
    let input = count(event.input).map(|input| match event.cache_write.is_empty() {
        true => input,
        false => input
            .saturating_add(cached.unwrap_or(0))
            .saturating_add(written.unwrap_or(0)),
    });
    let numbers = [
        ("gen_ai.usage.input_tokens", input),
        ("gen_ai.usage.output_tokens", count(event.output)),
        ("gen_ai.usage.cache_read.input_tokens", cached),
        ("gen_ai.usage.cache_creation.input_tokens", written),
    ];
    let texts = [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", event.provider),
        (
            "gen_ai.request.model",
            text(attributes, MODEL).unwrap_or_default(),
        ),
        ("gen_ai.conversation.id", session),
    ];
    let texts = texts.map(|(name, text)| attribute(name, Value::StringValue(text.into())));
    let numbers = numbers
        .into_iter()
        .filter_map(|(name, n)| Some(attribute(name, Value::IntValue(i64::try_from(n?).ok()?))));
    // Agents report the cost in dollars.
    let in_dollars = matches!(prices.currency.as_str(), "" | "USD");
    let cost = number(attributes, event.cost)
        .filter(|_| in_dollars)
        .map(|cost| attribute("gen_ai.usage.cost", Value::DoubleValue(cost)));
    let class = event.error.map(|_| {
        let status = text(attributes, "status_code").unwrap_or("api_error");
        attribute("error.type", Value::StringValue(status.into()))
    });
    texts
        .into_iter()
        .chain(numbers)
        .chain(cost)
        .chain(class)
        .collect()
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn value<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a Value> {
    let found = attributes
        .iter()
        .find(|a| !name.is_empty() && a.key == name)?;
    found.value.as_ref()?.value.as_ref()
}

fn text<'a>(attributes: &'a [KeyValue], name: &str) -> Option<&'a str> {
    match value(attributes, name)? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

/// A number; agents also send it as text.
fn number(attributes: &[KeyValue], name: &str) -> Option<f64> {
    match value(attributes, name)? {
        Value::DoubleValue(n) => Some(*n),
        #[expect(clippy::cast_precision_loss, reason = "costs are small")]
        Value::IntValue(n) => Some(*n as f64),
        Value::StringValue(text) => text.parse().ok(),
        _ => None,
    }
}

/// A count; agents also send it as text.
fn whole(attributes: &[KeyValue], name: &str) -> Option<u64> {
    match value(attributes, name)? {
        Value::IntValue(n) => u64::try_from(*n).ok(),
        Value::StringValue(text) => text.parse().ok(),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between 0 and 10^15"
        )]
        Value::DoubleValue(n) => (0.0..=1e15).contains(n).then_some(*n as u64),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
