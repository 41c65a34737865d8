//! One span per line, as JSON.

use crate::store::StoredSpan;

/// The spans, one per line.
///
/// # Errors
/// A span cannot be serialized, which does not happen.
pub fn lines(spans: &[StoredSpan]) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    for span in spans {
        text.push_str(&serde_json::to_string(span)?);
        text.push('\n');
    }
    Ok(text)
}
