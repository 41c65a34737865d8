//! Upstream servers with their accepted definitions.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    LoadError,
    tool::{ToolDefaults, prompt, resources, tool},
};
use crate::{
    config::{Config, UpstreamConfig},
    egress::Network,
    lock::Lock,
    secrets::Vault,
    tool::{SourceKind, Tool, ToolSource, Tools},
    upstream::{Connector, Definitions, LoadedUpstream},
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
        let pinned = pinned(config, lock, name)?;
        let connection = connector.connect(name, settings, secrets, network);
        let upstream = LoadedUpstream::new(name, pinned, settings, secrets, connection);
        upstreams.insert(name.clone(), Arc::new(upstream));
    }
    Ok(upstreams)
}

/// The accepted definitions of an upstream server.
fn pinned(config: &Config, lock: &Lock, name: &str) -> Result<Definitions, LoadError> {
    let Some(locked) = lock.upstream.get(name) else {
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
    let defaults = defaults(upstream, settings);
    let offered = upstream.pinned().tools.values();
    offered
        .filter(|definition| upstream.offers(&definition.name))
        .map(|definition| tool(config, &defaults, definition.tool()))
        .collect()
}

/// The accepted prompts of one upstream server, and its resources if any are carried: what else of it is called.
///
/// # Errors
/// [`LoadError`].
pub(super) fn others(
    config: &Config,
    upstream: &LoadedUpstream,
    settings: &UpstreamConfig,
) -> Result<Tools, LoadError> {
    let defaults = defaults(upstream, settings);
    let mut others = Tools::new();
    for definition in upstream.prompts() {
        let prompt = prompt(config, &defaults, definition)?;
        others.insert(prompt.name.clone(), Arc::new(prompt));
    }
    if settings.carried.resources.is_any() {
        let resources = resources(config, &defaults);
        others.insert(resources.name.clone(), Arc::new(resources));
    }
    Ok(others)
}

fn defaults<'a>(upstream: &LoadedUpstream, settings: &'a UpstreamConfig) -> ToolDefaults<'a> {
    ToolDefaults {
        source: ToolSource {
            name: upstream.name().to_owned(),
            digest: upstream.digest(),
            kind: SourceKind::Upstream,
        },
        rename: &settings.rename,
        labels: settings.labels.as_ref(),
        taints: settings.taints.as_ref(),
        limits: &settings.limits,
    }
}
