//! Settings of `[secrets]`.

use std::collections::BTreeSet;

use tollgate_model::entity::{Entity, Kind, Uid};

use super::SecretSource;

/// A secret: the source of its value, never the value.
#[derive(Debug, Clone, PartialEq)]
pub struct SecretConfig {
    /// The source of its value.
    pub source: SecretSource,
    /// Its labels; `None` means `unlabelled`.
    pub labels: Option<BTreeSet<String>>,
}

impl SecretConfig {
    pub(crate) fn entity(&self, name: &str) -> Entity {
        let label = |label: &str| Uid::new(Kind::Label, label);
        let labels = match &self.labels {
            Some(labels) => labels.iter().map(|l| label(l)).collect(),
            None => vec![label("unlabelled")],
        };
        Entity::new(Uid::new(Kind::Secret, name), labels)
    }
}
