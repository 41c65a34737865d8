//! What a user asks for, in a span that an agent's host reports.

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value, trace::v1::Span,
};
use tollgate_model::{
    ids::{RunId, SpanId},
    span::names::resource,
};

use super::span;

/// The attribute that tells it.
pub const USER_REQUEST: &str = "tollgate.user_request";
/// The most bytes of a text. A longer one is left out whole, because a part of it would seem to be all.
const MAX_TEXT: usize = 64 * 1024;
/// The most requests of one message.
const MAX_REQUESTS: usize = 64;

/// What a user asks for in the run of a trace. Whether it counts is for the gate to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedRequest {
    /// The trace.
    pub trace: RunId,
    /// The parent of the span that tells it.
    pub parent: Option<SpanId>,
    /// The user's words.
    pub text: String,
}

/// What the spans of a message tell, in their order. Spans of the gate's own scope tell nothing.
#[must_use]
pub fn user_requests(message: &ExportTraceServiceRequest) -> Vec<ReportedRequest> {
    let scopes = message.resource_spans.iter().flat_map(|r| &r.scope_spans);
    let foreign = scopes.filter(|spans| {
        let scope = spans.scope.as_ref();
        scope.is_none_or(|scope| scope.name != resource::SCOPE)
    });
    let spans = foreign.flat_map(|of_scope| &of_scope.spans);
    spans.filter_map(request).take(MAX_REQUESTS).collect()
}

fn request(span: &Span) -> Option<ReportedRequest> {
    let mut attributes = span.attributes.iter();
    let told = attributes.find(|attribute| attribute.key == USER_REQUEST)?;
    let any_value::Value::StringValue(text) = told.value.as_ref()?.value.as_ref()? else {
        return None;
    };
    let fits = !text.is_empty() && text.len() <= MAX_TEXT;
    fits.then_some(ReportedRequest {
        trace: span::trace_id(&span.trace_id)?,
        parent: span::span_id(&span.parent_span_id),
        text: text.clone(),
    })
}

#[cfg(test)]
mod tests;
