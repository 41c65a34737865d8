//! A span with everything that its run's records say about it.

use serde_json::Value;

use super::{Attributes, OtelKind, SpanKind};
use crate::{ids::SpanId, record::TraceLink, time::Timestamp};

/// The most events that one span keeps; further ones are counted.
const MAX_EVENTS: usize = 128;

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

    pub(super) fn take_on(&mut self, attributes: Attributes) {
        for (name, value) in attributes {
            self.set(name, value);
        }
    }

    pub(super) fn happened(&mut self, name: &'static str, time: Timestamp, attributes: Attributes) {
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
