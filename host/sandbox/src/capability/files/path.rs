//! Paths of guests: relative, plain, and with one spelling only.
//!
//! A path that policy decided about must name exactly one place. So everything is refused that gives one
//! place two spellings, or makes a path lead elsewhere than it seems: `.` and `..`, empty segments, another
//! normal form, control characters, backslashes.

use unicode_normalization::is_nfc;

/// The most bytes of a path.
const MAX_PATH: usize = 4_096;
/// The most segments of a path.
const MAX_SEGMENTS: usize = 64;
/// The most bytes of a segment.
const MAX_SEGMENT: usize = 255;

/// Prefix of the host's own temporary files. Guests can neither see nor name them.
pub(crate) const RESERVED: &str = ".tollgate-";

/// A path within a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RelativePath {
    text: String,
}

impl RelativePath {
    /// Checks the rules. The empty path is the grant's own directory.
    ///
    /// # Errors
    /// The rule that it breaks, for the guest.
    pub(crate) fn new(text: &str) -> Result<Self, &'static str> {
        if text.len() > MAX_PATH {
            return Err("it has more than 4096 bytes");
        }
        if !is_nfc(text) {
            return Err("it is not in Unicode's normal form C");
        }
        if !text.is_empty() {
            if text.split('/').count() > MAX_SEGMENTS {
                return Err("it has more than 64 segments");
            }
            text.split('/').try_for_each(check_segment)?;
        }
        Ok(Self { text: text.into() })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The segments above the last, and the last; `None` for the grant's own directory.
    pub(crate) fn split(&self) -> Option<(impl Iterator<Item = &str>, &str)> {
        if self.text.is_empty() {
            return None;
        }
        let (above, last) = self.text.rsplit_once('/').unwrap_or(("", &self.text));
        Some((above.split('/').filter(|segment| !segment.is_empty()), last))
    }
}

/// Whether this name of an entry is valid for guests.
pub(crate) fn is_nameable(name: &str) -> bool {
    is_nfc(name) && !name.contains('/') && check_segment(name).is_ok()
}

fn check_segment(segment: &str) -> Result<(), &'static str> {
    match segment {
        "" => Err("a segment is empty: paths are relative, with one `/` between segments"),
        "." | ".." => Err("`.` and `..` are not used"),
        _ if segment.len() > MAX_SEGMENT => Err("a segment has more than 255 bytes"),
        _ if segment.contains('\\') => Err("it has a backslash: write `/`"),
        _ if segment.contains(char::is_control) => Err("it has a control character"),
        _ if segment.starts_with(RESERVED) => {
            Err("names that begin with `.tollgate-` are the host's")
        }
        _ => Ok(()),
    }
}
