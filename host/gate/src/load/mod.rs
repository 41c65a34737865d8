//! From a configuration to a snapshot: components compiled, tools named and typed, policies validated.
//!
//! Every problem of what the operator writes is an error with its position, and nothing of that loads partially. A tool
//! of a component or an upstream server that cannot be used is left out, with the reason, and so is a component whose
//! file is not there.

mod accept;
mod bundle;
mod component;
mod declaration;
mod error;
mod external;
mod facts;
mod preset;
mod preview;
mod protected;
mod tool;
mod upstream;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use tollgate_policy::{
    pdp::{Bundle, Pdp},
    policy::{self, PolicyFile},
};

pub(crate) use self::upstream::unusable_tools;
pub use self::{
    accept::accept,
    component::{inspect, read_component},
    error::LoadError,
    external::external_tool_names,
    tool::RESUME_TOOL,
};
use self::{bundle::bundle, tool::tool_name_error, upstream::upstreams};
use crate::{
    capture::Capture,
    config::Config,
    egress::Network,
    enforce::{Reaches, Ruleset},
    executors::{Executors, Snapshot, UnusableTool},
    lock::Lock,
    sandbox::{Compiler, Sandbox, SandboxOptions},
    secrets::Vault,
    tool::{SourceKind, Tool, Tools},
    upstream::{Connector, NoUpstreams},
};

/// The sandbox for a configuration. Compiled code is cached in the directory of the store.
pub(crate) fn sandbox(config: &Config, compiler: Option<Compiler>) -> Result<Sandbox, LoadError> {
    Sandbox::new(SandboxOptions {
        cache_dir: cache_dir(config),
        concurrency: config.gate.concurrency,
        compiler,
    })
    .map_err(LoadError::Engine)
}

fn cache_dir(config: &Config) -> PathBuf {
    config.store.path.with_file_name("compiled")
}

/// Loads what a configuration describes, without its ledger: for checks and lists.
///
/// # Errors
/// [`LoadError`].
pub async fn check(config: Config, compiler: Option<Compiler>) -> Result<Snapshot, LoadError> {
    let sandbox = sandbox(&config, compiler)?;
    let lock = read_lock(&config)?;
    snapshot(&sandbox, &NoUpstreams, config, &lock).await
}

pub(crate) fn read_lock(config: &Config) -> Result<Lock, LoadError> {
    Ok(Lock::read(&Lock::path(&config.file))?)
}

/// Requires that `after` changes no setting that needs a restart.
pub(crate) fn ensure_reloadable(before: &Config, after: &Config) -> Result<(), LoadError> {
    let what = if before.store.path != after.store.path {
        "[store] url"
    } else if before.store.key != after.store.key {
        "[store] key"
    } else if before.gate.tenant != after.gate.tenant {
        "[gate] tenant"
    } else if before.gate.concurrency != after.gate.concurrency {
        "[gate] concurrency"
    } else {
        return Ok(());
    };
    Err(LoadError::Restart {
        what,
        file: after.file.clone(),
    })
}

/// The bundle that a configuration would give, with policies that were not validated.
///
/// # Errors
/// [`LoadError`], except for policies.
pub async fn bundle_without_validation(
    config: &Config,
    compiler: Option<Compiler>,
) -> Result<Bundle, LoadError> {
    bundle_with_lock(config, compiler, &read_lock(config)?).await
}

/// Like [`bundle_without_validation`], with these accepted definitions.
///
/// # Errors
/// [`LoadError`], except for policies.
pub async fn bundle_with_lock(
    config: &Config,
    compiler: Option<Compiler>,
    lock: &Lock,
) -> Result<Bundle, LoadError> {
    let sandbox = sandbox(config, compiler)?;
    let loaded = sources(&sandbox, &NoUpstreams, config, lock).await?;
    bundle(config, &loaded.described, &loaded.others)
}

/// Everything that a configuration describes.
pub(crate) async fn snapshot(
    sandbox: &Sandbox,
    connector: &dyn Connector,
    config: Config,
    lock: &Lock,
) -> Result<Snapshot, LoadError> {
    with_policies(sandbox, connector, config, lock, None).await
}

/// Like [`snapshot`], with other policies than those in the configured directory.
pub(crate) async fn with_policies(
    sandbox: &Sandbox,
    connector: &dyn Connector,
    config: Config,
    lock: &Lock,
    policies: Option<Vec<PolicyFile>>,
) -> Result<Snapshot, LoadError> {
    let Sources {
        executors,
        tools,
        described,
        missing,
        others,
        secrets,
    } = sources(sandbox, connector, &config, lock).await?;
    let mut bundle = bundle(&config, &described, &others)?;
    if let Some(policies) = policies {
        bundle.policies = policies;
        bundle.policies.extend(config.budgets.policies());
    }
    let (bytes, _) = bundle.seal()?;
    let pdp = Pdp::load(&bundle).map_err(|error| missing.unwrap_or(error.into()))?;
    let capture = Capture::new(&config.capture, &config.gate.tenant, &secrets)?;
    let previews = preview::previews(&config, &tools)?;
    Ok(Snapshot {
        ruleset: Arc::new(Ruleset {
            labels: config.labels(),
            config,
            pdp,
            bundle: bytes,
            tools,
            others,
            previews,
            secrets,
            capture: Arc::new(capture),
            reaches: Reaches::default(),
        }),
        executors: Arc::new(executors),
    })
}

/// The executors and their tools.
struct Sources {
    executors: Executors,
    tools: Tools,
    /// What policies may name: the tools, and those of components that are not there.
    described: Tools,
    /// A component that is not there and whose tools are not known: policies that name them do not load for that.
    missing: Option<LoadError>,
    /// Prompts and resources.
    others: Tools,
    secrets: Arc<Vault>,
}

/// The tools of every configured source, with their executors.
async fn sources(
    sandbox: &Sandbox,
    connector: &dyn Connector,
    config: &Config,
    lock: &Lock,
) -> Result<Sources, LoadError> {
    if let Some(error) = &config.error {
        return Err(LoadError::Config(error.clone()));
    }
    protected::check(config)?;
    let secrets = Arc::new(Vault::new(&config.secrets));
    let network = Network::new(sandbox.resolver(), &config.network.trust)?;
    let upstreams = upstreams(config, lock, connector, &secrets, &network)?;
    let (mut offered, mut others) = (Vec::new(), Tools::new());
    let mut components = BTreeMap::new();
    let mut left_out = LeftOut::default();
    for (name, settings) in &config.components {
        let loaded = component::component(sandbox, config, lock, &network, name, settings);
        match loaded.await {
            Ok((component, tools)) => {
                components.insert(name.clone(), Arc::new(component));
                offered.extend(tools.usable);
                left_out.extend_with(name, &settings.rename, tools.left_out);
            }
            // What is not there cannot be called, and the others can.
            Err(error @ LoadError::Missing { .. }) => {
                let known = component::known_tools(sandbox, config, lock, name, settings);
                left_out.without(config, name, known, error);
            }
            Err(error) => return Err(error),
        }
    }
    let mut reached = BTreeMap::new();
    for (name, upstream) in upstreams {
        let Some(settings) = config.upstreams.get(&name) else {
            continue;
        };
        let taken = offered
            .iter()
            .map(|tool: &Tool| tool.name.clone())
            .collect();
        let tools = upstream::tools(config, lock, &upstream, settings, &taken)?;
        offered.extend(tools.usable);
        others.extend(upstream::others(config, &upstream, settings)?);
        left_out.names.extend(tools.names);
        reached.insert(name, Arc::new(upstream.without(tools.left_out)));
    }
    for (name, settings) in &config.external {
        offered.extend(external::tools(config, name, settings)?);
    }
    let tools = by_name(config, offered, &others, &left_out.names)?;
    let known = { left_out.known.into_iter() }.map(|tool| (tool.name.clone(), Arc::new(tool)));
    let described = known.chain(tools.clone()).collect();
    Ok(Sources {
        executors: Executors {
            components,
            upstreams: reached,
            network,
            unusable: left_out.tools,
        },
        tools,
        described,
        missing: left_out.missing,
        others,
        secrets,
    })
}

/// What components and servers have and cannot be a tool.
#[derive(Default)]
struct LeftOut {
    /// What agents would call it.
    names: BTreeSet<String>,
    /// Of components.
    tools: Vec<UnusableTool>,
    /// The tools of components that are not there, from when they were: policies may speak of them.
    known: Vec<Tool>,
    /// A component that is not there, and never was.
    missing: Option<LoadError>,
}

impl LeftOut {
    fn extend_with(
        &mut self,
        component: &str,
        rename: &BTreeMap<String, String>,
        tools: BTreeMap<String, String>,
    ) {
        for (own_name, reason) in tools {
            let reason = without_source(component, &reason);
            self.names
                .insert(component::agents_name(component, rename, &own_name));
            self.tools.push(UnusableTool {
                kind: SourceKind::Component,
                source: component.into(),
                name: Some(own_name),
                reason,
            });
        }
    }

    /// A component that is not there: what is configured for its tools counts for nothing.
    fn without(
        &mut self,
        config: &Config,
        component: &str,
        known: Option<Vec<Tool>>,
        error: LoadError,
    ) {
        let prefix = format!("{component}__");
        let settings = config.components.get(component);
        let renamed = settings.into_iter().flat_map(|c| c.rename.values());
        let configured = config.tools.keys();
        self.names.extend(renamed.cloned());
        self.names
            .extend(configured.filter(|tool| tool.starts_with(&prefix)).cloned());
        self.tools.push(UnusableTool {
            kind: SourceKind::Component,
            source: component.into(),
            name: None,
            reason: without_source(component, &error.to_string()),
        });
        match known {
            Some(tools) => self.known.extend(tools),
            None => self.missing = self.missing.take().or(Some(error)),
        }
    }
}

/// The reason without the component's name, which is said next to it.
fn without_source(component: &str, reason: &str) -> String {
    let source = format!("component `{component}`: ");
    reason.strip_prefix(&source).unwrap_or(reason).to_owned()
}

/// Tools by the name that agents see, without duplicates. What is configured is among them or among `others`; what is
/// configured for tools that are `left_out` counts for nothing.
fn by_name(
    config: &Config,
    offered: Vec<Tool>,
    others: &Tools,
    left_out: &BTreeSet<String>,
) -> Result<Tools, LoadError> {
    let mut tools = Tools::new();
    for tool in offered {
        if let Some(other) = tools.get(&tool.name) {
            let problem = format!(
                "has the name of a tool of {} `{}`",
                other.source.kind.description(),
                other.source.name
            );
            return Err(tool_name_error(
                &tool.source,
                &tool.name,
                &tool.own_name,
                problem,
            ));
        }
        tools.insert(tool.name.clone(), Arc::new(tool));
    }
    let is_known = |name: &String| {
        tools.contains_key(name) || others.contains_key(name) || left_out.contains(name)
    };
    if let Some(unknown) = config.tools.keys().find(|name| !is_known(name)) {
        let names = tools.keys().chain(others.keys());
        let near = policy::nearest(unknown, names.map(String::as_str));
        return Err(LoadError::UnknownTool {
            tool: unknown.clone(),
            file: config.file.clone(),
            near: near.map(str::to_owned),
        });
    }
    Ok(tools)
}
