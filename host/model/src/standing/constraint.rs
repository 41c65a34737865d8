//! What a standing approval requires of one argument.

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use crate::{canonical::to_canonical, provenance::Role, text::printable};

/// What one argument must be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Constraint {
    /// Exactly this value.
    Equal(Value),
    /// Exactly one of these values.
    OneOf(Vec<Value>),
    /// A text that begins with this one, and continues without a way out of it; see [`continues`].
    Prefix(String),
    /// A number within these bounds, both included.
    Range {
        /// The least.
        at_least: Number,
        /// The most.
        at_most: Number,
    },
    /// Any value of this kind.
    Any(ScalarKind),
}

/// The kind of a JSON value that is neither an array nor an object.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum ScalarKind {
    /// A string.
    Text,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
}

named!(ScalarKind);

impl ScalarKind {
    /// The kind of a value; `None` for null, an array or an object.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(_) => Some(Self::Text),
            Value::Number(_) => Some(Self::Number),
            Value::Bool(_) => Some(Self::Boolean),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

impl Constraint {
    /// Whether it is narrow enough for an argument with this role; `None` for an argument without one.
    #[must_use]
    pub fn suits(&self, role: Option<Role>) -> bool {
        match self {
            Self::Equal(_) | Self::OneOf(_) => true,
            Self::Prefix(_) => matches!(role, None | Some(Role::Path | Role::Url)),
            Self::Range { .. } | Self::Any(_) => role.is_none(),
        }
    }

    /// Whether a value meets it.
    #[must_use]
    pub fn admits(&self, value: &Value) -> bool {
        match self {
            Self::Equal(equal) => is_same(equal, value),
            Self::OneOf(values) => values.iter().any(|one| is_same(one, value)),
            Self::Prefix(prefix) => value.as_str().is_some_and(|text| continues(prefix, text)),
            Self::Range { at_least, at_most } => value
                .as_number()
                .is_some_and(|number| is_at_most(at_least, number) && is_at_most(number, at_most)),
            Self::Any(kind) => ScalarKind::of(value) == Some(*kind),
        }
    }
}

/// Whether two values have the same canonical form, which is what is decided and executed.
fn is_same(a: &Value, b: &Value) -> bool {
    match (to_canonical(a), to_canonical(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

/// Compares numbers within ±(2^53 − 1), as arguments are: doubles hold them exactly.
pub(super) fn is_at_most(a: &Number, b: &Number) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a <= b,
        _ => false,
    }
}

/// Sequences that a reader of a path or a URL may take for a separator, a dot, or, decoded twice, for these.
const ENCODED: [&str; 5] = ["%2e", "%2f", "%5c", "%3b", "%25"];

/// Where a segment of a path ends. Servers cut what follows `;` off a segment; a URL's path ends at `?` or `#`.
const SEGMENT_ENDS: [char; 4] = ['/', '?', '#', ';'];

/// Whether `text` begins with `prefix` and stays below it: no segment of it is `.` or `..`, nothing in it is a
/// backslash, an encoded separator, or a character that is not shown, and below a folder it is one path.
pub(super) fn continues(prefix: &str, text: &str) -> bool {
    let Some(rest) = text.strip_prefix(prefix) else {
        return false;
    };
    let folded = rest.to_ascii_lowercase();
    // A sequence may begin in the prefix.
    let last_two: String = prefix.chars().rev().take(2).collect();
    let seam = last_two
        .chars()
        .rev()
        .collect::<String>()
        .to_ascii_lowercase()
        + &folded;
    !rest.contains('\\')
        && !ENCODED.iter().any(|encoded| seam.contains(encoded))
        && !text
            .split(SEGMENT_ENDS)
            .any(|part| matches!(part, "." | ".."))
        && (!prefix.contains('/') || is_one_path(prefix, rest))
        && !text.contains(char::is_control)
        && printable(text, usize::MAX) == text
}

/// Whether what follows a folder continues one path or URL: it is not a list, a pattern of paths, or two of them.
fn is_one_path(folder: &str, rest: &str) -> bool {
    let is_pattern = |c: char| c == '?' && !folder.contains("://");
    let second = |c: char| c.is_whitespace() || c == ':';
    let is_second = rest
        .split_once(second)
        .is_some_and(|(_, second)| second.contains('/'));
    !rest.contains([',', ';', '|', '*', '[', '{', '`', '$'])
        && !rest.contains(is_pattern)
        && !is_second
}
