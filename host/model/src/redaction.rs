//! Redaction: values at JSON pointers are replaced by a placeholder, as a policy's `@redact` asks for.
//!
//! The same rule holds for results and for arguments: a pointer without a match is an error, unless the schema
//! lets the member be absent. So nothing is released or executed that only looks redacted.

use serde_json::Value;

use crate::canonical::{self, unescape_segment};

/// The placeholder for a redacted value.
pub const PLACEHOLDER: &str = "[redacted]";

/// A pointer has no match.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("nothing is at `{pointer}`")]
pub struct NotFound {
    /// The pointer.
    pub pointer: String,
}

/// Replaces the values at `pointers` (RFC 6901) by [`PLACEHOLDER`], and returns their number. `*` as a segment
/// matches every member or element. A text that is a JSON object or array is read as such where a pointer
/// leads into it, and is then in canonical form.
///
/// `may_be_absent` says whether the schema lets the member with this path be absent; the path has `*` for every
/// element of an array. Null counts as absent there.
///
/// # Errors
/// [`NotFound`]; `value` may have been changed in part.
pub fn redact<'p>(
    value: &mut Value,
    pointers: impl IntoIterator<Item = &'p String>,
    may_be_absent: &dyn Fn(&[String]) -> bool,
) -> Result<u64, NotFound> {
    let mut count = 0;
    for pointer in pointers {
        let replaced = segments(pointer).and_then(|segments| {
            let mut site = Site {
                path: Vec::new(),
                may_be_absent,
            };
            site.replace(value, &segments)
        });
        count += replaced.ok_or_else(|| NotFound {
            pointer: pointer.clone(),
        })?;
    }
    Ok(count)
}

fn segments(pointer: &str) -> Option<Vec<String>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    let path = pointer.strip_prefix('/')?;
    Some(path.split('/').map(unescape_segment).collect())
}

/// A place within the value.
struct Site<'a> {
    path: Vec<String>,
    may_be_absent: &'a dyn Fn(&[String]) -> bool,
}

impl Site<'_> {
    /// Replaces what `segments` name below `value`. `None` if something is missing.
    fn replace(&mut self, value: &mut Value, segments: &[String]) -> Option<u64> {
        let Some((segment, rest)) = segments.split_first() else {
            *value = Value::String(PLACEHOLDER.into());
            return Some(1);
        };
        match (segment.as_str(), value) {
            ("*", Value::Array(items)) => self.each(items.iter_mut().map(|item| ("*", item)), rest),
            ("*", Value::Object(members)) => {
                let members = members.iter_mut();
                self.each(members.map(|(name, member)| (name.as_str(), member)), rest)
            }
            (name, Value::Object(members)) => match members.get_mut(name) {
                Some(member) if !member.is_null() => self.within(name, member, rest),
                None | Some(_) if self.is_optional(name) => Some(0),
                Some(null) => self.within(name, null, rest),
                None => None,
            },
            (index, Value::Array(items)) => {
                let item = items.get_mut(index.parse::<usize>().ok()?)?;
                self.within("*", item, rest)
            }
            (_, Value::String(text)) => {
                let mut inner = canonical::parse(text).ok()?;
                if !inner.is_object() && !inner.is_array() {
                    return None;
                }
                // No schema describes what a text contains.
                let mut site = Site {
                    path: Vec::new(),
                    may_be_absent: &|_| false,
                };
                let count = site.replace(&mut inner, segments)?;
                *text = String::from_utf8(canonical::to_canonical(&inner).ok()?).ok()?;
                Some(count)
            }
            _ => None,
        }
    }

    fn each<'v>(
        &mut self,
        members: impl Iterator<Item = (&'v str, &'v mut Value)>,
        rest: &[String],
    ) -> Option<u64> {
        members
            .map(|(name, member)| self.within(name, member, rest))
            .sum()
    }

    fn within(&mut self, name: &str, member: &mut Value, rest: &[String]) -> Option<u64> {
        self.path.push(name.to_owned());
        let count = self.replace(member, rest);
        self.path.pop();
        count
    }

    fn is_optional(&mut self, name: &str) -> bool {
        self.path.push(name.to_owned());
        let is_optional = (self.may_be_absent)(&self.path);
        self.path.pop();
        is_optional
    }
}

#[cfg(test)]
mod tests;
