//! Paths as guests write them: relative, plain, and spelled in one way only.
//!
//! A path that policy decided about names one place. So everything by which two spellings could name the
//! same place, or one spelling another place than it seems, is refused: `.` and `..`, empty segments,
//! another normal form, control characters, backslashes.

use unicode_normalization::is_nfc;

/// Bytes of a path.
const MAX_PATH: usize = 4_096;
/// Segments of a path.
const MAX_SEGMENTS: usize = 64;
/// Bytes of a segment.
const MAX_SEGMENT: usize = 255;

/// How names of the host's own files begin, while something is written. Guests neither see nor name them.
pub(crate) const RESERVED: &str = ".tollgate-";

/// A path within a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RelativePath {
    text: String,
}

impl RelativePath {
    /// Check the rules. The empty path is the grant's own directory.
    ///
    /// # Errors
    /// Which rule it breaks, for the guest.
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

/// Whether a guest may name an entry like this.
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
