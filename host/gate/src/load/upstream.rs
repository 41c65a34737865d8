//! Upstream servers with their accepted definitions.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    LoadError,
    tool::{ToolDefaults, prompt, resources, tool, tool_name_error},
};
use crate::{
    config::{Config, UpstreamConfig},
    egress::{Network, Resolver},
    lock::Lock,
    secrets::Vault,
    tool::{SourceKind, Tool, ToolSource, Tools},
    upstream::{Connector, Definitions, LoadedUpstream, NoUpstreams},
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
) -> Result<BTreeMap<String, LoadedUpstream>, LoadError> {
    let mut upstreams = BTreeMap::new();
    for (name, settings) in &config.upstreams {
        let pinned = pinned(config, lock, name, settings)?;
        let connection = connector.connect(name, settings, secrets, network);
        let upstream = LoadedUpstream::new(name, pinned, settings, secrets, connection);
        upstreams.insert(name.clone(), upstream);
    }
    Ok(upstreams)
}

/// The accepted definitions of an upstream server. One that users log in to offers nothing before it is accepted.
fn pinned(
    config: &Config,
    lock: &Lock,
    name: &str,
    settings: &UpstreamConfig,
) -> Result<Definitions, LoadError> {
    let Some(locked) = lock.upstream.get(name) else {
        // Without the gate no user can log in, and without a login no one can see what it offers.
        if settings.is_per_user() {
            return Ok(Definitions::default());
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

/// The tools of one upstream server.
#[derive(Debug, Default)]
pub(super) struct UpstreamTools {
    /// Those that agents can have.
    pub(super) usable: Vec<Tool>,
    /// The others by the server's own names, and why.
    pub(super) left_out: BTreeMap<String, String>,
    /// What agents would call those.
    pub(super) names: BTreeSet<String>,
}

/// The accepted tools of one upstream server. Each stands for itself: one that cannot be used, or that has a name that
/// is `taken`, costs no other.
///
/// # Errors
/// [`LoadError`]: what the operator has configured for a tool does not fit it.
pub(super) fn tools(
    config: &Config,
    lock: &Lock,
    upstream: &LoadedUpstream,
    settings: &UpstreamConfig,
    taken: &BTreeSet<String>,
) -> Result<UpstreamTools, LoadError> {
    let defaults = defaults(upstream, settings);
    let agents_name = |own_name: &str| match settings.rename.get(own_name) {
        Some(name) => name.clone(),
        None => format!("{}__{own_name}", upstream.name()),
    };
    let mut tools = UpstreamTools::default();
    if let Some(locked) = lock.upstream.get(upstream.name()) {
        tools.left_out.clone_from(&locked.left_out);
    }
    let mut taken = taken.clone();
    for definition in upstream.pinned().tools.values() {
        let own_name = &definition.name;
        if !upstream.offers(own_name) {
            continue;
        }
        let name = agents_name(own_name);
        let made = match taken.contains(&name) {
            true => Err(tool_name_error(
                &defaults.source,
                &name,
                own_name,
                "has the name of another tool".into(),
            )),
            false => tool(config, &defaults, definition.tool()),
        };
        let is_typed_by_operator = config
            .tools
            .get(&name)
            .is_some_and(|configured| !configured.numbers.is_empty());
        match made {
            Ok(tool) => {
                taken.insert(name);
                tools.usable.push(tool);
            }
            Err(error @ LoadError::ToolSchema { .. }) if is_typed_by_operator => return Err(error),
            Err(error @ (LoadError::ToolName { .. } | LoadError::ToolSchema { .. })) => {
                tools.left_out.insert(own_name.clone(), error.to_string());
            }
            Err(error) => return Err(error),
        }
    }
    tools.names = tools.left_out.keys().map(|own| agents_name(own)).collect();
    Ok(tools)
}

/// Why agents could not have tools of these definitions, by the server's own names: what a person sees before they
/// are accepted. Errors of the configuration are not among them: with those nothing loads.
pub(crate) fn unusable_tools(
    config: &Config,
    name: &str,
    settings: &UpstreamConfig,
    definitions: Definitions,
) -> BTreeMap<String, String> {
    let secrets = Arc::new(Vault::new(&BTreeMap::new()));
    let Ok(network) = Network::new(Resolver::system(), &[]) else {
        return BTreeMap::new();
    };
    let connection = NoUpstreams.connect(name, settings, &secrets, &network);
    let upstream = LoadedUpstream::new(name, definitions, settings, &secrets, connection);
    let none = BTreeSet::new();
    let tools = tools(config, &Lock::default(), &upstream, settings, &none);
    tools.map(|tools| tools.left_out).unwrap_or_default()
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
