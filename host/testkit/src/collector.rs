//! An OTLP collector that takes, refuses, rejects, hangs or lies, as a test wants.

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

/// The gRPC path of spans.
const GRPC: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// `google.rpc.Status` with a `google.rpc.RetryInfo` of two seconds, in base64.
const IN_TWO_SECONDS: &str =
    "CAgaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIIAg";

/// What the collector does with requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// It takes everything.
    Takes,
    /// It does not answer.
    Hangs,
    /// It answers with this status.
    Answers(StatusCode),
    /// It is not a collector, but answers that all is well.
    Lies,
    /// It reports more rejected spans than there were.
    Exaggerates,
    /// It rejects one span of each request.
    RejectsOne,
    /// It refuses each request that has the span of `hostile__trap`.
    RefusesTrap,
    /// It takes at most this number of spans at once.
    TakesFew(usize),
    /// It refuses each request that has spans.
    RefusesSpans,
    /// The same as [`Self::RefusesTrap`], and it refuses empty requests.
    RefusesTrapAndNothing,
    /// It throttles, and says for how long: two seconds. By gRPC this is a status that may also be final.
    Throttles,
}

/// What the collector has taken.
#[derive(Debug, Default)]
pub struct CollectorLog {
    /// All spans, in order.
    pub spans: Vec<Span>,
    /// The requests.
    pub requests: Vec<ExportTraceServiceRequest>,
    /// Header fields of the last request.
    pub headers: Option<HeaderMap>,
}

/// A running collector.
#[derive(Debug, Clone)]
pub struct Collector {
    behaviour: Arc<Mutex<Behaviour>>,
    seen: Arc<Mutex<CollectorLog>>,
    /// Where exporters send to.
    pub url: String,
}

impl Collector {
    /// Starts one.
    pub async fn start(behaviour: Behaviour) -> Self {
        Self::serve(behaviour, None)
    }

    /// Starts one that listens by TLS only.
    pub async fn encrypted(behaviour: Behaviour, files: &TlsConfig) -> Self {
        Self::serve(behaviour, Some(Tls::load(files).unwrap()))
    }

    fn serve(behaviour: Behaviour, tls: Option<Tls>) -> Self {
        let listener = http::listen("127.0.0.1:0".parse().unwrap(), true).unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let port = listener.local_addr().unwrap().port();
        let collector = Self {
            behaviour: Arc::new(Mutex::new(behaviour)),
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

    /// From now on, it behaves like this.
    pub fn is(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }

    /// Looks at what it has taken.
    pub fn seen<T>(&self, look: impl FnOnce(&CollectorLog) -> T) -> T {
        look(&self.seen.lock().unwrap())
    }

    /// Ids of the spans that it has taken.
    pub fn ids(&self) -> BTreeSet<Vec<u8>> {
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

/// The answer, or the status of a refusal.
async fn judged(
    collector: &Collector,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Vec<u8>, StatusCode> {
    let behaviour = *collector.behaviour.lock().unwrap();
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
    let answer = match behaviour {
        Behaviour::Hangs => std::future::pending().await,
        Behaviour::Answers(status) => return Err(status),
        Behaviour::Lies => return Err(StatusCode::OK),
        Behaviour::Throttles => return Err(StatusCode::TOO_MANY_REQUESTS),
        Behaviour::Exaggerates => return Ok(rejecting(count + 1).encode_to_vec()),
        Behaviour::TakesFew(most) if spans.len() > most => {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        Behaviour::RefusesSpans if !spans.is_empty() => return Err(StatusCode::BAD_REQUEST),
        Behaviour::RefusesTrap | Behaviour::RefusesTrapAndNothing if spans.iter().any(trap) => {
            return Err(StatusCode::BAD_REQUEST);
        }
        Behaviour::RefusesTrapAndNothing if spans.is_empty() => {
            return Err(StatusCode::BAD_REQUEST);
        }
        Behaviour::RejectsOne => rejecting(1),
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
pub fn attribute(attributes: &[KeyValue], name: &str) -> Option<String> {
    let found = attributes.iter().find(|a| a.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::BoolValue(flag) => Some(flag.to_string()),
        Value::IntValue(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    }
}
