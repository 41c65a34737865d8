//! A component that is ready to be called.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tollgate_model::canonical::Sha256Digest;

use super::{Component, Grant, GuestEnvironment, Network};

/// A component with what it was granted.
#[derive(Debug)]
pub struct LoadedComponent {
    /// Its name in the configuration.
    pub name: String,
    /// SHA-256 of its file.
    pub digest: Sha256Digest,
    /// Compiled, linked and ready to be instantiated.
    pub compiled: Component,
    /// Directories that it was granted, by name.
    pub grants: BTreeMap<String, Arc<Grant>>,
    /// Secrets that it may have attached to requests.
    pub secrets: BTreeSet<String>,
    /// Its arguments and environment.
    pub environment: GuestEnvironment,
    /// What its HTTP requests are sent with.
    pub network: Network,
}
