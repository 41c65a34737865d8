use std::sync::Arc;

use tollgate_model::canonical::Sha256Digest;

use crate::{Component, resources::Resources};

/// A loaded component with its resources.
#[derive(Debug)]
pub struct LoadedComponent {
    /// Its name in the configuration.
    pub name: String,
    /// Its file.
    pub digest: Sha256Digest,
    /// Compiled, linked and ready to be instantiated.
    pub compiled: Component,
    /// What the operator gives it.
    pub resources: Arc<Resources>,
}
