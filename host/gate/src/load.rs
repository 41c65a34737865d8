//! From a configuration to a snapshot: components compiled, tools named and typed, policies validated.
//!
//! Whatever is wrong is an error with its place; nothing loads in part.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use tollgate_model::{
    canonical::{self, Sha256Digest},
    entity::{Entity, Kind, Uid},
};
use tollgate_policy::{
    pdp::{self, Bundle, Pdp, ToolTypes},
    policy::PolicyFile,
    tool_input::{ToolInput, mend},
};

use crate::{
    capture::{Capture, DetectError},
    config::{Config, ConfigError, ExternalConfig},
    external,
    lock::{Lock, LockError},
    provider::Provider,
    sandbox::{
        CompileError, Compiler, Grant, Inspection, Limits, Network, Sandbox, SandboxError,
        SandboxOptions, Size, ToolDefinition,
    },
    secrets::Vault,
    snapshot::{LoadedComponent, Snapshot, Tool},
    upstream::{Connector, Definition, LoadedUpstream, NoUpstreams},
};
use tollgate_ledger::{CommitError, LedgerError};

/// The longest name that model APIs accept.
const MAX_TOOL_NAME: usize = 64;

/// The tool by which agents resume a call that waited; the gate offers it itself.
pub const RESUME_TOOL: &str = "tollgate_resume";

/// Why a gate does not open, or a reload changes nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What finds secrets.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// The lock file.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The store.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The store does not take the first record.
    #[error("the ledger does not take a record: {0}")]
    Commit(#[from] CommitError),
    /// A component.
    #[error("component `{name}`: {}: {error}", path.display())]
    Sandbox {
        /// Its name.
        name: String,
        /// Its file.
        path: PathBuf,
        /// Why not.
        error: SandboxError,
    },
    /// Compiling a component ended without an answer.
    #[error("component `{name}`: the compiler failed on it; do not use this file")]
    Compiler {
        /// Its name.
        name: String,
    },
    /// A component does not compile.
    #[error("component `{name}`: {}: {error}", path.display())]
    Compile {
        /// Its name.
        name: String,
        /// Its file.
        path: PathBuf,
        /// Why not.
        error: CompileError,
    },
    /// The sandbox itself.
    #[error(transparent)]
    Engine(SandboxError),
    /// A component's file cannot be read.
    #[error("component `{name}`: {} cannot be read: {reason}; correct `path` under [components.{name}], or build it with `tollgate component build DIR`", path.display())]
    Missing {
        /// Its name.
        name: String,
        /// Its file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A component's file is not the one that was accepted.
    #[error(
        "component `{name}`: {} is not the file that was accepted (accepted {accepted}, found {found}); \
         look at what changed, then run `tollgate component accept {name}`", path.display()
    )]
    Changed {
        /// Its name.
        name: String,
        /// Its file.
        path: PathBuf,
        /// The accepted digest.
        accepted: Sha256Digest,
        /// The file's digest.
        found: Sha256Digest,
    },
    /// A component was never accepted.
    #[error(
        "component `{name}` was never accepted; look at it, then run `tollgate component accept {name}`"
    )]
    NotAccepted {
        /// Its name.
        name: String,
    },
    /// An upstream server was never accepted.
    #[error(
        "the upstream server `{name}` was never accepted; look at what it offers with `tollgate upstream show {name}`, \
         then run `tollgate upstream accept {name}`"
    )]
    UpstreamNotAccepted {
        /// Its name.
        name: String,
    },
    /// What is pinned of an upstream server is not what was accepted.
    #[error(
        "the definitions of the upstream server `{name}` in {} are not those that were accepted; look at it, then run \
         `tollgate upstream accept {name}`", lock.display()
    )]
    UpstreamAltered {
        /// Its name.
        name: String,
        /// The lock file.
        lock: PathBuf,
    },
    /// An upstream server offers something else than what was looked at.
    #[error(
        "the upstream server `{name}` offers {found} now, and not {seen}, which you have looked at; look again with \
         `tollgate upstream show {name}`"
    )]
    UpstreamMoved {
        /// Its name.
        name: String,
        /// Digest of what was looked at.
        seen: Sha256Digest,
        /// Digest of what it offers.
        found: Sha256Digest,
    },
    /// What an external executor's tools are cannot be read.
    #[error("the tools of [external.{name}]: {reason}")]
    External {
        /// Its name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// An upstream server cannot be asked what it offers.
    #[error("the upstream server `{name}` could not be asked: {reason}")]
    UpstreamUnreachable {
        /// Its name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// Policy does not let this person accept it.
    #[error("{}", .0.message())]
    Refused(Box<crate::enforce::Refusal>),
    /// A tool's name cannot be shown to agents, or is taken.
    #[error(
        "{what} `{component}`: the tool `{tool}` {problem}; add rename.{own} = \"…\" under [{table}.{component}]"
    )]
    ToolName {
        /// `component`, or `upstream server`.
        what: &'static str,
        /// Its table in the configuration.
        table: &'static str,
        /// The component, or upstream server.
        component: String,
        /// The name that agents would see.
        tool: String,
        /// Its own name for the tool, as a key is written in TOML.
        own: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A tool's schema cannot be used.
    #[error("{what} `{component}`: the input schema of the tool `{tool}` {problem}")]
    ToolSchema {
        /// `component`, or `upstream server`.
        what: &'static str,
        /// The component, or upstream server.
        component: String,
        /// The tool.
        tool: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The configuration speaks of a tool that nobody offers.
    #[error("[tools.{tool}] in {}: nothing that is loaded offers this tool{}", file.display(), near.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    UnknownTool {
        /// The tool.
        tool: String,
        /// The configuration.
        file: PathBuf,
        /// A tool with a like name.
        near: Option<String>,
    },
    /// What a gate that runs cannot change.
    #[error("{what} in {} is not the one that this gate runs with; restart it to change that", file.display())]
    Restart {
        /// Which key.
        what: &'static str,
        /// The configuration.
        file: PathBuf,
    },
    /// The configuration renames a tool that the component does not have.
    #[error("rename.{own} under [components.{component}] in {}: the component has no tool `{own}`{}", file.display(), near.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    UnknownRename {
        /// The component.
        component: String,
        /// The name that it does not have.
        own: String,
        /// The configuration.
        file: PathBuf,
        /// A tool of it with a like name.
        near: Option<String>,
    },
    /// The policies.
    #[error("the policies do not load: {0}")]
    Policies(#[from] pdp::LoadError),
    /// The operating system has no randomness to give.
    #[error("the operating system gives no randomness: {0}")]
    Randomness(String),
}

/// The sandbox for a configuration. Compiled code is cached beside the store.
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

/// Load what a configuration describes and throw it away, without its ledger: to check or to list.
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

/// That `after` differs from `before` in nothing that a gate which runs cannot change.
pub(crate) fn same_gate(before: &Config, after: &Config) -> Result<(), LoadError> {
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

/// What decisions would depend on under a configuration, with its policies as they are: nobody has looked
/// at them yet.
///
/// # Errors
/// [`LoadError`], but for the policies.
pub async fn unchecked(config: &Config, compiler: Option<Compiler>) -> Result<Bundle, LoadError> {
    let (sandbox, lock) = (sandbox(config, compiler)?, read_lock(config)?);
    let network =
        Network::new(sandbox.resolver(), &config.network.trust).map_err(LoadError::Engine)?;
    let secrets = Arc::new(Vault::new(&config.secrets));
    let upstreams = upstreams(config, &lock, &NoUpstreams, &secrets, &network)?;
    let tools = tools(&sandbox, config, &lock, &upstreams).await?;
    bundle(config, &tools)
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

/// The same with other policies in the place of those that lie there.
pub(crate) async fn with_policies(
    sandbox: &Sandbox,
    connector: &dyn Connector,
    config: Config,
    lock: &Lock,
    policies: Option<Vec<PolicyFile>>,
) -> Result<Snapshot, LoadError> {
    let secrets = Arc::new(Vault::new(&config.secrets));
    let network =
        Network::new(sandbox.resolver(), &config.network.trust).map_err(LoadError::Engine)?;
    let upstreams = upstreams(&config, lock, connector, &secrets, &network)?;
    let tools = tools(sandbox, &config, lock, &upstreams).await?;
    let mut bundle = bundle(&config, &tools)?;
    if let Some(policies) = policies {
        bundle.policies = policies;
        bundle.policies.extend(config.budgets.policies());
    }
    let (bytes, _) = bundle.seal()?;
    let pdp = Pdp::load(&bundle)?;
    let capture = Capture::new(&config.capture, &config.gate.tenant, &secrets)?;
    Ok(Snapshot {
        config,
        pdp,
        bundle: bytes,
        tools,
        upstreams,
        network,
        secrets,
        capture: Arc::new(capture),
    })
}

/// Every configured upstream server, as it was accepted, with the way to it.
fn upstreams(
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

/// The tools of every configured component and upstream server, by the name that agents see.
async fn tools(
    sandbox: &Sandbox,
    config: &Config,
    lock: &Lock,
    upstreams: &BTreeMap<String, Arc<LoadedUpstream>>,
) -> Result<BTreeMap<String, Arc<Tool>>, LoadError> {
    let mut offered = Vec::new();
    for name in config.components.keys() {
        offered.extend(component(sandbox, config, lock, name).await?);
    }
    for upstream in upstreams.values() {
        offered.extend(upstream_tools(config, upstream)?);
    }
    for (name, settings) in &config.external {
        offered.extend(external_tools(config, name, settings)?);
    }
    let mut tools: BTreeMap<String, Arc<Tool>> = BTreeMap::new();
    for tool in offered {
        if let Some(other) = tools.get(&tool.name) {
            let problem = format!(
                "has the name of a tool of {} `{}`",
                Origin::of(&other.provider).0,
                other.provider.name()
            );
            let origin = Origin::of(&tool.provider);
            return Err(origin.misnamed(&tool.provider, &tool.name, &tool.own_name, problem));
        }
        tools.insert(tool.name.clone(), Arc::new(tool));
    }
    if let Some(unknown) = config.tools.keys().find(|name| !tools.contains_key(*name)) {
        let near = tollgate_policy::policy::nearest(unknown, tools.keys().map(String::as_str));
        return Err(LoadError::UnknownTool {
            tool: unknown.clone(),
            file: config.file.clone(),
            near: near.map(str::to_owned),
        });
    }
    Ok(tools)
}

/// What decisions depend on: policies, tools and the configured entities.
fn bundle(config: &Config, tools: &BTreeMap<String, Arc<Tool>>) -> Result<Bundle, LoadError> {
    let label = |l: &String| Uid::new(Kind::Label, l);
    let mut entities = config.entities();
    entities.extend(
        config
            .components
            .keys()
            .chain(config.upstreams.keys())
            .chain(config.external.keys())
            .map(|c| Entity::new(Uid::new(Kind::Component, c), [])),
    );
    entities.extend(tools.values().map(|tool| {
        let component = Uid::new(Kind::Component, tool.provider.name());
        let parents = tool.labels.iter().map(label).chain([component]);
        Entity::new(Uid::new(Kind::Tool, &tool.name), parents)
    }));
    let types = tools.values().map(|tool| {
        let numbers = config
            .tools
            .get(&tool.name)
            .map(|t| t.numbers.clone())
            .unwrap_or_default();
        (
            tool.name.clone(),
            ToolTypes {
                input_schema: tool.input_schema.clone(),
                numbers,
            },
        )
    });
    let with_budgets = |mut files: Vec<PolicyFile>| {
        files.extend(config.budgets.policies());
        files
    };
    Ok(Bundle {
        candidate: config.candidate_files()?.map(with_budgets),
        ..Bundle::new(
            entities,
            with_budgets(config.policy_files()?),
            types.collect(),
        )
    })
}

/// Read a component's file and its digest.
///
/// # Errors
/// [`LoadError::Missing`].
pub fn read_component(config: &Config, name: &str) -> Result<(Vec<u8>, Sha256Digest), LoadError> {
    let path = config
        .components
        .get(name)
        .map(|c| c.path.clone())
        .unwrap_or_default();
    let bytes = fs::read(&path).map_err(|e| LoadError::Missing {
        name: name.into(),
        path: path.clone(),
        reason: e.to_string(),
    })?;
    let digest = Sha256Digest::of(&bytes);
    Ok((bytes, digest))
}

/// The tools of one component.
async fn component(
    sandbox: &Sandbox,
    config: &Config,
    lock: &Lock,
    name: &str,
) -> Result<Vec<Tool>, LoadError> {
    let Some(settings) = config.components.get(name) else {
        return Ok(Vec::new());
    };
    let (bytes, digest) = read_component(config, name)?;
    match lock.components.get(name) {
        None => return Err(LoadError::NotAccepted { name: name.into() }),
        Some(accepted) if accepted.digest != digest => {
            return Err(LoadError::Changed {
                name: name.into(),
                path: settings.path.clone(),
                accepted: accepted.digest,
                found: digest,
            });
        }
        Some(_) => {}
    }
    let failed = |error| LoadError::Sandbox {
        name: name.into(),
        path: settings.path.clone(),
        error,
    };
    // Compiling takes a while the first time, and a reload must not hold up calls.
    let compiling = {
        let (sandbox, name, size) = (sandbox.clone(), name.to_owned(), settings.size);
        tokio::task::spawn_blocking(move || {
            sandbox.see_compiled(&name, &bytes, size)?;
            Ok(sandbox.load(&name, &bytes, size))
        })
    };
    let compiled = compiling
        .await
        .map_err(|_| LoadError::Compiler { name: name.into() })?
        .map_err(|error| LoadError::Compile {
            name: name.into(),
            path: settings.path.clone(),
            error,
        })?
        .map_err(failed)?;
    let definitions = sandbox.list_tools(&compiled).await.map_err(failed)?;
    let mut grants = BTreeMap::new();
    for (grant, g) in &settings.grants {
        let opened = Grant::open(grant, &g.path, g.read_write, g.labels.clone()).map_err(failed)?;
        grants.insert(grant.clone(), Arc::new(opened));
    }
    let component = Arc::new(LoadedComponent {
        name: name.into(),
        digest,
        compiled,
        grants,
        secrets: settings.secrets.clone(),
        surroundings: settings.surroundings.clone(),
    });
    let own = || definitions.iter().map(|d| d.name.as_str());
    let unknown = |renamed: &&String| !own().any(|own| own == renamed.as_str());
    if let Some(unknown) = settings.rename.keys().find(unknown) {
        return Err(LoadError::UnknownRename {
            component: name.into(),
            own: unknown.clone(),
            file: config.file.clone(),
            near: tollgate_policy::policy::nearest(unknown, own()).map(str::to_owned),
        });
    }
    let manner = Manner {
        provider: Provider::Component(Arc::clone(&component)),
        rename: &settings.rename,
        labels: None,
        taints: None,
        limits: &settings.limits,
    };
    let mut tools = Vec::new();
    for definition in definitions {
        let mut tool = tool(config, &manner, definition)?;
        let most = component.compiled.size().max_memory();
        tool.limits.memory = tool.limits.memory.min(most);
        tools.push(tool);
    }
    Ok(tools)
}

/// What was accepted of an upstream server.
fn pinned(
    config: &Config,
    lock: &Lock,
    name: &str,
) -> Result<BTreeMap<String, Definition>, LoadError> {
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

/// The tools of one upstream server, as they were accepted.
fn upstream_tools(config: &Config, upstream: &Arc<LoadedUpstream>) -> Result<Vec<Tool>, LoadError> {
    let Some(settings) = config.upstreams.get(upstream.name()) else {
        return Ok(Vec::new());
    };
    let manner = Manner {
        provider: Provider::Upstream(Arc::clone(upstream)),
        rename: &settings.rename,
        labels: settings.labels.as_ref(),
        taints: settings.taints.as_ref(),
        limits: &settings.limits,
    };
    let offered = upstream.pinned().values();
    offered
        .filter(|definition| upstream.offers(&definition.name))
        .map(|definition| tool(config, &manner, definition.tool()))
        .collect()
}

/// The tools that whoever calls executes.
fn external_tools(
    config: &Config,
    name: &str,
    settings: &ExternalConfig,
) -> Result<Vec<Tool>, LoadError> {
    let unreadable = |reason: String| LoadError::External {
        name: name.into(),
        reason,
    };
    let (external, definitions) = external::load(name, settings).map_err(unreadable)?;
    let none = BTreeMap::new();
    let manner = Manner {
        provider: Provider::External(Arc::new(external)),
        rename: &none,
        labels: settings.labels.as_ref(),
        taints: settings.taints.as_ref(),
        limits: &settings.limits,
    };
    definitions
        .into_iter()
        .map(|definition| tool(config, &manner, definition))
        .collect()
}

/// What errors call the origin of a tool, and its table in the configuration.
struct Origin(&'static str, &'static str);

impl Origin {
    fn of(provider: &Provider) -> Self {
        match provider {
            Provider::Component(_) => Self("component", "components"),
            Provider::Upstream(_) => Self("upstream server", "upstream"),
            Provider::External(_) => Self("external executor", "external"),
        }
    }

    fn misnamed(self, provider: &Provider, tool: &str, own: &str, problem: String) -> LoadError {
        let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let own = match own.bytes().all(bare) {
            true => own.to_owned(),
            false => format!("\"{own}\""),
        };
        LoadError::ToolName {
            what: self.0,
            table: self.1,
            component: provider.name().into(),
            tool: tool.into(),
            own,
            problem,
        }
    }
}

/// What all tools of one origin have in common.
struct Manner<'a> {
    provider: Provider,
    rename: &'a BTreeMap<String, String>,
    labels: Option<&'a BTreeSet<String>>,
    taints: Option<&'a BTreeSet<String>>,
    limits: &'a Limits,
}

fn tool(
    config: &Config,
    manner: &Manner<'_>,
    definition: ToolDefinition,
) -> Result<Tool, LoadError> {
    let own = definition.name;
    let provider = &manner.provider;
    let renamed = manner.rename.get(&own).cloned();
    let name = renamed.unwrap_or_else(|| format!("{}__{own}", provider.name()));
    let refused =
        |problem: &str| Origin::of(provider).misnamed(provider, &name, &own, problem.to_owned());
    let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !name.bytes().all(letter) {
        return Err(refused(
            "has other characters than letters, digits, `_` and `-`, which model APIs refuse",
        ));
    }
    if name.len() > MAX_TOOL_NAME {
        return Err(refused(
            "has more than 64 characters, which model APIs refuse",
        ));
    }
    if name == RESUME_TOOL {
        return Err(refused("has the name of a tool of the gate itself"));
    }
    if pdp::is_fixed_action(&name) {
        return Err(refused("has the name of an action of the gate"));
    }
    let input_schema = mend(&definition.input_schema);
    let bad_schema = |problem: String| LoadError::ToolSchema {
        what: Origin::of(provider).0,
        component: provider.name().into(),
        tool: own.clone(),
        problem,
    };
    let none = BTreeMap::new();
    let numbers = config.tools.get(&name).map_or(&none, |t| &t.numbers);
    ToolInput::from_json_schema(&name, &input_schema, numbers)
        .map_err(|e| bad_schema(format!("cannot be used: {e}")))?;
    if canonical::to_canonical(&input_schema).is_err() {
        return Err(bad_schema("has no canonical form".into()));
    }
    let configured = config.tools.get(&name);
    let said =
        |by_tool: Option<&BTreeSet<String>>, by_origin: Option<&BTreeSet<String>>, or: &str| {
            let said = by_tool.or(by_origin).cloned();
            said.unwrap_or_else(|| BTreeSet::from([or.to_owned()]))
        };
    Ok(Tool {
        labels: said(
            configured.and_then(|t| t.labels.as_ref()),
            manner.labels,
            "unlabelled",
        ),
        taints: said(
            configured.and_then(|t| t.taints.as_ref()),
            manner.taints,
            "untrusted",
        ),
        limits: configured.map_or_else(|| manner.limits.clone(), |t| t.limits.over(manner.limits)),
        name,
        own_name: own,
        provider: provider.clone(),
        title: definition.title,
        description: definition.description,
        input_schema,
        output_schema: definition.output_schema,
        annotations: definition.annotations,
    })
}

/// Compile a component into the cache of a configuration's gate, in the compiler's process, and say what
/// it holds.
///
/// # Errors
/// [`LoadError::Compile`]: it is not one that this gate runs.
pub fn inspect(
    config: &Config,
    name: &str,
    path: &Path,
    bytes: &[u8],
    size: Size,
    compiler: &Compiler,
) -> Result<Inspection, LoadError> {
    // The directory is made, and its mode looked at, by the sandbox in the child.
    let inspection = compiler.compile(&cache_dir(config), name, bytes, size);
    inspection.map_err(|error| LoadError::Compile {
        name: name.into(),
        path: path.into(),
        error,
    })
}

/// Accept the component files as they are now: all, or the one named.
///
/// # Errors
/// If a file cannot be read, the lock not written, or nothing has this name.
pub fn accept(
    config: &Config,
    only: Option<&str>,
) -> Result<Vec<(String, Sha256Digest)>, LoadError> {
    let path = Lock::path(&config.file);
    let mut lock = Lock::read(&path)?;
    if let Some(name) = only.filter(|name| !config.components.contains_key(*name)) {
        let names = config.components.keys().map(String::as_str);
        let near = tollgate_policy::policy::nearest(name, names);
        return Err(LoadError::Config(ConfigError {
            file: config.file.clone(),
            line: 0,
            column: 0,
            message: format!("there is no component `{name}`"),
            help: near.map_or_else(
                || format!("add a table [components.{name}]"),
                |near| format!("did you mean `{near}`?"),
            ),
        }));
    }
    let mut accepted = Vec::new();
    for name in config
        .components
        .keys()
        .filter(|name| only.is_none_or(|only| only == *name))
    {
        let (_, digest) = read_component(config, name)?;
        lock.components
            .insert(name.clone(), crate::lock::LockedComponent { digest });
        accepted.push((name.clone(), digest));
    }
    lock.components
        .retain(|name, _| config.components.contains_key(name));
    lock.write(&path)?;
    Ok(accepted)
}
