//! What the operator gives a component: directories, secrets, values, an environment, the network.

mod config;
mod environment;
mod grant;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tollgate_egress::{Network, NetworkConfig};

pub use config::{ConfigEntry, ConfigValue, MAX_TEXTS, MAX_VALUE, is_key};
pub use environment::GuestEnvironment;
pub use grant::{Grant, GrantMode};

/// What the operator gives a component.
#[derive(Debug)]
pub struct Resources {
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
