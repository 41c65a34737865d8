//! Every span of a run with its attributes.

use std::collections::HashMap;

use serde_json::{Map, Value};
use tollgate_model::ids::SpanId;
use tollgate_trace::{merged_tree::MergedTrace, store::StoredLog};

use crate::{
    render::tree::reported,
    reply::SpanView,
    style::{Tone, line, pad, paint},
    units::duration,
};

/// The deepest indentation.
const MAX_DEPTH: usize = 12;
/// The width of an attribute's name.
const NAME: usize = 34;
/// The longest shown part of a value.
const MAX_VALUE: usize = 400;

/// The most logs of one span that are shown.
const MAX_LOGS: usize = 200;

/// The gate's spans in order of their start, then the reported ones, each with its reported logs.
pub(crate) fn spans(views: &[SpanView], merged: &MergedTrace) -> String {
    let mut logs: HashMap<Option<SpanId>, Vec<&StoredLog>> = HashMap::new();
    for log in merged.logs() {
        logs.entry(log.span).or_default().push(log);
    }
    let mut said = |depth, span: SpanId| {
        let logs = logs.remove(&Some(span)).unwrap_or_default();
        logged(depth, &logs)
    };
    let mut depths: HashMap<SpanId, usize> = HashMap::new();
    let mut text = String::new();
    for view in views {
        let depth = depth(&mut depths, view.span, view.parent);
        let took = view.end.map(|end| end.since(view.start));
        text.push_str(&head(depth, &view.name, view.span, took, view.error, ""));
        text.push_str(&attributes(depth, &view.attributes));
        text.push_str(&said(depth, view.span));
    }
    for span in merged.spans() {
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
        text.push_str(&said(depth, span.span));
    }
    let loose = merged.logs().iter();
    let loose: Vec<&StoredLog> = loose.filter(|log| logs.contains_key(&log.span)).collect();
    text.push_str(&logged(0, &loose));
    text
}

fn logged(depth: usize, logs: &[&StoredLog]) -> String {
    let indent = "  ".repeat(depth);
    let mut text = String::new();
    for log in logs.iter().take(MAX_LOGS) {
        let said = reported::said(log, "", true);
        text.push_str(&format!("{indent}    {}\n", paint(&said, Tone::Weak)));
    }
    if logs.len() > MAX_LOGS {
        let more = logs.len() - MAX_LOGS;
        text.push_str(&format!("{indent}    … and {more} reported logs more\n"));
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
