//! What OTLP senders report (OpenTelemetry Protocol 1.x), made fit to be stored.
//!
//! Nothing in it is believed: it is kept as reported, within bounds, and whatever is left out is said in
//! the answer's partial success. What cannot be stored once cannot be stored later either, so such spans
//! are refused and not asked for again.

mod body;
mod decode;
mod log;
mod scan;
mod span;
mod value;

use std::collections::BTreeSet;

use opentelemetry_proto::tonic::{
    collector::{logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::InstrumentationScope,
    resource::v1::Resource,
};
use tollgate::{capture::Capturing, config::PricesConfig};
use tollgate_core::{ids::RunId, time::Timestamp};

pub use body::{BodyError, Encoding, MAX_BODY, MAX_MESSAGE, plain};
pub use decode::{DecodeError, Format, Signal, decode};

use self::value::Bounded;
use crate::store::{Attributes, Counts, Report, Source, Store, StoreError};

/// Whoever reports, as its credentials prove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// To whom it reports.
    pub tenant: String,
    /// Who it is, such as `Tollgate::Agent::"support"`.
    pub name: String,
}

/// What became of a request: the fields of OTLP's partial success.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Spans or logs that are not stored.
    pub rejected: i64,
    /// Why, and what else was left out; empty where everything is as it was sent.
    pub message: String,
}

const OWN_SCOPE: &str = "this is the gate's own export";
const CUT: &str = "kept without what is too long or too much";

/// Spans and logs that came in one request, and what of them was left out.
#[derive(Debug, Default)]
struct Read {
    reports: Vec<Report>,
    refused: Counts,
    cut: u64,
}

impl Read {
    fn refuse(&mut self, why: &str, count: usize) {
        if count > 0 {
            *self.refused.entry(why.to_owned()).or_default() += count as u64;
        }
    }
}

/// The traces of a request's spans.
#[must_use]
pub fn traces_of(request: &ExportTraceServiceRequest) -> BTreeSet<RunId> {
    let scopes = request.resource_spans.iter().flat_map(|r| &r.scope_spans);
    let spans = scopes.flat_map(|s| &s.spans);
    spans
        .filter_map(|span| span::trace_id(&span.trace_id))
        .collect()
}

/// Store the spans of a request.
///
/// # Errors
/// [`StoreError`] where the sender may try again; nothing is stored then.
pub async fn traces(
    store: &Store,
    request: ExportTraceServiceRequest,
    sender: &Sender,
    prices: &PricesConfig,
    capturing: &Capturing,
    now: Timestamp,
) -> Result<Answer, StoreError> {
    let mut read = Read::default();
    for of_resource in request.resource_spans {
        let resource = resource(of_resource.resource, capturing);
        for of_scope in of_resource.scope_spans {
            let Some(source) = source(sender, &resource, of_scope.scope, capturing) else {
                read.refuse(OWN_SCOPE, of_scope.spans.len());
                continue;
            };
            let service = source.resource.get("service.name").cloned();
            let mut report = Report {
                source,
                spans: Vec::with_capacity(of_scope.spans.len()),
                logs: Vec::new(),
            };
            for span in of_scope.spans {
                match span::read(span, service.as_ref(), prices, capturing) {
                    Ok((span, cut)) => {
                        read.cut += u64::from(cut);
                        report.spans.push(span);
                    }
                    Err(why) => read.refuse(why, 1),
                }
            }
            read.reports.push(report);
        }
    }
    keep(store, read, sender, now).await
}

/// Store the log records of a request: each belongs to a span, or at least to a trace.
///
/// # Errors
/// [`StoreError`] where the sender may try again; nothing is stored then.
pub async fn logs(
    store: &Store,
    request: ExportLogsServiceRequest,
    sender: &Sender,
    capturing: &Capturing,
    now: Timestamp,
) -> Result<Answer, StoreError> {
    let mut read = Read::default();
    for of_resource in request.resource_logs {
        let resource = resource(of_resource.resource, capturing);
        for of_scope in of_resource.scope_logs {
            let Some(source) = source(sender, &resource, of_scope.scope, capturing) else {
                read.refuse(OWN_SCOPE, of_scope.log_records.len());
                continue;
            };
            let mut report = Report {
                source,
                ..Report::default()
            };
            for record in of_scope.log_records {
                match log::read(record, now, capturing) {
                    Ok((log, cut)) => {
                        read.cut += u64::from(cut);
                        report.logs.push(log);
                    }
                    Err(why) => read.refuse(why, 1),
                }
            }
            read.reports.push(report);
        }
    }
    keep(store, read, sender, now).await
}

async fn keep(
    store: &Store,
    read: Read,
    sender: &Sender,
    now: Timestamp,
) -> Result<Answer, StoreError> {
    let Read {
        reports,
        mut refused,
        cut,
    } = read;
    let count: usize = reports.iter().map(|r| r.spans.len() + r.logs.len()).sum();
    if count > 0 {
        match store.report(&sender.tenant, reports, now).await {
            Ok(put) => {
                for (why, count) in put.refused_spans.into_iter().chain(put.refused_logs) {
                    *refused.entry(why).or_default() += count;
                }
            }
            // Trying again would not help before somebody has made room.
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
    Ok(Answer {
        rejected: i64::try_from(rejected).unwrap_or(i64::MAX),
        message,
    })
}

fn resource(resource: Option<Resource>, capturing: &Capturing) -> Attributes {
    Bounded::new(capturing).attributes(resource.unwrap_or_default().attributes)
}

/// Where something comes from; nothing if it is this gate's own export that comes back.
fn source(
    sender: &Sender,
    resource: &Attributes,
    scope: Option<InstrumentationScope>,
    capturing: &Capturing,
) -> Option<Source> {
    let scope = scope.unwrap_or_default();
    if scope.name == crate::SCOPE {
        return None;
    }
    let mut bounded = Bounded::new(capturing);
    let mut about = bounded.attributes(scope.attributes);
    for (key, text) in [("name", scope.name), ("version", scope.version)] {
        if !text.is_empty() {
            about.insert(key.into(), bounded.said(text).into());
        }
    }
    Some(Source {
        reporter: sender.name.clone(),
        resource: resource.clone(),
        scope: about,
    })
}
