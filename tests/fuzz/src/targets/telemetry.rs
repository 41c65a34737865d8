//! OTLP, as senders write it.

use std::{borrow::Cow, fmt::Debug};

use opentelemetry_proto::tonic::{
    collector::{logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{AnyValue, KeyValue, any_value},
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message as _;
use serde_json::{Map, Value};
use tollgate_model::{
    capture::{AttributeFilter, Redactor},
    settings::PricesConfig,
    time::Timestamp,
};
use tollgate_trace::ingest::{
    DecodeError, Format, MetricsRequest, Sender, Signal, decode, logs, metrics, spans,
};

use super::{PACKAGE, is_readable, texts};
use crate::Target;

/// Keeps everything.
struct Everything;

impl Redactor for Everything {
    fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        Cow::Borrowed(text)
    }
}

impl AttributeFilter for Everything {
    fn attributes(&self, attributes: Map<String, Value>) -> Map<String, Value> {
        attributes
    }

    fn attribute(&self, _name: &str, value: Value) -> Option<Value> {
        Some(value)
    }
}

pub(super) const OTLP_JSON: Target = Target {
    name: "otlp_json",
    package: PACKAGE,
    corpus: || {
        texts(&[
            r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"bot"}}]},"scopeSpans":[{"scope":{"name":"s"},"spans":[{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7","name":"chat","kind":3,"startTimeUnixNano":"1795428000000000000","endTimeUnixNano":1795428000500000000,"attributes":[{"key":"gen_ai.usage.input_tokens","value":{"intValue":12}}],"status":{"code":2}}]}]}]}"#,
            r#"{"resource_spans":[{"scope_spans":[{"spans":[{"trace_id":"S/kvNXezTaajzpKdDg5HNg==","span_id":"APBnqgupArc=","kind":"SPAN_KIND_CLIENT","events":[{"name":"e","attributes":[]}],"links":[],"status":{"code":"STATUS_CODE_ERROR"}}]}]}]}"#,
            r#"{"resourceSpans":[{"instrumentationLibrarySpans":[{"spans":[{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"zz","attributes":[{"key":"a","value":{"arrayValue":{"values":[{"doubleValue":"NaN"},{"kvlistValue":{"values":[]}}]}}}]}]}]}]}"#,
            r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"agent"}}]},"scopeLogs":[{"logRecords":[{"timeUnixNano":"1795428000000000000","body":{"stringValue":"api_request"},"attributes":[{"key":"session.id","value":{"stringValue":"s-1"}},{"key":"input_tokens","value":{"stringValue":"30"}},{"key":"cost_usd","value":{"doubleValue":0.01}}]}]}]}]}"#,
            r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"tokens","sum":{"dataPoints":[{"asDouble":1200}]}}]}]}]}"#,
            r#"{"resourceSpans":null,"futureMember":1}"#,
        ])
    },
    variants: 600,
    check: otlp_json,
};

pub(super) const OTLP_PROTOBUF: Target = Target {
    name: "otlp_protobuf",
    package: PACKAGE,
    corpus: protobuf_corpus,
    variants: 1_500,
    check: otlp_protobuf,
};

fn protobuf_corpus() -> Vec<Vec<u8>> {
    let mut corpus: Vec<Vec<u8>> = (OTLP_JSON.corpus)()
        .iter()
        .filter_map(|json| decode::<ExportTraceServiceRequest>(json, Format::Json).ok())
        .map(|request| request.encode_to_vec())
        .collect();
    let mut deep = any_value::Value::StringValue("x".into());
    for _ in 0..20 {
        let values = vec![AnyValue { value: Some(deep) }];
        deep = any_value::Value::ArrayValue(opentelemetry_proto::tonic::common::v1::ArrayValue {
            values,
        });
    }
    let attribute = KeyValue {
        key: "deep".into(),
        value: Some(AnyValue { value: Some(deep) }),
        ..KeyValue::default()
    };
    let span = Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        attributes: vec![attribute],
        ..Span::default()
    };
    let scope = ScopeSpans {
        spans: vec![span],
        ..ScopeSpans::default()
    };
    let resource = ResourceSpans {
        scope_spans: vec![scope],
        ..ResourceSpans::default()
    };
    corpus.push(
        ExportTraceServiceRequest {
            resource_spans: vec![resource],
        }
        .encode_to_vec(),
    );
    corpus
}

fn sender() -> Sender {
    Sender {
        tenant: "default".into(),
        name: "Tollgate::Agent::\"support\"".into(),
    }
}

fn take_traces(request: ExportTraceServiceRequest) {
    let batch = spans(request, &sender(), &PricesConfig::default(), &Everything);
    assert!(
        batch
            .traces()
            .iter()
            .all(|trace| trace.as_bytes() != &[0; 16])
    );
}

fn take_logs(request: ExportLogsServiceRequest) {
    let now = Timestamp(1_795_428_000_000_000);
    drop(logs(
        request,
        &sender(),
        &PricesConfig::default(),
        &Everything,
        now,
    ));
}

/// What is read is the same after it was written, in both forms; a refusal says why.
fn read<S: Signal + Debug>(input: &[u8], format: Format) -> Option<S> {
    match decode::<S>(input, format) {
        Ok(read) => {
            let bytes = read.encode_to_vec();
            match decode::<S>(&bytes, Format::Protobuf) {
                Ok(again) => assert_eq!(again.encode_to_vec(), bytes),
                // The bound of one form is not that of the other.
                Err(error) => is_readable(&error.to_string(), 2_000),
            }
            Some(read)
        }
        Err(error) => {
            is_readable(&error.to_string(), 2_000);
            None
        }
    }
}

fn otlp_json(input: &[u8]) {
    if let Some(request) = read::<ExportTraceServiceRequest>(input, Format::Json) {
        take_traces(request);
    }
    if let Some(request) = read::<ExportLogsServiceRequest>(input, Format::Json) {
        take_logs(request);
    }
    if let Some(request) = read::<MetricsRequest>(input, Format::Json) {
        drop(metrics(&request));
    }
    let tail = format!("{}x", String::from_utf8_lossy(input));
    let refused = decode::<ExportTraceServiceRequest>(tail.as_bytes(), Format::Json);
    assert!(refused.is_err(), "what follows a message is not overlooked");
}

fn otlp_protobuf(input: &[u8]) {
    if let Some(request) = read::<ExportTraceServiceRequest>(input, Format::Protobuf) {
        take_traces(request);
    }
    if let Some(request) = read::<ExportLogsServiceRequest>(input, Format::Protobuf) {
        take_logs(request);
    }
    if let Err(DecodeError::Malformed(_, why)) = decode::<MetricsRequest>(input, Format::Protobuf) {
        is_readable(&why, 2_000);
    }
}
