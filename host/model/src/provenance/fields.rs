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

    /// Its names, without `*`.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Any => None,
            Part::Named(name) => Some(name.as_str()),
        })
    }

    /// Whether it covers only what is below a path.
    fn is_below<S: AsRef<str>>(&self, path: &[S]) -> bool {
        let matches = |(part, at): (&Part, &S)| match part {
            Part::Any => true,
            Part::Named(name) => name == at.as_ref(),
        };
        self.parts.len() > path.len() && self.parts.iter().zip(path).all(matches)
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
    pub(super) fn names_end<S: AsRef<str>>(&self, path: &[S]) -> bool {
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

/// Who says something about a tool's values.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum Authority {
    /// The operator, in the configuration.
    Operator,
    /// The tool's own definition, by a schema or a name.
    Definition,
}

named!(Authority);

/// The trust in some fields of a tool's results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustRule {
    /// Which fields.
    pub pattern: PointerPattern,
    /// The trust in them.
    pub trust: Trust,
    /// Who says it.
    pub by: Authority,
}

/// The trust in each field of a tool's results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldTrust {
    default: Trust,
    rules: Vec<TrustRule>,
}

impl FieldTrust {
    /// `default` holds for fields that no pattern covers, and for text that has no fields. `fields` is what the
    /// operator says.
    #[must_use]
    pub fn new(default: Trust, fields: Vec<(PointerPattern, Trust)>) -> Self {
        let mut trust = Self {
            default,
            rules: Vec::new(),
        };
        trust.extend(fields, Authority::Operator);
        trust
    }

    /// Adds what the tool's definition says. It holds only for fields of which the operator says nothing.
    pub fn add_marks(&mut self, marks: Vec<(PointerPattern, Trust)>) {
        self.extend(marks, Authority::Definition);
    }

    fn extend(&mut self, fields: Vec<(PointerPattern, Trust)>, by: Authority) {
        let rules = fields
            .into_iter()
            .map(|(pattern, trust)| TrustRule { pattern, trust, by });
        self.rules.extend(rules);
    }

    /// The trust in fields that no pattern covers.
    #[must_use]
    pub fn default_trust(&self) -> Trust {
        self.default
    }

    /// The trust in a text that is all of a result: in the least safe of its fields.
    #[must_use]
    pub fn of_whole(&self) -> Trust {
        self.of_text::<&str>(&[])
    }

    /// What is said about fields.
    #[must_use]
    pub fn rules(&self) -> &[TrustRule] {
        &self.rules
    }

    /// Whether no field is trusted.
    pub(super) fn is_untrusted(&self) -> bool {
        let mut all = self.rules.iter().map(|rule| rule.trust);
        self.default == Trust::Untrusted && all.all(|trust| trust == Trust::Untrusted)
    }

    /// The trust in a text at this path: untrusted also if it may hold a field that is not trusted.
    pub(super) fn of_text<S: AsRef<str>>(&self, path: &[S]) -> Trust {
        let holds = |rule: &TrustRule| rule.trust != Trust::Trusted && rule.pattern.is_below(path);
        match self.of(path) {
            Trust::Untrusted => Trust::Untrusted,
            _ if self.rules.iter().any(holds) => Trust::Untrusted,
            trust => trust,
        }
    }

    /// The same for a result of which strangers may have written anything: only patterns of fields count.
    pub(super) fn of_fields(&self) -> Self {
        let is_field = |rule: &&TrustRule| !rule.pattern.parts.is_empty();
        Self {
            default: Trust::Untrusted,
            rules: self.rules.iter().filter(is_field).cloned().collect(),
        }
    }

    /// The trust in a field: of the operator's pattern that covers it most exactly, else of the definition's. The
    /// least of two that are as exact.
    pub(super) fn of<S: AsRef<str>>(&self, path: &[S]) -> Trust {
        let by = |by: Authority| {
            let rules = self.rules.iter().filter(move |rule| rule.by == by);
            most_exact(rules, path)
        };
        by(Authority::Operator)
            .or_else(|| by(Authority::Definition))
            .unwrap_or(self.default)
    }
}

fn most_exact<'a, S: AsRef<str>>(
    rules: impl Iterator<Item = &'a TrustRule>,
    path: &[S],
) -> Option<Trust> {
    let mut best: Option<((usize, usize), Trust)> = None;
    for rule in rules {
        let Some(rank) = rule.pattern.covers(path) else {
            continue;
        };
        best = match best {
            Some((better, held)) if better > rank => Some((better, held)),
            Some((equal, held)) if equal == rank => Some((rank, held.max(rule.trust))),
            _ => Some((rank, rule.trust)),
        };
    }
    best.map(|(_, trust)| trust)
}

#[cfg(test)]
mod tests;
