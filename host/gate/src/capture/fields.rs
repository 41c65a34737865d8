//! Treatments of the fields of a JSON value, by JSON pointer (RFC 6901); the longest matching pointer wins.
//! `*` as a segment matches any.

use std::collections::BTreeMap;

use tollgate_model::canonical::unescape_segment;

/// What is done with a value.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum Treatment {
    /// Kept, without the secrets in it.
    Keep,
    /// Replaced by its keyed digest, so that equal values stay comparable.
    Hash,
    /// Replaced by a token, which the gate resolves for people who may read payloads.
    Tokenize,
    /// Replaced by a placeholder.
    Redact,
    /// Left out.
    #[default]
    Drop,
}

impl Treatment {
    /// As the configuration spells them.
    pub const NAMES: &[&str] = <Self as strum::VariantNames>::VARIANTS;

    /// The treatment of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        name.parse().ok()
    }
}

/// The fields of a value, with their treatments.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Fields {
    here: Option<Treatment>,
    below: BTreeMap<String, Fields>,
    any: Option<Box<Fields>>,
}

impl Fields {
    /// Sets the treatment of the fields that `pointer` names. Returns whether it is a JSON pointer.
    pub fn set(&mut self, pointer: &str, treatment: Treatment) -> bool {
        let mut at = self;
        if !pointer.is_empty() {
            let Some(path) = pointer.strip_prefix('/') else {
                return false;
            };
            for segment in path.split('/') {
                at = match segment {
                    "*" => at.any.get_or_insert_default(),
                    name => at.below.entry(unescape_segment(name)).or_default(),
                };
            }
        }
        at.here = Some(treatment);
        true
    }

    /// The pointers for which a treatment is set.
    #[must_use]
    pub fn pointers(&self) -> Vec<String> {
        let mut pointers = Vec::new();
        self.add_pointers("", &mut pointers);
        pointers
    }

    fn add_pointers(&self, at: &str, pointers: &mut Vec<String>) {
        if self.here.is_some() {
            pointers.push(at.to_owned());
        }
        for (name, fields) in &self.below {
            let name = name.replace('~', "~0").replace('/', "~1");
            fields.add_pointers(&format!("{at}/{name}"), pointers);
        }
        if let Some(any) = &self.any {
            any.add_pointers(&format!("{at}/*"), pointers);
        }
    }

    /// Whether no treatment is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A position in a value, with the treatments that may apply.
#[derive(Debug, Clone)]
pub(super) struct FieldPosition<'f> {
    fields: Vec<&'f Fields>,
    /// The treatment of its parent.
    pub(super) treatment: Treatment,
}

impl<'f> FieldPosition<'f> {
    /// The whole value; earlier entries of `fields` take precedence.
    pub(super) fn whole(
        fields: impl IntoIterator<Item = &'f Fields>,
        otherwise: Treatment,
    ) -> Self {
        Self::new(fields.into_iter().collect(), otherwise)
    }

    fn new(fields: Vec<&'f Fields>, otherwise: Treatment) -> Self {
        let here = fields.iter().find_map(|fields| fields.here);
        Self {
            fields,
            treatment: here.unwrap_or(otherwise),
        }
    }

    /// The member of this name, or the element of this number.
    pub(super) fn below(&self, name: &str) -> Self {
        let exact = self
            .fields
            .iter()
            .filter_map(|fields| fields.below.get(name));
        let any = self
            .fields
            .iter()
            .filter_map(|fields| fields.any.as_deref());
        Self::new(exact.chain(any).collect(), self.treatment)
    }

    /// Whether a treatment is set for something inside.
    pub(super) fn says_more(&self) -> bool {
        let more = |fields: &&Fields| !fields.below.is_empty() || fields.any.is_some();
        self.fields.iter().any(more)
    }
}

#[cfg(test)]
mod tests;
