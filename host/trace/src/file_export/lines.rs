//! One span a line, as JSON.

use crate::store::StoredSpan;

/// The spans, each on a line of its own.
///
/// # Errors
/// If a span has no JSON; none is like that.
pub fn lines(spans: &[StoredSpan]) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    for span in spans {
        text.push_str(&serde_json::to_string(span)?);
        text.push('\n');
    }
    Ok(text)
}
