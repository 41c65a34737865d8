//! A collector that does what it is told to: takes, refuses, rejects, hangs, lies.

use std::{
    collections::BTreeSet,
    io::Read as _,
    sync::{Arc, Mutex},
    time::Duration,
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
use tokio_util::sync::CancellationToken;
use tollgate::config::TlsConfig;
use tollgate_server::{http, tls::Tls};

/// Where spans are sent to by gRPC.
const GRPC: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// `google.rpc.Status` with a `google.rpc.RetryInfo` of two seconds, in base64.
const IN_TWO_SECONDS: &str =
    "CAgaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIIAg";

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
    /// It refuses every span, but is well otherwise.
    RefusesSpans,
    /// As [`Self::RefusesTrap`], and it takes no empty requests either.
    RefusesTrapAndNothing,
    /// It is asked too much, and says when to come again: by gRPC as a status that may also be for good.
    Throttles,
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
        Self::serve(mood, None)
    }

    /// One that is reached by TLS only.
    pub(crate) async fn encrypted(mood: Mood, files: &TlsConfig) -> Self {
        Self::serve(mood, Some(Tls::load(files).unwrap()))
    }

    fn serve(mood: Mood, tls: Option<Tls>) -> Self {
        let listener = http::listen("127.0.0.1:0".parse().unwrap(), true).unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let port = listener.local_addr().unwrap().port();
        let collector = Self {
            mood: Arc::new(Mutex::new(mood)),
            seen: Arc::default(),
            url: format!("{scheme}://localhost:{port}"),
        };
        let router = Router::new()
            .route("/v1/traces", post(take))
            .route(GRPC, post(take_by_grpc))
            .with_state(collector.clone());
        tokio::spawn(async move {
            let until = CancellationToken::new();
            http::serve(listener, router, tls.as_ref(), until, Duration::ZERO)
                .await
                .unwrap();
        });
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
    let plain = match headers.get("content-encoding") {
        Some(_) => unzipped(&body),
        None => body.to_vec(),
    };
    match judged(&collector, &headers, &plain).await {
        Ok(answer) => protobuf(answer),
        Err(status) if status == StatusCode::OK => {
            (status, "<html>all is well</html>").into_response()
        }
        Err(status) => status.into_response(),
    }
}

async fn take_by_grpc(
    State(collector): State<Collector>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // One message: whether it is compressed, its length, and itself.
    let plain = match body[0] {
        0 => body[5..].to_vec(),
        _ => unzipped(&body[5..]),
    };
    let kind = ("content-type", "application/grpc");
    match judged(&collector, &headers, &plain).await {
        Ok(answer) => {
            let length = u32::try_from(answer.len()).unwrap().to_be_bytes();
            let framed = [&[0], &length[..], &answer].concat();
            ([kind, ("grpc-status", "0")], framed).into_response()
        }
        Err(StatusCode::TOO_MANY_REQUESTS) => {
            let why = ("grpc-status-details-bin", IN_TWO_SECONDS);
            [kind, ("grpc-status", "8"), why].into_response()
        }
        Err(_) => [kind, ("grpc-status", "3")].into_response(),
    }
}

fn unzipped(zipped: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(zipped)
        .read_to_end(&mut plain)
        .unwrap();
    plain
}

/// What it answers, or with which status it refuses.
async fn judged(
    collector: &Collector,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Vec<u8>, StatusCode> {
    let mood = *collector.mood.lock().unwrap();
    let request = ExportTraceServiceRequest::decode(body).unwrap();
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
    let trap = |span: &Span| span.name == "execute_tool hostile__trap";
    let answer = match mood {
        Mood::Hangs => std::future::pending().await,
        Mood::Answers(status) => return Err(status),
        Mood::Lies => return Err(StatusCode::OK),
        Mood::Throttles => return Err(StatusCode::TOO_MANY_REQUESTS),
        Mood::Exaggerates => return Ok(rejecting(count + 1).encode_to_vec()),
        Mood::TakesFew(most) if spans.len() > most => return Err(StatusCode::PAYLOAD_TOO_LARGE),
        Mood::RefusesSpans if !spans.is_empty() => return Err(StatusCode::BAD_REQUEST),
        Mood::RefusesTrap | Mood::RefusesTrapAndNothing if spans.iter().any(trap) => {
            return Err(StatusCode::BAD_REQUEST);
        }
        Mood::RefusesTrapAndNothing if spans.is_empty() => return Err(StatusCode::BAD_REQUEST),
        Mood::RejectsOne => rejecting(1),
        _ => ExportTraceServiceResponse::default(),
    };
    let mut seen = collector.seen.lock().unwrap();
    seen.spans.extend(spans);
    seen.requests.push(request);
    seen.headers = Some(headers.clone());
    Ok(answer.encode_to_vec())
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
