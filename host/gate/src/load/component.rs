//! Components: read, compared with the accepted digest, compiled.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use tollgate_model::canonical::Sha256Digest;
use tollgate_policy::policy;

use super::{
    LoadError, cache_dir,
    tool::{ToolDefaults, tool, tool_problem},
};
use crate::{
    config::{ComponentConfig, Config},
    egress::Network,
    lock::Lock,
    sandbox::{
        Compiler, Component, Grant, GrantMode, Inspection, LoadedComponent, Resources, Sandbox,
        ToolList,
    },
    tool::{Size, SourceKind, Tool, ToolDefinition, ToolSource},
};

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
pub(super) struct ComponentTools {
    /// Those that agents can have.
    pub(super) usable: Vec<Tool>,
    /// The others, by the component's own names, and why.
    pub(super) left_out: BTreeMap<String, String>,
}

/// A compiled component with its resources, and its tools. Each tool stands for itself: one that cannot be used costs no
/// other.
///
/// # Errors
/// [`LoadError`].
pub(super) async fn component(
    sandbox: &Sandbox,
    config: &Config,
    lock: &Lock,
    network: &Network,
    name: &str,
    settings: &ComponentConfig,
) -> Result<(LoadedComponent, ComponentTools), LoadError> {
    let (bytes, digest) = read_component(config, name)?;
    check_accepted(lock, name, settings, digest)?;
    let failed = |error| LoadError::Sandbox {
        name: name.into(),
        path: settings.path.clone(),
        error: Box::new(error),
    };
    let compiled = compile(sandbox, name, settings, bytes).await?;
    let ToolList {
        tools: definitions,
        left_out,
    } = sandbox.list_tools(&compiled).await.map_err(failed)?;
    let mut grants = BTreeMap::new();
    for (grant, g) in &settings.grants {
        let mode = match g.read_write {
            true => GrantMode::ReadWrite,
            false => GrantMode::ReadOnly,
        };
        let opened = Grant::open(grant, &g.path, mode, g.labels.clone()).map_err(failed)?;
        grants.insert(grant.clone(), Arc::new(opened));
    }
    check_renames(config, name, settings, (&definitions, &left_out))?;
    let mut tools = ComponentTools {
        usable: Vec::new(),
        left_out: left_out.into_iter().collect(),
    };
    let defaults = defaults(name, digest, settings);
    for definition in definitions {
        tools.take(config, &defaults, definition, compiled.size())?;
    }
    let component = LoadedComponent {
        name: name.into(),
        digest,
        compiled,
        resources: Arc::new(Resources {
            grants,
            secrets: settings.secrets.clone(),
            config: settings.config.clone(),
            environment: settings.environment.clone(),
            network: network.clone(),
            hosts: Arc::new(config.network.clone()),
        }),
    };
    Ok((component, tools))
}

impl ComponentTools {
    fn take(
        &mut self,
        config: &Config,
        defaults: &ToolDefaults<'_>,
        definition: ToolDefinition,
        size: Size,
    ) -> Result<(), LoadError> {
        let own_name = definition.name.clone();
        let name = agents_name(&defaults.source.name, defaults.rename, &own_name);
        let configured = config.tools.get(&name);
        let is_typed_by_operator = configured.is_some_and(|tool| !tool.numbers.is_empty());
        match tool(config, defaults, definition) {
            Ok(mut tool) => {
                tool.limits.memory = tool.limits.memory.min(size.max_memory());
                self.usable.push(tool);
            }
            Err(error @ LoadError::ToolSchema { .. }) if is_typed_by_operator => return Err(error),
            Err(error @ (LoadError::ToolName { .. } | LoadError::ToolSchema { .. })) => {
                self.left_out.insert(own_name, error.to_string());
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// The tools of a component whose file is not there, if the accepted file was inspected once.
pub(super) fn known_tools(
    sandbox: &Sandbox,
    config: &Config,
    lock: &Lock,
    name: &str,
    settings: &ComponentConfig,
) -> Option<Vec<Tool>> {
    let digest = lock.components.get(name)?.digest;
    let inspected = sandbox.inspected_tools(digest, settings.size)?;
    let defaults = defaults(name, digest, settings);
    let definitions = inspected.into_iter().map(|found| ToolDefinition {
        name: found.name,
        title: None,
        description: found.description,
        input_schema: found.input_schema,
        output_schema: None,
        annotations: found.annotations,
    });
    let tools = definitions.map(|definition| tool(config, &defaults, definition));
    Some(tools.filter_map(Result::ok).collect())
}

fn defaults<'a>(
    name: &str,
    digest: Sha256Digest,
    settings: &'a ComponentConfig,
) -> ToolDefaults<'a> {
    ToolDefaults {
        source: ToolSource {
            name: name.into(),
            digest,
            kind: SourceKind::Component,
        },
        rename: &settings.rename,
        labels: None,
        taints: None,
        limits: &settings.limits,
    }
}

/// What agents would call the tool of a component.
pub(super) fn agents_name(
    component: &str,
    rename: &BTreeMap<String, String>,
    own_name: &str,
) -> String {
    let renamed = rename.get(own_name).cloned();
    renamed.unwrap_or_else(|| format!("{component}__{own_name}"))
}

fn check_accepted(
    lock: &Lock,
    name: &str,
    settings: &ComponentConfig,
    found: Sha256Digest,
) -> Result<(), LoadError> {
    match lock.components.get(name) {
        None => Err(LoadError::NotAccepted { name: name.into() }),
        Some(accepted) if accepted.digest != found => Err(LoadError::Changed {
            name: name.into(),
            path: settings.path.clone(),
            accepted: accepted.digest,
            found,
        }),
        Some(_) => Ok(()),
    }
}

/// Compiles away from the async workers: the first time takes a while, and a reload must not delay calls.
async fn compile(
    sandbox: &Sandbox,
    name: &str,
    settings: &ComponentConfig,
    bytes: Vec<u8>,
) -> Result<Component, LoadError> {
    let compiling = {
        let (sandbox, name, size) = (sandbox.clone(), name.to_owned(), settings.size);
        tokio::task::spawn_blocking(move || {
            sandbox.ensure_compiled(&name, &bytes, size)?;
            Ok(sandbox.load(&name, &bytes, size))
        })
    };
    compiling
        .await
        .map_err(|_| LoadError::Compiler { name: name.into() })?
        .map_err(|error| LoadError::Compile {
            name: name.into(),
            path: settings.path.clone(),
            error,
        })?
        .map_err(|error| LoadError::Sandbox {
            name: name.into(),
            path: settings.path.clone(),
            error: Box::new(error),
        })
}

/// Requires that every renamed tool exists.
fn check_renames(
    config: &Config,
    name: &str,
    settings: &ComponentConfig,
    (definitions, left_out): (&[ToolDefinition], &[(String, String)]),
) -> Result<(), LoadError> {
    let others = || left_out.iter().map(|(name, _)| name.as_str());
    let own = || definitions.iter().map(|d| d.name.as_str()).chain(others());
    let unknown = |renamed: &&String| !own().any(|own| own == renamed.as_str());
    let Some(unknown) = settings.rename.keys().find(unknown) else {
        return Ok(());
    };
    Err(LoadError::UnknownRename {
        component: name.into(),
        own: unknown.clone(),
        file: config.file.clone(),
        near: policy::nearest(unknown, own()).map(str::to_owned),
    })
}

/// Compiles a component into the cache of a configuration's gate, in the compiler's process, and returns
/// its contents. Tools that this gate could not offer are among what is left out, with the reasons.
///
/// # Errors
/// [`LoadError::Compile`] if this gate cannot run it.
pub fn inspect(
    config: &Config,
    name: &str,
    path: &Path,
    bytes: &[u8],
    size: Size,
    compiler: &Compiler,
) -> Result<Inspection, LoadError> {
    // The sandbox in the child creates the directory and checks its mode.
    let inspection = compiler.compile(&cache_dir(config), name, bytes, size);
    let mut inspection = inspection.map_err(|error| LoadError::Compile {
        name: name.into(),
        path: path.into(),
        error,
    })?;
    let none = BTreeMap::new();
    let rename = config.components.get(name).map_or(&none, |c| &c.rename);
    let (tools, left_out) = (&mut inspection.tools, &mut inspection.left_out);
    tools.retain(|tool| {
        let shown = agents_name(name, rename, &tool.name);
        let problem = tool_problem(&shown, &tool.input_schema);
        left_out.extend(problem.iter().map(|why| format!("`{}`: {why}", tool.name)));
        problem.is_none()
    });
    Ok(inspection)
}

#[cfg(test)]
mod tests;
