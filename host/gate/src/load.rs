//! From a configuration to a snapshot: components compiled, tools named and typed, policies validated.
//!
//! Whatever is wrong is an error with its place; nothing loads in part.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use tollgate_core::{
    canonical::{self, Sha256Digest},
    entity::{Entity, Kind, Uid},
    pdp::{self, Bundle, Pdp, ToolTypes},
};

use crate::{
    config::{Config, ConfigError},
    ledger::{CommitError, LedgerError},
    lock::{Lock, LockError},
    sandbox::{
        CompileError, Compiler, Grant, Inspection, Network, Sandbox, SandboxError, SandboxOptions,
        Size, ToolDefinition,
    },
    secrets::Vault,
    snapshot::{Annotations, LoadedComponent, Snapshot, Tool},
};

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
    /// A tool's name cannot be shown to agents, or is taken.
    #[error(
        "component `{component}`: the tool `{tool}` {problem}; add rename.{own} = \"…\" under [components.{component}]"
    )]
    ToolName {
        /// The component.
        component: String,
        /// The name that agents would see.
        tool: String,
        /// The component's own name for it.
        own: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A tool's schema cannot be used.
    #[error("component `{component}`: the input schema of the tool `{tool}` {problem}")]
    ToolSchema {
        /// The component.
        component: String,
        /// The tool.
        tool: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The configuration speaks of a tool that nobody offers.
    #[error("[tools.{tool}] in {}: no loaded component offers this tool{}", file.display(), near.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
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
    snapshot(&sandbox(&config, compiler)?, config).await
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

/// Everything that a configuration describes.
pub(crate) async fn snapshot(sandbox: &Sandbox, config: Config) -> Result<Snapshot, LoadError> {
    let lock = Lock::read(&Lock::path(&config.file))?;
    let mut tools: BTreeMap<String, Arc<Tool>> = BTreeMap::new();
    for name in config.components.keys() {
        for tool in component(sandbox, &config, &lock, name).await? {
            if let Some(other) = tools.get(&tool.name) {
                return Err(LoadError::ToolName {
                    component: name.clone(),
                    tool: tool.name.clone(),
                    own: tool.own_name.clone(),
                    problem: format!(
                        "has the name of a tool of component `{}`",
                        other.component.name
                    ),
                });
            }
            tools.insert(tool.name.clone(), Arc::new(tool));
        }
    }
    if let Some(unknown) = config.tools.keys().find(|name| !tools.contains_key(*name)) {
        let near = tollgate_core::policy::nearest(unknown, tools.keys().map(String::as_str));
        return Err(LoadError::UnknownTool {
            tool: unknown.clone(),
            file: config.file.clone(),
            near: near.map(str::to_owned),
        });
    }
    let network =
        Network::new(sandbox.resolver(), &config.network.trust).map_err(LoadError::Engine)?;
    let secrets = Arc::new(Vault::new(&config.secrets));
    let bundle = bundle(&config, &tools)?;
    let (bytes, _) = bundle.seal()?;
    let pdp = Pdp::load(&bundle)?;
    Ok(Snapshot {
        config,
        pdp,
        bundle: bytes,
        tools,
        network,
        secrets,
    })
}

/// What decisions depend on: policies, tools and the configured entities.
fn bundle(config: &Config, tools: &BTreeMap<String, Arc<Tool>>) -> Result<Bundle, LoadError> {
    let label = |l: &String| Uid::new(Kind::Label, l);
    let mut entities = config.entities();
    entities.extend(
        config
            .components
            .keys()
            .map(|c| Entity::new(Uid::new(Kind::Component, c), [])),
    );
    entities.extend(tools.values().map(|tool| {
        let component = Uid::new(Kind::Component, &tool.component.name);
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
    Ok(Bundle::new(
        entities,
        config.policy_files()?,
        types.collect(),
    ))
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
        grants.insert(grant.clone(), opened);
    }
    let component = Arc::new(LoadedComponent {
        name: name.into(),
        digest,
        compiled,
        grants,
        secrets: settings.secrets.clone(),
    });
    definitions
        .into_iter()
        .map(|definition| tool(config, &component, definition))
        .collect()
}

fn tool(
    config: &Config,
    component: &Arc<LoadedComponent>,
    definition: ToolDefinition,
) -> Result<Tool, LoadError> {
    let own = definition.name;
    let settings = config.components.get(&component.name);
    let renamed = settings.and_then(|c| c.rename.get(&own)).cloned();
    let name = renamed.unwrap_or_else(|| format!("{}__{own}", component.name));
    let refused = |problem: &str| LoadError::ToolName {
        component: component.name.clone(),
        tool: name.clone(),
        own: own.clone(),
        problem: problem.into(),
    };
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
    let input_schema = definition.input_schema;
    let bad_schema = |problem: String| LoadError::ToolSchema {
        component: component.name.clone(),
        tool: own.clone(),
        problem,
    };
    let validator = jsonschema::options().build(&input_schema).map_err(|e| {
        bad_schema(format!(
            "is not valid: {}",
            crate::text::printable(&e.to_string(), 300)
        ))
    })?;
    if canonical::to_canonical(&input_schema).is_err() {
        return Err(bad_schema("has no canonical form".into()));
    }
    let configured = config.tools.get(&name);
    let one = |label: &str| BTreeSet::from([label.to_owned()]);
    let limits = settings.map(|c| c.limits.clone()).unwrap_or_default();
    let mut limits = configured.map_or(limits.clone(), |t| t.limits.over(&limits));
    limits.memory = limits.memory.min(component.compiled.size().max_memory());
    Ok(Tool {
        labels: configured
            .and_then(|t| t.labels.clone())
            .unwrap_or_else(|| one("unlabelled")),
        taints: configured
            .and_then(|t| t.taints.clone())
            .unwrap_or_else(|| one("untrusted")),
        limits,
        name,
        own_name: own,
        component: Arc::clone(component),
        title: definition.title,
        description: definition.description,
        input_schema,
        output_schema: definition.output_schema,
        annotations: Annotations {
            read_only: definition.annotations.read_only,
            destructive: definition.annotations.destructive,
            idempotent: definition.annotations.idempotent,
            open_world: definition.annotations.open_world,
        },
        validator,
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
        let near = tollgate_core::policy::nearest(name, names);
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
