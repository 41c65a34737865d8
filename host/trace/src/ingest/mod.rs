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
use crate::store::{Counts, NewLog, NewSpan, Report, Source, Store, StoreError};

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
    /// What is not stored, by the reason.
    refused: Counts,
    /// Entries, and what they share, that are stored in part.
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
    /// The session that it names.
    session: Option<String>,
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
    let groups = request.resource_spans.into_iter().map(|of_resource| {
        let scopes = of_resource.scope_spans.into_iter();
        let scopes = scopes.map(|of_scope| (of_scope.scope, of_scope.spans));
        (of_resource.resource, scopes)
    });
    received(groups, sender, filter, |batch, resource, _, spans| {
        let mut scope = ScopeEntries::default();
        for span in spans {
            match span::read(span, resource.service.as_ref(), prices, filter) {
                Ok((span, is_cut)) => {
                    batch.cut += u64::from(is_cut);
                    scope.spans.push(span);
                }
                Err(why) => batch.refuse(why, 1),
            }
        }
        scope
    })
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
    let groups = request.resource_logs.into_iter().map(|of_resource| {
        let scopes = of_resource.scope_logs.into_iter();
        let scopes = scopes.map(|of_scope| (of_scope.scope, of_scope.log_records));
        (of_resource.resource, scopes)
    });
    received(
        groups,
        sender,
        filter,
        |batch, resource, source, records| {
            let context = log::LogContext {
                tenant: &sender.tenant,
                source,
                session: resource.session.as_deref(),
                prices,
                now,
            };
            let mut scope = ScopeEntries::default();
            for record in records {
                match log::read(record, &context, filter) {
                    Ok(read) => {
                        let call = read.model_call;
                        let call = call.map(|call| {
                            span::read(call, resource.service.as_ref(), prices, filter)
                        });
                        let (call, is_call_cut) = match call {
                            Some(Ok((span, is_cut))) => (Some(span), is_cut),
                            Some(Err(_)) => (None, true),
                            None => (None, false),
                        };
                        batch.cut += u64::from(read.cut || is_call_cut);
                        scope.logs.push(read.log);
                        scope.spans.extend(call);
                    }
                    Err(why) => batch.refuse(why, 1),
                }
            }
            scope
        },
    )
}

/// What one scope of a request has for storing.
#[derive(Default)]
struct ScopeEntries {
    spans: Vec<NewSpan>,
    logs: Vec<NewLog>,
}

/// Converts the entries of a request, which are grouped by resource and scope.
fn received<T, S>(
    groups: impl IntoIterator<Item = (Option<Resource>, S)>,
    sender: &Sender,
    filter: &dyn AttributeFilter,
    mut read: impl FnMut(&mut IngestBatch, &ResourceContext<'_>, &Source, Vec<T>) -> ScopeEntries,
) -> IngestBatch
where
    S: IntoIterator<Item = (Option<InstrumentationScope>, Vec<T>)>,
{
    let mut batch = IngestBatch::default();
    for (of_resource, scopes) in groups {
        let resource = resource(&mut batch, of_resource, sender, filter);
        for (scope, entries) in scopes {
            let count = entries.len();
            let Some(source) = source(&mut batch, &resource, scope, count, filter) else {
                continue;
            };
            let mut read = read(&mut batch, &resource, &source, entries);
            if let Some(report) = batch.report(source) {
                report.logs.append(&mut read.logs);
                report.spans.append(&mut read.spans);
            }
        }
    }
    for report in &mut batch.reports {
        // A stable sort, so that the latest version of a span comes last.
        report.logs.sort_by_key(|log| log.trace);
        report.spans.sort_by_key(|span| span.trace);
    }
    batch
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
    batch: &mut IngestBatch,
    resource: Option<Resource>,
    sender: &'a Sender,
    filter: &dyn AttributeFilter,
) -> ResourceContext<'a> {
    let resource = resource.unwrap_or_default();
    let session = agent_events::session(&resource.attributes).map(str::to_owned);
    let mut bounded = SizeLimiter::shared(filter);
    let attributes = bounded.attributes(resource.attributes);
    batch.cut += u64::from(bounded.dropped > 0);
    ResourceContext {
        reporter: &sender.name,
        session,
        service: attributes.get("service.name").cloned(),
        written: Source::written(&attributes),
    }
}

/// The source of spans or logs; `None` if there are none, or if they come from this gate's own export.
fn source(
    batch: &mut IngestBatch,
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
        batch.refuse(OWN_SCOPE, count);
        return None;
    }
    let mut bounded = SizeLimiter::shared(filter);
    let mut about = bounded.attributes(scope.attributes);
    for (key, text) in [("name", scope.name), ("version", scope.version)] {
        if !text.is_empty() {
            about.insert(key.into(), bounded.said(text).into());
        }
    }
    batch.cut += u64::from(bounded.dropped > 0);
    Some(Source::new(
        resource.reporter,
        Arc::clone(&resource.written),
        &about,
    ))
}
