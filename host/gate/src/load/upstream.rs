//! Upstream servers with their accepted definitions.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    LoadError,
    tool::{ToolDefaults, tool},
};
use crate::{
    config::{Config, UpstreamConfig},
    egress::Network,
    lock::Lock,
    secrets::Vault,
    tool::{SourceKind, Tool, ToolSource},
    upstream::{Connector, Definition, LoadedUpstream},
};

/// Every configured upstream server with its accepted definitions and its connection.
///
/// # Errors
/// [`LoadError`].
pub(super) fn upstreams(
    config: &Config,
    lock: &Lock,
    connector: &dyn Connector,
    secrets: &Arc<Vault>,
    network: &Network,
) -> Result<BTreeMap<String, Arc<LoadedUpstream>>, LoadError> {
    let mut upstreams = BTreeMap::new();
    for (name, settings) in &config.upstreams {
        let pinned = pinned(config, lock, name, settings)?;
        let connection = connector.connect(name, settings, secrets, network);
        let upstream = LoadedUpstream::new(name, pinned, settings, secrets, connection);
        upstreams.insert(name.clone(), Arc::new(upstream));
    }
    Ok(upstreams)
}

/// The accepted definitions of an upstream server. One that users log in to offers nothing before it is accepted.
fn pinned(
    config: &Config,
    lock: &Lock,
    name: &str,
    settings: &UpstreamConfig,
) -> Result<BTreeMap<String, Definition>, LoadError> {
    let Some(locked) = lock.upstream.get(name) else {
        // Without the gate no user can log in, and without a login no one can see what it offers.
        if settings.is_per_user() {
            return Ok(BTreeMap::new());
        }
        return Err(LoadError::UpstreamNotAccepted { name: name.into() });
    };
    locked
        .definitions()
        .ok_or_else(|| LoadError::UpstreamAltered {
            name: name.into(),
            lock: Lock::path(&config.file),
        })
}

/// The accepted tools of one upstream server.
///
/// # Errors
/// [`LoadError`].
pub(super) fn tools(
    config: &Config,
    upstream: &LoadedUpstream,
    settings: &UpstreamConfig,
) -> Result<Vec<Tool>, LoadError> {
    let defaults = ToolDefaults {
        source: ToolSource {
            name: upstream.name().to_owned(),
            digest: upstream.digest(),
            kind: SourceKind::Upstream,
        },
        rename: &settings.rename,
        labels: settings.labels.as_ref(),
        taints: settings.taints.as_ref(),
        limits: &settings.limits,
    };
    let offered = upstream.pinned().values();
    offered
        .filter(|definition| upstream.offers(&definition.name))
        .map(|definition| tool(config, &defaults, definition.tool()))
        .collect()
}
