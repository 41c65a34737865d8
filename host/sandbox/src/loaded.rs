use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tollgate_egress::{Network, NetworkConfig};
use tollgate_model::canonical::Sha256Digest;

use crate::{Component, ConfigEntry, Grant, GuestEnvironment};

/// A component that is loaded, with what it was granted.
#[derive(Debug)]
pub struct LoadedComponent {
    /// Its name in the configuration.
    pub name: String,
    /// Its file.
    pub digest: Sha256Digest,
    /// Compiled, linked and ready to be instantiated.
    pub compiled: Component,
    /// Directories that it was granted, by name.
    pub grants: BTreeMap<String, Arc<Grant>>,
    /// Names of secrets that it may have attached to requests.
    pub secrets: BTreeSet<String>,
    /// Values that the operator configured for it, by key.
    pub config: BTreeMap<String, ConfigEntry>,
    /// Its arguments and environment, as WASI gives them.
    pub environment: GuestEnvironment,
    /// What its requests are sent with.
    pub network: Network,
    /// What the operator says about hosts.
    pub hosts: Arc<NetworkConfig>,
}
