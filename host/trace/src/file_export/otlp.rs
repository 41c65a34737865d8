//! OTLP's JSON encoding (OTLP specification, "JSON Protobuf Encoding"): ids in hexadecimal, 64-bit integers
//! as text, enumerations as numbers.

use serde_json::{Map, Value, json};
use tollgate_model::time::Timestamp;

use crate::store::{Attributes, StoredSpan};

/// The deepest nesting of values; deeper values become text.
const MAX_DEPTH: usize = 16;

/// The spans as an `ExportTraceServiceRequest`. Consecutive spans of one resource and scope are grouped.
#[must_use]
pub fn otlp(spans: &[StoredSpan]) -> Value {
    let mut resources: Vec<Value> = Vec::new();
    let groups = spans.chunk_by(|a, b| a.resource == b.resource && a.scope == b.scope);
    for group in groups {
        let Some(first) = group.first() else { continue };
        let named = |name: &str| first.scope.get(name).cloned().unwrap_or(json!("tollgate"));
        let mut scope = json!({ "name": named("name") });
        if let (Some(version), Some(scope)) = (first.scope.get("version"), scope.as_object_mut()) {
            scope.insert("version".into(), version.clone());
        }
        let mut resource = (*first.resource).clone();
        if !resource.contains_key("service.name") {
            resource.insert("service.name".into(), "tollgate".into());
        }
        resources.push(json!({
            "resource": { "attributes": attributes(&resource) },
            "scopeSpans": [{
                "scope": scope,
                "spans": group.iter().map(span).collect::<Vec<_>>(),
            }],
        }));
    }
    json!({ "resourceSpans": resources })
}

fn nanos(at: Timestamp) -> String {
    i128::from(at.0.max(0)).saturating_mul(1000).to_string()
}

fn span(span: &StoredSpan) -> Value {
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| drop(out.insert(name.into(), value));
    put("traceId", span.trace.to_string().into());
    put("spanId", span.span.to_string().into());
    if let Some(parent) = span.parent {
        put("parentSpanId", parent.to_string().into());
    }
    if !span.body.state.is_empty() {
        put("traceState", span.body.state.clone().into());
    }
    put("name", span.name.clone().into());
    // Span.SpanKind of opentelemetry/proto/trace/v1/trace.proto. The kinds of the gate's own spans are in
    // their attributes.
    let kind = match span.kind.as_str() {
        "server" => 2,
        "client" => 3,
        "producer" => 4,
        "consumer" => 5,
        _ => 1,
    };
    put("kind", kind.into());
    put("startTimeUnixNano", nanos(span.start).into());
    put(
        "endTimeUnixNano",
        nanos(span.end.unwrap_or(span.start)).into(),
    );
    put("attributes", attributes(&span.body.attributes));
    let events = span.body.events.iter().map(event).collect::<Vec<_>>();
    if !events.is_empty() {
        put("events", events.into());
    }
    let links = span.body.links.iter().map(link).collect::<Vec<_>>();
    if !links.is_empty() {
        put("links", links.into());
    }
    if span.error.is_some() {
        put("status", json!({ "code": 2, "message": span.body.message }));
    }
    Value::Object(out)
}

fn part<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

fn own(value: &Value) -> Value {
    match part(value, "attributes") {
        Value::Object(map) => attributes(map),
        _ => json!([]),
    }
}

fn event(event: &Value) -> Value {
    let time = part(event, "time").as_i64().map(Timestamp);
    json!({
        "timeUnixNano": nanos(time.unwrap_or(Timestamp(0))),
        "name": part(event, "name"),
        "attributes": own(event),
    })
}

fn link(link: &Value) -> Value {
    json!({
        "traceId": part(link, "trace"),
        "spanId": part(link, "span"),
        "attributes": own(link),
    })
}

/// `KeyValue`s.
fn attributes(attributes: &Attributes) -> Value {
    let each = attributes.iter();
    each.map(|(key, value)| json!({ "key": key, "value": any(value, 0) }))
        .collect()
}

/// An `AnyValue`.
fn any(value: &Value, depth: usize) -> Value {
    match value {
        _ if depth > MAX_DEPTH => json!({ "stringValue": value.to_string() }),
        Value::Null => json!({}),
        Value::Bool(b) => json!({ "boolValue": b }),
        Value::Number(n) if n.is_i64() => json!({ "intValue": n.to_string() }),
        Value::Number(n) => json!({ "doubleValue": n }),
        Value::String(text) => json!({ "stringValue": text }),
        Value::Array(values) => {
            let values: Vec<Value> = values.iter().map(|v| any(v, depth + 1)).collect();
            json!({ "arrayValue": { "values": values } })
        }
        Value::Object(map) => {
            let values: Vec<Value> = map
                .iter()
                .map(|(key, value)| json!({ "key": key, "value": any(value, depth + 1) }))
                .collect();
            json!({ "kvlistValue": { "values": values } })
        }
    }
}
