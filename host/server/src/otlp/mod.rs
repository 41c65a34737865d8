//! OTLP comes in: traces and logs that agents report about themselves, over HTTP and gRPC.
//!
//! Whoever sends is what [`crate::auth`] says, and what it sends is kept under its name, as its word. What
//! is acknowledged is on the disk; what is not kept is said, with the reason.

mod grpc;
mod web;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use axum::{Router, routing::post};
use opentelemetry_proto::tonic::collector::{
    logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse},
    trace::v1::{ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse},
};
use prost::Message;
use tokio::runtime::Handle;
use tollgate::{gate::Gate, usage::RunUsage};
use tollgate_core::{
    entity::{Kind, Uid},
    ids::RunId,
    time::Timestamp,
};
use tollgate_trace::{
    otlp_in::{self, Answer, BodyError, DecodeError, Encoding, Format, Sender, Signal},
    projector,
    store::{Store, StoreError, Usage, UsageRow},
};

use crate::auth::Authenticated;

/// Where traces and logs are sent to, by HTTP (OTLP specification, "OTLP/HTTP Request").
const TRACES: &str = "/v1/traces";
const LOGS: &str = "/v1/logs";
/// And by gRPC.
const GRPC_TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const GRPC_LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

/// How often what is too old is looked for.
const HOUR: Duration = Duration::from_secs(3600);
/// Requests that are read at once: each may take a hundred times the memory of its body.
pub(crate) const MAX_REQUESTS: usize = 8;
/// Bytes of a body as it is sent.
pub(crate) const MAX_BODY: usize = otlp_in::MAX_BODY;

/// Whether a request goes to one of these routes.
pub(crate) fn is_otlp(path: &str) -> bool {
    [TRACES, LOGS, GRPC_TRACES, GRPC_LOGS].contains(&path)
}

/// Where what comes in goes.
#[derive(Debug, Clone)]
struct Intake {
    gate: Gate,
    store: Store,
}

/// The routes, for [`crate::auth::protect`].
pub fn routes(gate: &Gate, store: &Store) -> Router {
    let intake = Arc::new(Intake {
        gate: gate.clone(),
        store: store.clone(),
    });
    Router::new()
        .route(TRACES, post(web::export::<ExportTraceServiceRequest>))
        .route(LOGS, post(web::export::<ExportLogsServiceRequest>))
        .route(GRPC_TRACES, post(grpc::export::<ExportTraceServiceRequest>))
        .route(GRPC_LOGS, post(grpc::export::<ExportLogsServiceRequest>))
        .with_state(intake)
}

/// Why a request is not stored.
#[derive(Debug, thiserror::Error)]
enum IntakeError {
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the request could not be read")]
    Broken,
}

impl IntakeError {
    /// Whether it is of use to send the same again.
    fn is_passing(&self) -> bool {
        matches!(self, Self::Store(_) | Self::Broken)
    }

    fn is_too_large(&self) -> bool {
        matches!(
            self,
            Self::Body(BodyError::TooLarge) | Self::Decode(DecodeError::TooMany)
        )
    }
}

/// Something that is sent, and how it is answered.
trait Exported: Signal + 'static {
    /// The field of the answer that counts what was refused, in JSON.
    const REJECTED: &'static str;

    /// Store it.
    fn keep(
        self,
        intake: &Intake,
        sender: &Sender,
    ) -> impl Future<Output = Result<Answer, StoreError>> + Send;

    /// The answer as a message.
    fn answer(answer: Answer) -> Vec<u8>;
}

impl Exported for ExportTraceServiceRequest {
    const REJECTED: &'static str = "rejectedSpans";

    async fn keep(self, intake: &Intake, sender: &Sender) -> Result<Answer, StoreError> {
        let snapshot = intake.gate.snapshot();
        let prices = &snapshot.config.prices;
        let capturing = intake.gate.capturing(None);
        let now = intake.gate.now();
        let traces: BTreeSet<RunId> = otlp_in::traces_of(&self);
        let answer = otlp_in::traces(&intake.store, self, sender, prices, &capturing, now).await?;
        // It is stored; what policies hear of it may come later, when the next report does.
        let ledger = intake.gate.ledger().reader();
        if projector::catch_up(&intake.store, ledger).await.is_ok() {
            drop(spent(&intake.gate, &intake.store, &sender.name, &traces).await);
        }
        Ok(answer)
    }

    fn answer(answer: Answer) -> Vec<u8> {
        let partial_success = partial(answer).map(|answer| ExportTracePartialSuccess {
            rejected_spans: answer.rejected,
            error_message: answer.message,
        });
        ExportTraceServiceResponse { partial_success }.encode_to_vec()
    }
}

impl Exported for ExportLogsServiceRequest {
    const REJECTED: &'static str = "rejectedLogRecords";

    async fn keep(self, intake: &Intake, sender: &Sender) -> Result<Answer, StoreError> {
        let capturing = intake.gate.capturing(None);
        let now = intake.gate.now();
        otlp_in::logs(&intake.store, self, sender, &capturing, now).await
    }

    fn answer(answer: Answer) -> Vec<u8> {
        let partial_success = partial(answer).map(|answer| ExportLogsPartialSuccess {
            rejected_log_records: answer.rejected,
            error_message: answer.message,
        });
        ExportLogsServiceResponse { partial_success }.encode_to_vec()
    }
}

/// What was not kept; nothing where everything was.
fn partial(answer: Answer) -> Option<Answer> {
    (answer != Answer::default()).then_some(answer)
}

/// Tell the gate what the agents have reported of their runs so far: facts for policies, and what budgets
/// are spent by.
///
/// # Errors
/// [`StoreError`] if the trace store cannot be read.
pub async fn recall(gate: &Gate, store: &Store) -> Result<(), StoreError> {
    let config = &gate.snapshot().config;
    let long = i64::try_from(config.budgets.window.as_micros()).unwrap_or(i64::MAX);
    let since = Timestamp(gate.now().0.saturating_sub(long));
    for name in config.agents.keys() {
        let principal = Uid::new(Kind::Agent, name);
        let (reader, tenant) = (store.reader().clone(), config.gate.tenant.clone());
        let reporter = principal.to_string();
        let reading = tokio::task::spawn_blocking(move || {
            // Hours after runs: what comes in meanwhile is counted twice rather than not at all.
            let runs = reader.usage_of_latest(&tenant, &reporter)?;
            let hours = reader.usage_by_hour(&tenant, &reporter, since)?;
            Ok::<_, StoreError>((runs, hours))
        });
        let (mut runs, hours) = reading.await.map_err(|_| StoreError::Closed)??;
        // The latest last: they are remembered longest.
        runs.reverse();
        gate.usage().recall(
            &principal,
            runs.iter().map(|(run, _, sum)| (*run, used(sum))),
            hours.iter().map(|(hour, sum)| (*hour, used(sum))),
        );
    }
    Ok(())
}

/// Forget what was reported longer ago than the tenant keeps payloads, now and every hour, for as long as
/// this is polled.
pub async fn retain(gate: Gate, store: Store) {
    loop {
        let (tenant, retention) = {
            let config = &gate.snapshot().config;
            let tenant = config.gate.tenant.clone();
            let retention = config.capture.of(&tenant).retention;
            (tenant, retention)
        };
        if let Some(retention) = retention {
            let micros = i64::try_from(retention.as_micros()).unwrap_or(i64::MAX);
            let before = Timestamp(gate.now().0.saturating_sub(micros));
            // What fails now is tried again in an hour.
            drop(store.forget(&tenant, before).await);
        }
        tokio::time::sleep(HOUR).await;
    }
}

/// A sum, as policies hear of it.
fn used(sum: &UsageRow) -> RunUsage {
    let Usage {
        input_tokens,
        output_tokens,
        cost_nano,
        ..
    } = sum.usage;
    RunUsage {
        tokens: input_tokens.saturating_add(output_tokens),
        cost_nano: cost_nano.unwrap_or(0),
        complete: sum.unpriced == 0,
    }
}

/// Tell the gate what `reporter` has reported of its runs with these traces.
async fn spent(
    gate: &Gate,
    store: &Store,
    reporter: &str,
    traces: &BTreeSet<RunId>,
) -> Result<(), StoreError> {
    let config = &gate.snapshot().config;
    let principal = config
        .agents
        .keys()
        .map(|name| Uid::new(Kind::Agent, name))
        .find(|agent| agent.to_string() == reporter);
    let Some(principal) = principal else {
        return Ok(());
    };
    let (reader, tenant) = (store.reader().clone(), config.gate.tenant.clone());
    let (reporter, traces) = (reporter.to_owned(), traces.clone());
    let reading =
        tokio::task::spawn_blocking(move || reader.usage_of_traces(&tenant, &reporter, &traces));
    let sums = reading.await.map_err(|_| StoreError::Closed)??;
    for (run, _, sum) in sums {
        gate.usage().set(&principal, run, gate.now(), used(&sum));
    }
    Ok(())
}

/// Unpack, read and store a request's message.
async fn take<S: Exported>(
    intake: Arc<Intake>,
    who: &Authenticated,
    body: bytes::Bytes,
    encoding: Encoding,
    format: Format,
) -> Result<Answer, IntakeError> {
    let sender = Sender {
        tenant: who.tenant.clone(),
        name: who.caller.principal().to_string(),
    };
    // It may take a while: others are answered meanwhile.
    let runtime = Handle::current();
    let taking = tokio::task::spawn_blocking(move || {
        let message = otlp_in::plain(&body, encoding)?;
        let request: S = otlp_in::decode(&message, format)?;
        Ok(runtime.block_on(request.keep(&intake, &sender))?)
    });
    taking.await.unwrap_or(Err(IntakeError::Broken))
}
