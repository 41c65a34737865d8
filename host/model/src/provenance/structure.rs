//! Text that is JSON, YAML or a Markdown table, as fields.

mod markdown;
mod yaml;

use serde_json::Value;

use crate::canonical;

/// The most bytes of a text that is read as structure. A longer one is one text.
const MAX_BYTES: usize = 4 << 20;

/// The fields of a text: `None` unless all of it is JSON, YAML or a Markdown table with rows, so that every word
/// of it is in a field. All is read strictly, as programs write it; scalars of YAML and cells of tables are
/// strings.
#[must_use]
pub fn structured(text: &str) -> Option<Value> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let trimmed = text.trim();
    match trimmed.bytes().next()? {
        b'{' | b'[' => canonical::parse_with_any_number(trimmed)
            .ok()
            .or_else(|| yaml::flow(trimmed)),
        b'|' => markdown::table(trimmed),
        _ => yaml::block(text),
    }
}
