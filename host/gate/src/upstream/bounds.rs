//! Limits of what servers say of prompts and resources.

use serde_json::Value;

/// The most bytes of a name, as for tools (MCP suggests 128).
const MAX_NAME: usize = 128;
/// The most bytes of a title, and of a name for people.
pub(super) const MAX_TITLE: usize = 256;
/// The most bytes of a description.
const MAX_DESCRIPTION: usize = 16 << 10;

/// A member that is text.
pub(super) fn text<'v>(entry: &'v Value, key: &str) -> Option<&'v str> {
    entry.get(key).and_then(Value::as_str)
}

/// A member of at most `max` bytes of text, if it is there.
pub(super) fn optional(entry: &Value, key: &str, max: usize) -> Result<Option<String>, String> {
    match text(entry, key) {
        Some(text) if text.len() > max => {
            let size = text.len();
            Err(format!("its {key} has {size} bytes, more than {max}"))
        }
        text => Ok(text.map(str::to_owned)),
    }
}

/// A member of 1 to `max` bytes of text.
pub(super) fn required(entry: &Value, key: &str, max: usize) -> Result<String, String> {
    let text = optional(entry, key, max)?.filter(|text| !text.is_empty());
    text.ok_or_else(|| format!("it has no {key}"))
}

/// The description; empty if there is none.
pub(super) fn description(entry: &Value) -> Result<String, String> {
    let text = optional(entry, "description", MAX_DESCRIPTION)?;
    Ok(text.unwrap_or_default())
}

/// Requires that a name is one that policies and configuration can hold.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let plain = |b: u8| (b' '..=b'~').contains(&b) && !b"\"'`\\".contains(&b);
    let is_plain = name.bytes().all(plain) && name.trim() == name;
    match (1..=MAX_NAME).contains(&name.len()) && is_plain {
        true => Ok(()),
        false => Err(format!(
            "its name is not 1 to {MAX_NAME} ASCII characters without quotes and backslashes, with blanks only \
             between others"
        )),
    }
}
