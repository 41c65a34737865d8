//! Converts OTLP reports (OpenTelemetry Protocol 1.x) for storing.
//!
//! Reports are not trusted: they are marked as reported, and limited in size. The partial success of the answer names
//! what was left out. Spans that cannot be stored are rejected finally, because a retry would have the same result.

mod agent_events;
mod body;
mod decode;
mod error;
mod lenient;
mod log;
mod metrics;
mod span;
mod user_request;
mod value;
mod weight_limit;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use opentelemetry_proto::tonic::{
    collector::{logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::InstrumentationScope,
    resource::v1::Resource,
};
use serde_json::Value;
use tollgate_model::{
    capture::AttributeFilter, ids::RunId, settings::PricesConfig, time::Timestamp,
};

pub use body::{BodyError, Encoding, MAX_BODY, MAX_MESSAGE, plain};
pub use decode::{Format, Signal, decode};
pub use error::DecodeError;
pub use metrics::MetricsRequest;
pub use user_request::{ReportedRequest, USER_REQUEST, user_requests};

use self::value::SizeLimiter;
use crate::store::{Counts, Report, Source, Store, StoreError};

/// The sender of a report, as its credentials prove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// The tenant of the gate.
    pub tenant: String,
    /// The principal, such as `Tollgate::Agent::"support"`.
    pub name: String,
}

/// The answer to a request: the fields of OTLP's partial success.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartialSuccess {
    /// Spans or logs that are not stored.
    pub rejected: i64,
    /// The reasons, and what else was left out; empty if everything was stored.
    pub message: String,
}

const METRICS: &str = "metrics are not stored: tokens, cost and errors of a run come from its spans and logs; \
     metrics of the gate itself are at /metrics";
const OWN_SCOPE: &str = "this is the gate's own export";
const CUT: &str = "kept without what is too long or too much";

/// Spans and logs of one request for storing, and counts of what was left out.
#[derive(Debug, Default)]
pub struct IngestBatch {
    /// One report per source.
    reports: Vec<Report>,
    /// The index of the report of each source.
    places: HashMap<[u8; 32], usize>,
    refused: Counts,
    cut: u64,
}

impl IngestBatch {
    fn refuse(&mut self, why: &str, count: usize) {
        if count > 0 {
            *self.refused.entry(why.to_owned()).or_default() += count as u64;
        }
    }

    /// The traces of its spans.
    #[must_use]
    pub fn traces(&self) -> BTreeSet<RunId> {
        let spans = self.reports.iter().flat_map(|report| &report.spans);
        spans.map(|span| span.trace).collect()
    }

    /// The report of a source.
    fn report(&mut self, source: Source) -> Option<&mut Report> {
        let place = *self.places.entry(*source.digest()).or_insert_with(|| {
            self.reports.push(Report {
                source,
                ..Report::default()
            });
            self.reports.len() - 1
        });
        self.reports.get_mut(place)
    }
}

/// A resource, serialized once for all of its scopes.
struct ResourceContext<'a> {
    reporter: &'a str,
    service: Option<Value>,
    written: Arc<str>,
}

/// Converts the spans of a request.
#[must_use]
pub fn spans(
    request: ExportTraceServiceRequest,
    sender: &Sender,
    prices: &PricesConfig,
    filter: &dyn AttributeFilter,
) -> IngestBatch {
    let mut received = IngestBatch::default();
    for of_resource in request.resource_spans {
        let resource = resource(&mut received, of_resource.resource, sender, filter);
        for of_scope in of_resource.scope_spans {
            let count = of_scope.spans.len();
            let Some(source) = source(&mut received, &resource, of_scope.scope, count, filter)
            else {
                continue;
            };
            let mut spans = Vec::with_capacity(count);
            for span in of_scope.spans {
                match span::read(span, resource.service.as_ref(), prices, filter) {
                    Ok((span, cut)) => {
                        received.cut += u64::from(cut);
                        spans.push(span);
                    }
                    Err(why) => received.refuse(why, 1),
                }
            }
            if let Some(report) = received.report(source) {
                report.spans.append(&mut spans);
            }
        }
    }
    for report in &mut received.reports {
        // A stable sort, so that the latest version of a span comes last.
        report.spans.sort_by_key(|span| span.trace);
    }
    received
}

/// Converts the log records of a request. A record without a trace id belongs to the trace of its session.
#[must_use]
pub fn logs(
    request: ExportLogsServiceRequest,
    sender: &Sender,
    prices: &PricesConfig,
    filter: &dyn AttributeFilter,
    now: Timestamp,
) -> IngestBatch {
    let mut received = IngestBatch::default();
    for of_resource in request.resource_logs {
        let session = of_resource
            .resource
            .as_ref()
            .and_then(|resource| agent_events::session(&resource.attributes).map(str::to_owned));
        let resource = resource(&mut received, of_resource.resource, sender, filter);
        for of_scope in of_resource.scope_logs {
            let count = of_scope.log_records.len();
            let Some(source) = source(&mut received, &resource, of_scope.scope, count, filter)
            else {
                continue;
            };
            let context = log::LogContext {
                tenant: &sender.tenant,
                source: &source,
                session: session.as_deref(),
                prices,
                now,
            };
            let (mut logs, mut spans) = (Vec::with_capacity(count), Vec::new());
            for record in of_scope.log_records {
                match log::read(record, &context, filter) {
                    Ok(read) => {
                        received.cut += u64::from(read.cut);
                        logs.push(read.log);
                        let span = read.model_call.map(|call| {
                            span::read(call, resource.service.as_ref(), prices, filter)
                        });
                        spans.extend(span.and_then(Result::ok).map(|(span, _)| span));
                    }
                    Err(why) => received.refuse(why, 1),
                }
            }
            if let Some(report) = received.report(source) {
                report.logs.append(&mut logs);
                report.spans.append(&mut spans);
            }
        }
    }
    for report in &mut received.reports {
        report.logs.sort_by_key(|log| log.trace);
        report.spans.sort_by_key(|span| span.trace);
    }
    received
}

/// Counts the metrics of a request as rejected.
#[must_use]
pub fn metrics(request: &MetricsRequest) -> IngestBatch {
    let mut received = IngestBatch::default();
    received.refuse(METRICS, request.data_points());
    received
}

/// Stores a batch.
///
/// # Errors
/// [`StoreError`] if the sender may retry; then nothing was stored.
pub async fn keep(
    store: &Store,
    received: IngestBatch,
    sender: &Sender,
    now: Timestamp,
) -> Result<PartialSuccess, StoreError> {
    let IngestBatch {
        reports,
        mut refused,
        cut,
        ..
    } = received;
    let count: usize = reports.iter().map(|r| r.spans.len() + r.logs.len()).sum();
    if count > 0 {
        match store.report(&sender.tenant, reports, now).await {
            Ok(put) => {
                for (why, count) in put.refused_spans.into_iter().chain(put.refused_logs) {
                    *refused.entry(why).or_default() += count;
                }
            }
            // Another attempt fails as well until the operator has made room.
            Err(full @ StoreError::Full(_)) => {
                *refused.entry(full.to_string()).or_default() += count as u64;
            }
            Err(error) => return Err(error),
        }
    }
    let rejected = refused.values().sum::<u64>();
    if cut > 0 {
        refused.insert(CUT.into(), cut);
    }
    let message = refused
        .iter()
        .map(|(why, count)| format!("{count}: {why}"))
        .collect::<Vec<_>>()
        .join("; ");
    Ok(PartialSuccess {
        rejected: i64::try_from(rejected).unwrap_or(i64::MAX),
        message,
    })
}

fn resource<'a>(
    received: &mut IngestBatch,
    resource: Option<Resource>,
    sender: &'a Sender,
    filter: &dyn AttributeFilter,
) -> ResourceContext<'a> {
    let mut bounded = SizeLimiter::shared(filter);
    let attributes = bounded.attributes(resource.unwrap_or_default().attributes);
    received.cut += u64::from(bounded.dropped > 0);
    ResourceContext {
        reporter: &sender.name,
        service: attributes.get("service.name").cloned(),
        written: Source::written(&attributes),
    }
}

/// The source of spans or logs; `None` if there are none, or if they come from this gate's own export.
fn source(
    received: &mut IngestBatch,
    resource: &ResourceContext<'_>,
    scope: Option<InstrumentationScope>,
    count: usize,
    filter: &dyn AttributeFilter,
) -> Option<Source> {
    let scope = scope.unwrap_or_default();
    if count == 0 {
        return None;
    }
    if scope.name == crate::SCOPE {
        received.refuse(OWN_SCOPE, count);
        return None;
    }
    let mut bounded = SizeLimiter::shared(filter);
    let mut about = bounded.attributes(scope.attributes);
    for (key, text) in [("name", scope.name), ("version", scope.version)] {
        if !text.is_empty() {
            about.insert(key.into(), bounded.said(text).into());
        }
    }
    received.cut += u64::from(bounded.dropped > 0);
    Some(Source::new(
        resource.reporter,
        Arc::clone(&resource.written),
        &about,
    ))
}
