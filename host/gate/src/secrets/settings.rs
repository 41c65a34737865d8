//! What `[secrets]` says.

use std::collections::BTreeSet;

use tollgate_model::entity::{Entity, Kind, Uid};

use super::SecretSource;

/// A secret: where its value comes from, never the value.
#[derive(Debug, Clone)]
pub struct SecretConfig {
    /// Where its value comes from.
    pub source: SecretSource,
    /// What it is; `None` means `unlabelled`.
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
