//! What one call keeps from beginning to end: configuration, policies and tools, immutable.
//!
//! A reload builds the next snapshot and swaps the pointer; a bad reload changes nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use serde_json::Value;
use tollgate_model::canonical::Sha256Digest;
use tollgate_policy::pdp::Pdp;

use crate::{
    capture::Capture,
    config::{Config, Surroundings},
    provider::Provider,
    sandbox::{Component, Limits, Network},
    secrets::Vault,
    upstream::LoadedUpstream,
};

/// One immutable state of the gate.
pub struct Snapshot {
    /// The validated configuration.
    pub config: Config,
    /// The decision point for the loaded bundle.
    pub pdp: Pdp,
    /// The bundle's canonical JSON, as it is stored.
    pub bundle: Vec<u8>,
    /// By the name that agents see.
    pub tools: BTreeMap<String, Arc<Tool>>,
    /// Upstream servers, by name.
    pub upstreams: BTreeMap<String, Arc<LoadedUpstream>>,
    /// What components' requests are sent with.
    pub network: Network,
    /// The configured secrets.
    pub secrets: Arc<Vault>,
    /// What is kept of payloads.
    pub capture: Arc<Capture>,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("bundle", &self.pdp.digest())
            .finish_non_exhaustive()
    }
}

/// A loaded tool.
pub struct Tool {
    /// The name that agents see: `<component>__<tool>`, or what the configuration renames it to.
    pub name: String,
    /// The name within its component, or upstream server.
    pub own_name: String,
    /// What offers it.
    pub provider: Provider,
    /// A name for people.
    pub title: Option<String>,
    /// For the model. Untrusted: its author wrote it.
    pub description: String,
    /// JSON Schema of the arguments.
    pub input_schema: Value,
    /// JSON Schema of structured content.
    pub output_schema: Option<Value>,
    /// Hints, never grounds for a decision.
    pub annotations: Annotations,
    /// Labels that the operator gave it; `unlabelled` where none.
    pub labels: BTreeSet<String>,
    /// Labels that its content adds to the run, besides its own.
    pub taints: BTreeSet<String>,
    /// What an execution may use.
    pub limits: Limits,
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What a tool's author says about its behaviour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Annotations {
    /// It changes nothing.
    pub read_only: bool,
    /// It may overwrite or delete something.
    pub destructive: bool,
    /// Twice is as once.
    pub idempotent: bool,
    /// It reaches beyond what the operator controls.
    pub open_world: bool,
}

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
    pub grants: BTreeMap<String, Arc<crate::sandbox::Grant>>,
    /// Secrets that it may have attached to requests.
    pub secrets: BTreeSet<String>,
    /// What it is told of its surroundings.
    pub surroundings: Surroundings,
}
