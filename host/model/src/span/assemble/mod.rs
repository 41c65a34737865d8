//! Builds the spans of one run from its records, in their order.

mod events;

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

use super::{
    Attributes, Naming, OtelKind, SpanChange, SpanKind, attributes::attributes, changes,
    names::attribute as a,
};
use crate::{
    ids::{ApprovalId, RunId, SpanId},
    record::{EffectDetails, Event, KeyedDigest, Record, TraceLink},
    time::Timestamp,
};

/// The most events that one span keeps; further ones are counted.
const MAX_EVENTS: usize = 128;
/// The most unsuccessful calls that are remembered in order to recognise their repetitions.
const MAX_FAILED: usize = 256;
/// The most removed calls that are remembered. Later records of an ended call, for example from a race,
/// come right after its end.
const MAX_TAKEN: usize = 64;

/// A span with everything that its run's records say about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Its id.
    pub id: SpanId,
    /// The parent span in the caller's own trace, or in the gate's; absent if there is none.
    pub parent: Option<SpanId>,
    /// Its kind.
    pub kind: SpanKind,
    /// How it relates to others.
    pub otel: OtelKind,
    /// Its name for people; [`Span::otel_name`] is for programs.
    pub name: String,
    /// When it began.
    pub start: Timestamp,
    /// When it ended; absent while it is open.
    pub end: Option<Timestamp>,
    /// `error.type`.
    pub error: Option<&'static str>,
    /// Without duplicate names.
    pub attributes: Attributes,
    /// In order.
    pub events: Vec<SpanEvent>,
    /// How many more events there were.
    pub dropped_events: u32,
    /// Links to related spans of this trace and of others.
    pub links: Vec<TraceLink>,
    /// The record that opened it.
    pub opened: u64,
    /// The record that closed it first.
    pub closed: Option<u64>,
}

impl Span {
    /// Its name without parts of high cardinality: paths and URLs are attributes.
    #[must_use]
    pub fn otel_name(&self) -> &str {
        match self.kind {
            SpanKind::Effect => self.name.split(' ').next().unwrap_or(&self.name),
            _ => &self.name,
        }
    }

    /// An attribute's value.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&Value> {
        let found = self.attributes.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value)
    }

    /// Adds an attribute that does not come from a record.
    pub fn set(&mut self, name: &'static str, value: Value) {
        match self.attributes.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.attributes.push((name, value)),
        }
    }

    fn take_on(&mut self, attributes: Attributes) {
        for (name, value) in attributes {
            self.set(name, value);
        }
    }

    fn happened(&mut self, name: &'static str, time: Timestamp, attributes: Attributes) {
        if self.events.len() >= MAX_EVENTS {
            self.dropped_events = self.dropped_events.saturating_add(1);
            return;
        }
        self.events.push(SpanEvent {
            name,
            time,
            attributes,
        });
    }
}

/// An event within a span.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanEvent {
    /// Its name: one of [`super::names::event`].
    pub name: &'static str,
    /// When.
    pub time: Timestamp,
    /// Without duplicate names.
    pub attributes: Attributes,
}

/// The run's position in a trace.
#[derive(Debug, Clone, Default)]
struct Root {
    span: Option<SpanId>,
    /// The caller's own span above the run, if the run belongs to the caller's trace.
    within: Option<SpanId>,
    conversation: Option<String>,
    session: Option<String>,
    trace: Option<RunId>,
}

/// Builds the spans of one run.
#[derive(Debug, Clone)]
pub struct RunSpans {
    run: RunId,
    root: Root,
    spans: HashMap<SpanId, Span>,
    approvals: HashMap<ApprovalId, SpanId>,
    /// The last unsuccessful call with each set of arguments.
    failed: HashMap<KeyedDigest, SpanId>,
    /// The calls that were removed last: later records about them do not create new spans.
    taken: VecDeque<SpanId>,
}

impl RunSpans {
    /// For a run without known records.
    #[must_use]
    pub fn new(run: RunId) -> Self {
        Self {
            run,
            root: Root::default(),
            spans: HashMap::new(),
            approvals: HashMap::new(),
            failed: HashMap::new(),
            taken: VecDeque::new(),
        }
    }

    /// Whether the gate created the run's root span: the caller sent no trace that the run belongs to.
    #[must_use]
    pub fn is_rooted_here(&self) -> bool {
        self.root.within.is_none()
    }

    /// The root span, until it is removed.
    #[must_use]
    pub fn root(&self) -> Option<&Span> {
        self.root.span.and_then(|root| self.spans.get(&root))
    }

    /// Adds an attribute that does not come from a record: a payload, as far as capture allows.
    pub fn add(&mut self, span: SpanId, name: &'static str, value: Value) {
        if let Some(span) = self.spans.get_mut(&span) {
            span.set(name, value);
        }
    }

    /// Removes a span, open or not.
    pub fn take(&mut self, span: SpanId) -> Option<Span> {
        let span = self.spans.remove(&span)?;
        if span.kind == SpanKind::ExecuteTool {
            if self.taken.len() >= MAX_TAKEN {
                self.taken.pop_front();
            }
            self.taken.push_back(span.id);
        }
        Some(span)
    }

    /// How many items are kept: spans, and data that later spans may refer to.
    #[must_use]
    pub fn size(&self) -> usize {
        self.spans.len() + self.approvals.len() + self.failed.len()
    }

    /// All current spans, in the order in which they began.
    #[must_use]
    pub fn into_spans(self) -> Vec<Span> {
        let mut spans: Vec<Span> = self.spans.into_values().collect();
        // Of the spans that one record opens, the tool's is the outermost.
        spans.sort_by_key(|span| (span.opened, span.kind));
        spans
    }

    /// Adds the run's next record, which has this `index` in the ledger. Returns the spans that it ends,
    /// each once.
    pub fn apply(&mut self, index: u64, record: &Record, naming: Naming<'_>) -> Vec<SpanId> {
        if let Event::RunStarted(run) = &record.event {
            let origin = &run.origin;
            self.root = Root {
                span: Some(run.span),
                within: origin.parent.filter(|_| origin.trace == Some(self.run)),
                conversation: origin.conversation.clone(),
                session: origin.session.clone(),
                trace: origin.trace,
            };
        }
        let mut ended = Vec::new();
        let mut changes = changes(record);
        if let (Event::RunEnded(_), Some(span)) = (&record.event, self.root.span) {
            changes.push(SpanChange::close(span, record.time, None));
        }
        for change in changes {
            ended.extend(self.change(index, record, change, naming));
        }
        self.tell(index, record, naming);
        ended
    }

    fn change(
        &mut self,
        index: u64,
        record: &Record,
        change: SpanChange,
        naming: Naming<'_>,
    ) -> Option<SpanId> {
        match change {
            SpanChange::Open {
                span,
                parent,
                kind,
                name,
                start,
                end,
                error,
            } => {
                if self.taken.contains(&span) {
                    return None;
                }
                if self.spans.contains_key(&span) {
                    self.decided_again(span, kind, index, record, naming);
                    return None;
                }
                let new = Span {
                    id: span,
                    parent: self.above(kind, parent, caller_of(record)),
                    kind,
                    otel: otel_kind(kind, record),
                    name,
                    start,
                    end,
                    error,
                    attributes: attributes(kind, index, record, naming),
                    events: Vec::new(),
                    dropped_events: 0,
                    links: self.links(kind, record),
                    opened: index,
                    closed: end.map(|_| index),
                };
                self.open(new, record)
            }
            SpanChange::Close {
                span,
                end,
                error,
                unless_ended,
            } => {
                if unless_ended && self.is_settled(span, record) {
                    return None;
                }
                self.close(span, (end, error), index, record, naming)
            }
        }
    }

    /// The latest decision determines a call that was decided again.
    fn decided_again(
        &mut self,
        span: SpanId,
        kind: SpanKind,
        index: u64,
        record: &Record,
        naming: Naming<'_>,
    ) {
        if let (Some(known), Event::Decision(decision), SpanKind::ExecuteTool) =
            (self.spans.get_mut(&span), &record.event, kind)
            && known.end.is_none()
            && !decision.is_secondary
        {
            known.take_on(attributes(kind, index, record, naming));
        }
    }

    /// Adds a span. Returns it if it has ended already.
    fn open(&mut self, new: Span, record: &Record) -> Option<SpanId> {
        let id = new.id;
        let new = self.completed(new, record);
        let ended = new.end.map(|_| id);
        if let Event::ApprovalRequested(requested) = &record.event {
            self.approvals.insert(requested.id, id);
        }
        self.spans.insert(id, new);
        ended
    }

    /// Ends a span. Returns it if it had not ended before.
    fn close(
        &mut self,
        span: SpanId,
        (end, error): (Timestamp, Option<&'static str>),
        index: u64,
        record: &Record,
        naming: Naming<'_>,
    ) -> Option<SpanId> {
        let known = self.spans.get_mut(&span)?;
        let first = known.end.is_none();
        known.end = Some(end);
        known.error = error;
        known.closed.get_or_insert(index);
        let kind = known.kind;
        // Resource usage belongs to the execution, not to its call.
        if !matches!(record.event, Event::Decision(_)) {
            known.take_on(attributes(kind, index, record, naming));
        }
        if let Some(error) = error {
            known.set(a::ERROR_TYPE, error.into());
        }
        if kind == SpanKind::ExecuteTool {
            self.remember(span);
        }
        first.then_some(span)
    }

    /// Whether a call has ended, or runs with an approval that was withdrawn too late.
    fn is_settled(&self, call: SpanId, record: &Record) -> bool {
        let ended = self.spans.get(&call).is_none_or(|call| call.end.is_some());
        let late = matches!(&record.event, Event::ApprovalResolved(resolved)
            if !self.approvals.contains_key(&resolved.id));
        let runs = |span: &Span| {
            span.kind == SpanKind::InvokeComponent
                && span.parent == Some(call)
                && span.end.is_none()
        };
        ended || (late && self.spans.values().any(runs))
    }

    /// Adds attributes that every span has, and those that follow from other spans.
    fn completed(&self, mut span: Span, record: &Record) -> Span {
        if let Some(error) = span.error {
            span.set(a::ERROR_TYPE, error.into());
        }
        span.set(a::RUN_ID, self.run.to_string().into());
        span.set(a::TENANT_ID, record.tenant.clone().into());
        let Root {
            conversation,
            session,
            ..
        } = &self.root;
        if let Some(conversation) = conversation {
            span.set(a::CONVERSATION_ID, conversation.clone().into());
        }
        if let Some(session) = conversation.as_ref().or(session.as_ref()) {
            span.set(a::SESSION_ID, session.clone().into());
        }
        if span.kind == SpanKind::ExecuteTool {
            span.set(a::TOOL_EXECUTED, false.into());
            if let (OtelKind::Server, Some(session)) = (span.otel, session) {
                span.set(a::MCP_SESSION, session.clone().into());
            }
            if let Some(earlier) = self.repeats(record) {
                span.set(a::RETRY_OF, earlier.to_string().into());
                span.links.push(TraceLink {
                    span: earlier,
                    trace: self.run,
                });
            }
        }
        span
    }

    /// The earlier unsuccessful call that this one repeats.
    fn repeats(&self, record: &Record) -> Option<SpanId> {
        let Event::Decision(decision) = &record.event else {
            return None;
        };
        self.failed.get(decision.arguments.as_ref()?).copied()
    }

    /// Remembers how a call ended, in order to recognise its repetitions.
    fn remember(&mut self, call: SpanId) {
        let Some(span) = self.spans.get(&call) else {
            return;
        };
        let Some(Value::String(hash)) = span.attribute(a::ARGS_HASH) else {
            return;
        };
        let hash = KeyedDigest::from(hash.clone());
        if span.error.is_none() {
            self.failed.remove(&hash);
        } else if self.failed.len() < MAX_FAILED || self.failed.contains_key(&hash) {
            self.failed.insert(hash, call);
        }
    }

    /// The parent span: below the caller's own span if the run belongs to the caller's trace.
    fn above(
        &self,
        kind: SpanKind,
        parent: Option<SpanId>,
        caller: Option<SpanId>,
    ) -> Option<SpanId> {
        if kind == SpanKind::InvokeAgent {
            return self.root.within;
        }
        match parent.filter(|parent| Some(*parent) != self.root.span) {
            Some(parent) => Some(parent),
            None if self.root.within.is_some() => caller.or(self.root.within),
            None => self.root.span,
        }
    }

    fn links(&self, kind: SpanKind, record: &Record) -> Vec<TraceLink> {
        let mut links = Vec::new();
        if kind == SpanKind::ExecuteTool {
            // The caller's trace belongs to another run, so this run is not part of it.
            if let (Some(trace), None, Some(span)) =
                (self.root.trace, self.root.within, caller_of(record))
            {
                links.push(TraceLink { span, trace });
            }
            let arrival = record.event.arrival();
            links.extend(arrival.and_then(|request| request.arrival.link));
        }
        // An effect is a child of its execution, and links to the decision that allowed it.
        if let (SpanKind::Effect, Event::Effect(effect)) = (kind, &record.event)
            && effect.execution.is_some()
        {
            links.push(TraceLink {
                span: effect.parent,
                trace: self.run,
            });
        }
        if let (SpanKind::InvokeAgent, Event::RunStarted(run)) = (kind, &record.event)
            && let (Some(trace), Some(span), None) =
                (run.origin.trace, run.origin.parent, self.root.within)
        {
            links.push(TraceLink { span, trace });
        }
        links
    }
}

/// The caller's own span above the call that a record is about.
fn caller_of(record: &Record) -> Option<SpanId> {
    record.event.arrival()?.caller_span
}

fn otel_kind(kind: SpanKind, record: &Record) -> OtelKind {
    let over_mcp = || {
        let arrival = record.event.arrival();
        arrival.is_some_and(|request| request.arrival.mcp.is_some())
    };
    let over_http = || {
        matches!(&record.event, Event::Effect(effect)
            if matches!(effect.details, Some(EffectDetails::Http(_))))
    };
    match kind {
        SpanKind::ExecuteTool if over_mcp() => OtelKind::Server,
        SpanKind::Effect if over_http() => OtelKind::Client,
        _ => OtelKind::Internal,
    }
}

#[cfg(test)]
mod tests;
