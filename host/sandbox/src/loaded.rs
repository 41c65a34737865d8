use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tollgate_egress::{Network, NetworkConfig};
use tollgate_model::canonical::Sha256Digest;

use crate::{Component, ConfigEntry, Grant, GuestEnvironment};

/// A loaded component with its grants.
#[derive(Debug)]
pub struct LoadedComponent {
    /// Its name in the configuration.
    pub name: String,
    /// Its file.
    pub digest: Sha256Digest,
    /// Compiled, linked and ready to be instantiated.
    pub compiled: Component,
    /// Granted directories, by name.
    pub grants: BTreeMap<String, Arc<Grant>>,
    /// Names of secrets that may be attached to its requests.
    pub secrets: BTreeSet<String>,
    /// Values that the operator configured for it, by key.
    pub config: BTreeMap<String, ConfigEntry>,
    /// Its arguments and environment, as WASI gives them.
    pub environment: GuestEnvironment,
    /// The client for its requests.
    pub network: Network,
    /// The operator's settings for hosts.
    pub hosts: Arc<NetworkConfig>,
}
