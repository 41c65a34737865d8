//! A collector that does what it is told to: takes, refuses, rejects, hangs, lies.

use std::{
    collections::BTreeSet,
    io::Read as _,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message as _;

/// What the collector does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Takes,
    Hangs,
    Answers(StatusCode),
    /// It is no collector, but says that all is well.
    Lies,
    /// It says that it rejected more than there was.
    Exaggerates,
    /// It rejects one span of each request.
    RejectsOne,
    /// It refuses every request in which there is a span of this name.
    RefusesTrap,
    /// It takes no more than so many spans at once.
    TakesFew(usize),
}

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) spans: Vec<Span>,
    pub(crate) requests: Vec<ExportTraceServiceRequest>,
    pub(crate) headers: Option<HeaderMap>,
}

#[derive(Clone)]
pub(crate) struct Collector {
    mood: Arc<Mutex<Mood>>,
    seen: Arc<Mutex<Seen>>,
    pub(crate) url: String,
}

impl Collector {
    pub(crate) async fn start(mood: Mood) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let collector = Self {
            mood: Arc::new(Mutex::new(mood)),
            seen: Arc::default(),
            url: format!("http://{}", listener.local_addr().unwrap()),
        };
        let router = Router::new()
            .route("/v1/traces", post(take))
            .with_state(collector.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        collector
    }

    pub(crate) fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(crate) fn seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock().unwrap())
    }

    /// Ids of the spans that it has taken.
    pub(crate) fn ids(&self) -> BTreeSet<Vec<u8>> {
        self.seen(|seen| seen.spans.iter().map(|s| s.span_id.clone()).collect())
    }
}

async fn take(State(collector): State<Collector>, headers: HeaderMap, body: Bytes) -> Response {
    let mood = *collector.mood.lock().unwrap();
    let mut plain = Vec::new();
    match headers.get("content-encoding") {
        Some(_) => {
            flate2::read::GzDecoder::new(&body[..])
                .read_to_end(&mut plain)
                .unwrap();
        }
        None => plain = body.to_vec(),
    }
    let request = ExportTraceServiceRequest::decode(&plain[..]).unwrap();
    let spans: Vec<Span> = request
        .resource_spans
        .iter()
        .flat_map(|r| &r.scope_spans)
        .flat_map(|s| s.spans.clone())
        .collect();
    let count = i64::try_from(spans.len()).unwrap();
    let rejecting = |rejected_spans| ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans,
            error_message: "no".into(),
        }),
    };
    let answer = match mood {
        Mood::Takes => ExportTraceServiceResponse::default(),
        Mood::Hangs => std::future::pending().await,
        Mood::Answers(status) => return status.into_response(),
        Mood::Lies => return (StatusCode::OK, "<html>all is well</html>").into_response(),
        Mood::Exaggerates => {
            let answer = rejecting(count + 1).encode_to_vec();
            return protobuf(answer);
        }
        Mood::RejectsOne => rejecting(1),
        Mood::RefusesTrap => {
            let trap = |span: &Span| span.name == "execute_tool hostile__trap";
            if spans.iter().any(trap) {
                return StatusCode::BAD_REQUEST.into_response();
            }
            ExportTraceServiceResponse::default()
        }
        Mood::TakesFew(most) if spans.len() > most => {
            return StatusCode::PAYLOAD_TOO_LARGE.into_response();
        }
        Mood::TakesFew(_) => ExportTraceServiceResponse::default(),
    };
    let mut seen = collector.seen.lock().unwrap();
    seen.spans.extend(spans);
    seen.requests.push(request);
    seen.headers = Some(headers);
    protobuf(answer.encode_to_vec())
}

fn protobuf(body: Vec<u8>) -> Response {
    ([("content-type", "application/x-protobuf")], body).into_response()
}

/// An attribute as text.
pub(crate) fn attribute(attributes: &[KeyValue], name: &str) -> Option<String> {
    let found = attributes.iter().find(|a| a.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::BoolValue(flag) => Some(flag.to_string()),
        Value::IntValue(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    }
}
