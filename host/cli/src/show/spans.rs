//! Every span of a run with its attributes.

use std::collections::HashMap;

use serde_json::{Map, Value};
use tollgate_core::ids::SpanId;
use tollgate_trace::store::StoredSpan;

use super::{
    measure::duration,
    paint::{Tone, line, pad, paint},
};
use crate::reply::SpanView;

/// How deep spans are indented at most.
const MAX_DEPTH: usize = 12;
/// Columns of an attribute's name.
const NAME: usize = 34;
/// How much of a value is shown.
const MAX_VALUE: usize = 400;

/// The gate's spans, in the order in which they began, and then those that were reported.
pub(crate) fn spans(views: &[SpanView], reported: &[StoredSpan]) -> String {
    let mut depths: HashMap<SpanId, usize> = HashMap::new();
    let mut text = String::new();
    for view in views {
        let depth = depth(&mut depths, view.span, view.parent);
        let took = view.end.map(|end| end.since(view.start));
        text.push_str(&head(depth, &view.name, view.span, took, view.error, ""));
        text.push_str(&attributes(depth, &view.attributes));
    }
    for span in reported {
        let depth = depth(&mut depths, span.span, span.parent);
        let took = span.end.map(|end| end.since(span.start));
        let by = format!("reported by {}", line(&span.reporter, 80));
        text.push_str(&head(
            depth,
            &span.name,
            span.span,
            took,
            span.error.as_deref(),
            &by,
        ));
        text.push_str(&attributes(depth, &span.body.attributes));
    }
    text
}

fn depth(depths: &mut HashMap<SpanId, usize>, span: SpanId, parent: Option<SpanId>) -> usize {
    let above = parent.and_then(|parent| depths.get(&parent));
    let depth = above.map_or(0, |depth| (depth + 1).min(MAX_DEPTH));
    depths.insert(span, depth);
    depth
}

fn head(
    depth: usize,
    name: &str,
    span: SpanId,
    took: Option<u64>,
    error: Option<&str>,
    by: &str,
) -> String {
    let parts = [
        paint(&line(name, 160), Tone::Strong),
        paint(&span.to_string(), Tone::Name),
        paint(&took.map_or_else(|| "open".into(), duration), Tone::Weak),
        paint(&line(error.unwrap_or_default(), 80), Tone::Bad),
        paint(by, Tone::Wait),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    format!("{}{}\n", "  ".repeat(depth), parts.join("  "))
}

fn attributes(depth: usize, attributes: &Map<String, Value>) -> String {
    let indent = "  ".repeat(depth);
    let mut text = String::new();
    for (name, value) in attributes {
        let value = match value {
            Value::String(text) => line(text, MAX_VALUE),
            other => line(&other.to_string(), MAX_VALUE),
        };
        let name = pad(&line(name, 80), NAME, Tone::Weak);
        text.push_str(&format!("{indent}    {name} {value}\n"));
    }
    text
}
