use std::collections::BTreeSet;

/// A component's request to read one of its configuration entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigAct {
    /// The key.
    pub key: String,
    /// Labels of the entry; of all the component's entries where this one does not exist.
    pub labels: BTreeSet<String>,
}
