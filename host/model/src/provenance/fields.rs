//! Which fields of a result strangers can write.

use std::fmt;

use crate::canonical::{escape_segment, unescape_segment};

/// Whether a field is written by the system or by strangers.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum Trust {
    /// Strangers cannot write it: an id, an address, an amount that the system itself vouches for.
    Trusted,
    /// The system vouches for it, and it names a stranger who chose to stand there: who wrote, paid or invited.
    Counterparty,
    /// Strangers can write it.
    Untrusted,
}

named!(Trust);

/// A JSON pointer in which `*` stands for any member or item. It covers everything below it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PointerPattern {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Any,
    Named(String),
}

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a JSON pointer: it is empty, or begins with `/`, as in \"/items/*/id\"")]
pub struct PatternError(String);

impl PointerPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PatternError`] unless the text is empty or begins with `/`.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Ok(Self { parts: Vec::new() });
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err(PatternError(text.to_owned()));
        };
        let part = |part: &str| match part {
            "*" => Part::Any,
            name => Part::Named(unescape_segment(name)),
        };
        Ok(Self {
            parts: rest.split('/').map(part).collect(),
        })
    }

    /// How exactly it covers a path: more parts first, then more names. `None` if it does not.
    pub(super) fn covers<S: AsRef<str>>(&self, path: &[S]) -> Option<(usize, usize)> {
        if self.parts.len() > path.len() {
            return None;
        }
        let mut names = 0;
        for (part, at) in self.parts.iter().zip(path) {
            match part {
                Part::Any => {}
                Part::Named(name) if name == at.as_ref() => names += 1,
                Part::Named(_) => return None,
            }
        }
        Some((self.parts.len(), names))
    }

    /// Whether it covers all that another one covers.
    pub(super) fn includes(&self, other: &Self) -> bool {
        let mut both = self.parts.iter().zip(&other.parts);
        self.parts.len() <= other.parts.len()
            && both.all(|(own, other)| *own == Part::Any || own == other)
    }

    /// Whether it says the name at the end of a path: there, or on the way to what is below.
    pub(super) fn names<S: AsRef<str>>(&self, path: &[S]) -> bool {
        let mut both = self.parts.iter().zip(path);
        let last = path.len().checked_sub(1).and_then(|at| self.parts.get(at));
        matches!(last, Some(Part::Named(_)))
            && both.all(|(part, at)| match part {
                Part::Any => true,
                Part::Named(name) => name == at.as_ref(),
            })
    }

    /// Whether it stands for this path itself, not for one above it.
    pub(super) fn is_at<S: AsRef<str>>(&self, path: &[S]) -> bool {
        self.parts.len() == path.len() && self.covers(path).is_some()
    }

    pub(super) fn ends_in_name(&self) -> bool {
        matches!(self.parts.last(), Some(Part::Named(_)))
    }
}

impl fmt::Display for PointerPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Any => f.write_str("/*")?,
                Part::Named(name) => {
                    write!(f, "/{}", escape_segment(name))?;
                }
            }
        }
        Ok(())
    }
}

/// The trust in each field of a tool's results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldTrust {
    default: Trust,
    fields: Vec<(PointerPattern, Trust)>,
}

impl FieldTrust {
    /// `default` holds for fields that no pattern covers, and for text that has no fields.
    #[must_use]
    pub fn new(default: Trust, fields: Vec<(PointerPattern, Trust)>) -> Self {
        Self { default, fields }
    }

    /// The trust in fields that no pattern covers.
    #[must_use]
    pub fn default_trust(&self) -> Trust {
        self.default
    }

    /// The patterns with their trust.
    pub fn iter(&self) -> impl Iterator<Item = (&PointerPattern, Trust)> {
        self.fields.iter().map(|(pattern, trust)| (pattern, *trust))
    }

    /// Whether no field is trusted.
    pub(super) fn is_untrusted(&self) -> bool {
        let mut all = self.fields.iter().map(|(_, trust)| *trust);
        self.default == Trust::Untrusted && all.all(|trust| trust == Trust::Untrusted)
    }

    /// The same for a result of which strangers may have written anything: only patterns of fields count.
    pub(super) fn of_fields(&self) -> Self {
        let is_field = |(pattern, _): &&(PointerPattern, Trust)| !pattern.parts.is_empty();
        Self {
            default: Trust::Untrusted,
            fields: self.fields.iter().filter(is_field).cloned().collect(),
        }
    }

    /// The trust in a field: of the pattern that covers it most exactly. The least of two that are as exact.
    pub(super) fn of<S: AsRef<str>>(&self, path: &[S]) -> Trust {
        let mut best: Option<((usize, usize), Trust)> = None;
        for (pattern, trust) in &self.fields {
            let Some(rank) = pattern.covers(path) else {
                continue;
            };
            best = match best {
                Some((better, held)) if better > rank => Some((better, held)),
                Some((equal, held)) if equal == rank => Some((rank, held.max(*trust))),
                _ => Some((rank, *trust)),
            };
        }
        best.map_or(self.default, |(_, trust)| trust)
    }
}

#[cfg(test)]
mod tests;
