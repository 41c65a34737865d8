//! Every span of a run with its attributes.

use std::collections::HashMap;

use serde_json::Value;
use tollgate_core::ids::SpanId;

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

/// The spans, in the order in which they began.
pub(crate) fn spans(views: &[SpanView]) -> String {
    let mut depths: HashMap<SpanId, usize> = HashMap::new();
    let mut text = String::new();
    for view in views {
        let above = view.parent.and_then(|parent| depths.get(&parent));
        let depth = above.map_or(0, |depth| (depth + 1).min(MAX_DEPTH));
        depths.insert(view.span, depth);
        let indent = "  ".repeat(depth);
        let took = match view.end {
            Some(end) => duration(end.since(view.start)),
            None => "open".into(),
        };
        let mut head = format!(
            "{indent}{}  {}  {}",
            paint(&line(&view.name, 160), Tone::Strong),
            paint(&view.span.to_string(), Tone::Name),
            paint(&took, Tone::Weak),
        );
        if let Some(error) = view.error {
            head.push_str(&format!("  {}", paint(error, Tone::Bad)));
        }
        text.push_str(&format!("{head}\n"));
        for (name, value) in &view.attributes {
            let value = match value {
                Value::String(text) => line(text, MAX_VALUE),
                other => line(&other.to_string(), MAX_VALUE),
            };
            let name = pad(&line(name, 80), NAME, Tone::Weak);
            text.push_str(&format!("{indent}    {name} {value}\n"));
        }
    }
    text
}
