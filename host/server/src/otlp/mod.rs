//! OTLP intake: traces and logs that agents report about themselves, over HTTP and gRPC.
//!
//! The sender is the caller that [`crate::auth`] has authenticated. Its reports are stored under its name and are
//! not trusted. Acknowledged data is durable. Data that is not stored is counted in the answer, with the reason.

mod grpc;
mod usage_feed;
mod web;

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body, routing::post};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use opentelemetry_proto::tonic::collector::{
    logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse},
    trace::v1::{ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse},
};
use prost::Message;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tollgate::{
    config::RequestChannel,
    enforce::{CallOptions, UserRequest},
    gate::Gate,
    identity::{Caller, RunKey},
};
use tollgate_model::{record::Origin, time::Timestamp};
use tollgate_trace::{
    ingest::{
        self, BodyError, DecodeError, Encoding, Format, IngestBatch, MetricsRequest,
        PartialSuccess, ReportedRequest, Sender, Signal,
    },
    store::{Store, StoreError},
};

use self::usage_feed::UsageFeed;
pub use self::usage_feed::recall;
use crate::{
    auth::{
        AuthenticatedCaller,
        concurrency::{ConcurrencyLimit, ConcurrencyPermit},
    },
    limits::SLOWEST,
};

/// The paths for traces and logs over HTTP (OTLP specification, "OTLP/HTTP Request").
const TRACES: &str = "/v1/traces";
const LOGS: &str = "/v1/logs";
const METRICS: &str = "/v1/metrics";
/// The paths over gRPC.
const GRPC_TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const GRPC_LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
const GRPC_METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// The interval of the deletion of old reports.
const HOUR: Duration = Duration::from_secs(3600);
/// Requests of one sender at once, from their bodies until they are stored.
const MAX_REQUESTS_OF_SENDER: usize = 4;
/// Messages of all senders that are unpacked and stored at once: each may take a hundred times the memory of
/// its body. A sender that is slow with its body takes none of these places.
const MAX_MESSAGES: usize = 8;
/// How long a message waits for its place.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest body as sent, in bytes.
const MAX_BODY: usize = ingest::MAX_BODY;

/// Whether a path is one of these routes.
pub(crate) fn is_otlp(path: &str) -> bool {
    [TRACES, LOGS, METRICS, GRPC_TRACES, GRPC_LOGS, GRPC_METRICS].contains(&path)
}

/// The state of the handlers.
#[derive(Debug)]
struct Intake {
    gate: Gate,
    store: Store,
    senders: Arc<ConcurrencyLimit>,
    messages: Arc<Semaphore>,
    usage_feed: Arc<UsageFeed>,
}

/// A request's body, and its places among its sender's and among all.
struct RequestBody {
    bytes: Bytes,
    places: (ConcurrencyPermit, OwnedSemaphorePermit),
}

/// The routes, for [`crate::auth::protect`].
pub fn routes(gate: &Gate, store: &Store) -> Router {
    let intake = Arc::new(Intake {
        gate: gate.clone(),
        store: store.clone(),
        senders: ConcurrencyLimit::new(MAX_REQUESTS_OF_SENDER),
        messages: Arc::new(Semaphore::new(MAX_MESSAGES)),
        usage_feed: Arc::new(UsageFeed::new(gate, store)),
    });
    Router::new()
        .route(TRACES, post(web::export::<ExportTraceServiceRequest>))
        .route(LOGS, post(web::export::<ExportLogsServiceRequest>))
        .route(METRICS, post(web::export::<MetricsRequest>))
        .route(GRPC_TRACES, post(grpc::export::<ExportTraceServiceRequest>))
        .route(GRPC_LOGS, post(grpc::export::<ExportLogsServiceRequest>))
        .route(GRPC_METRICS, post(grpc::export::<MetricsRequest>))
        .with_state(intake)
}

/// Why a request was not stored.
#[derive(Debug, thiserror::Error)]
enum IntakeError {
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("others are reporting; try again in a second")]
    Busy,
    #[error("you have {MAX_REQUESTS_OF_SENDER} open requests; wait for their answers")]
    TooMany,
    #[error("the body took too long; send less at once")]
    Slow,
    #[error("a body has at most {MAX_BODY} bytes; send less at once")]
    Long,
    #[error("the body ended early")]
    Short,
    #[error("the request could not be read")]
    Broken,
}

impl IntakeError {
    /// Whether the client should send the same request again.
    fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Store(_) | Self::Busy | Self::TooMany | Self::Broken
        )
    }

    fn is_too_large(&self) -> bool {
        matches!(
            self,
            Self::Long | Self::Body(BodyError::TooLarge) | Self::Decode(DecodeError::TooMany)
        )
    }
}

/// A signal of OTLP with its response.
trait ExportSignal: Signal + 'static {
    /// The JSON field of the response that counts rejected items.
    const REJECTED: &'static str;

    /// Converts the message for storing. This may take long.
    fn read(self, intake: &Intake, sender: &Sender, now: Timestamp) -> IngestBatch;

    /// What the message tells of users' requests.
    fn user_requests(&self) -> Vec<ReportedRequest> {
        Vec::new()
    }

    /// The response as a protobuf message.
    fn answer(answer: PartialSuccess) -> Vec<u8>;
}

impl ExportSignal for ExportTraceServiceRequest {
    const REJECTED: &'static str = "rejectedSpans";

    fn read(self, intake: &Intake, sender: &Sender, _: Timestamp) -> IngestBatch {
        let ruleset = intake.gate.ruleset();
        let capturing = intake.gate.capturing(None);
        ingest::spans(self, sender, &ruleset.config.prices, &capturing)
    }

    fn user_requests(&self) -> Vec<ReportedRequest> {
        ingest::user_requests(self)
    }

    fn answer(answer: PartialSuccess) -> Vec<u8> {
        let partial_success = partial(answer).map(|answer| ExportTracePartialSuccess {
            rejected_spans: answer.rejected,
            error_message: answer.message,
        });
        ExportTraceServiceResponse { partial_success }.encode_to_vec()
    }
}

impl ExportSignal for ExportLogsServiceRequest {
    const REJECTED: &'static str = "rejectedLogRecords";

    fn read(self, intake: &Intake, sender: &Sender, now: Timestamp) -> IngestBatch {
        let ruleset = intake.gate.ruleset();
        let capturing = intake.gate.capturing(None);
        ingest::logs(self, sender, &ruleset.config.prices, &capturing, now)
    }

    fn answer(answer: PartialSuccess) -> Vec<u8> {
        let partial_success = partial(answer).map(|answer| ExportLogsPartialSuccess {
            rejected_log_records: answer.rejected,
            error_message: answer.message,
        });
        ExportLogsServiceResponse { partial_success }.encode_to_vec()
    }
}

impl ExportSignal for MetricsRequest {
    const REJECTED: &'static str = "rejectedDataPoints";

    fn read(self, _: &Intake, _: &Sender, _: Timestamp) -> IngestBatch {
        ingest::metrics(&self)
    }

    fn answer(answer: PartialSuccess) -> Vec<u8> {
        // The responses of all signals have the same wire format.
        <ExportLogsServiceRequest as ExportSignal>::answer(answer)
    }
}

/// The partial success, if anything was not stored.
fn partial(answer: PartialSuccess) -> Option<PartialSuccess> {
    (answer != PartialSuccess::default()).then_some(answer)
}

/// Deletes reports that are older than the retention of the tenant, now and every hour, while this is polled.
pub async fn retain(gate: Gate, store: Store) {
    loop {
        let (tenant, retention) = {
            let config = &gate.ruleset().config;
            let tenant = config.gate.tenant.clone();
            let retention = config.capture.of(&tenant).retention;
            (tenant, retention)
        };
        if let Some(retention) = retention {
            let before = gate.now().before(retention);
            // After an error, the next attempt is in an hour.
            drop(store.forget(&tenant, before).await);
        }
        tokio::time::sleep(HOUR).await;
    }
}

impl Intake {
    /// A sender's body, as far as the sender has room for it, and then a place for its message.
    async fn body(
        &self,
        who: &AuthenticatedCaller,
        body: Body,
    ) -> Result<RequestBody, IntakeError> {
        let slot = self
            .senders
            .enter(&who.caller)
            .ok_or(IntakeError::TooMany)?;
        let whole = Limited::new(body, MAX_BODY).collect();
        let bytes = match tokio::time::timeout(SLOWEST, whole).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(IntakeError::Long),
            Ok(Err(_)) => return Err(IntakeError::Short),
            Err(_) => return Err(IntakeError::Slow),
        };
        let place = Arc::clone(&self.messages).acquire_owned();
        match tokio::time::timeout(PATIENCE, place).await {
            Ok(Ok(place)) => Ok(RequestBody {
                bytes,
                places: (slot, place),
            }),
            _ => Err(IntakeError::Busy),
        }
    }

    /// Unpacks, decodes and stores a request's message. If the client disconnects, this continues and keeps its
    /// places.
    async fn take<S: ExportSignal>(
        self: Arc<Self>,
        who: &AuthenticatedCaller,
        sent: RequestBody,
        encoding: Encoding,
        format: Format,
    ) -> Result<PartialSuccess, IntakeError> {
        let sender = Sender {
            tenant: who.tenant.clone(),
            name: who.caller.principal().to_string(),
        };
        let caller = who.caller.clone();
        let taking = tokio::spawn(async move {
            let RequestBody { bytes, places } = sent;
            let now = self.gate.now();
            let (intake, from) = (Arc::clone(&self), sender.clone());
            // Decoding may take long, so it must not block an async worker.
            let reading = tokio::task::spawn_blocking(move || {
                let message = ingest::plain(&bytes, encoding)?;
                let request: S = ingest::decode(&message, format)?;
                let told = request.user_requests();
                Ok::<_, IntakeError>((request.read(&intake, &from, now), told))
            });
            let (received, told) = reading.await.map_err(|_| IntakeError::Broken)??;
            let traces = received.traces();
            let answer = ingest::keep(&self.store, received, &sender, now).await?;
            drop(places);
            // Before the answer, so that calls of a host that waits for it are decided with it.
            self.tell_requests(&caller, told).await;
            // Policies see the new sums shortly after the answer.
            self.usage_feed.note_report(sender.name, traces);
            Ok(answer)
        });
        taking.await.unwrap_or(Err(IntakeError::Broken))
    }

    /// Tells the gate what users ask for. It counts only for an agent whose `request_from` names this channel; of
    /// a run that has ended, or that cannot be recorded, it stays unknown.
    async fn tell_requests(&self, caller: &Caller, told: Vec<ReportedRequest>) {
        for request in told {
            let ReportedRequest {
                trace,
                parent,
                text,
            } = request;
            let options = CallOptions {
                origin: Origin {
                    trace: Some(trace),
                    parent,
                    ..Origin::default()
                },
                ..CallOptions::default()
            };
            let request = UserRequest {
                channel: RequestChannel::Otlp,
                text,
            };
            let run = RunKey::Traced(trace);
            drop(self.gate.tell_request(caller, &run, options, request).await);
        }
    }
}
