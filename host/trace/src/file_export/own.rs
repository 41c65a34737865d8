//! The gate's own spans of a run, for files. Entities are keyed hashes, as in exports to collectors.

use std::{cell::RefCell, collections::BTreeSet};

use serde_json::{Map, Value, json};
use tollgate_model::{
    entity::Uid,
    ids::RunId,
    record::{KeyedDigest, Record},
    span::{Naming, RunSpans, Span},
};

use crate::{
    export::PURPOSE,
    store::{Attributes, Body, SpanOrigin, StoredSpan},
};

/// The inputs of the keyed hash of an entity.
#[must_use]
pub fn hash_parts(who: &Uid) -> [&[u8]; 3] {
    [PURPOSE, who.kind.name().as_bytes(), who.id.as_bytes()]
}

/// All entities in the spans of a run's records, which are in order.
#[must_use]
pub fn named(run: RunId, records: &[(u64, Record)]) -> BTreeSet<Uid> {
    let names = RefCell::new(BTreeSet::new());
    drop(own(run, records, &|who| {
        names.borrow_mut().insert(who.clone());
        None
    }));
    names.into_inner()
}

/// The spans of a run's records, which are in order. Entities without a hash in `hashed` are left out.
#[must_use]
pub fn own(
    run: RunId,
    records: &[(u64, Record)],
    hashed: &dyn Fn(&Uid) -> Option<KeyedDigest>,
) -> Vec<StoredSpan> {
    let mut spans = RunSpans::new(run);
    for (index, record) in records {
        spans.apply(*index, record, Naming::Hashed(hashed));
    }
    let spans = spans.into_spans().into_iter();
    spans.map(|span| stored(run, span)).collect()
}

fn stored(run: RunId, span: Span) -> StoredSpan {
    let object = |attributes: Vec<(&'static str, Value)>| -> Map<String, Value> {
        let attributes = attributes.into_iter();
        attributes
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    };
    let name = span.otel_name().to_owned();
    let events = span.events.into_iter().map(|event| {
        json!({ "time": event.time, "name": event.name, "attributes": object(event.attributes) })
    });
    let links = span
        .links
        .iter()
        .map(|link| json!({ "trace": link.trace, "span": link.span, "attributes": {} }));
    StoredSpan {
        trace: run,
        span: span.id,
        parent: span.parent,
        origin: SpanOrigin::Gate,
        reporter: String::new(),
        name,
        kind: span.kind.as_str().to_owned(),
        start: span.start,
        end: span.end,
        error: span.error.map(str::to_owned),
        model: None,
        usage: None,
        counts: false,
        resource: Attributes::new().into(),
        scope: Attributes::new().into(),
        body: Body {
            events: events.collect(),
            links: links.collect(),
            dropped: span.dropped_events.into(),
            attributes: object(span.attributes),
            ..Body::default()
        },
    }
}
