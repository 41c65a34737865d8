//! Components: read, compared with the accepted digest, compiled.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use tollgate_model::canonical::Sha256Digest;
use tollgate_policy::policy;

use super::{
    LoadError, cache_dir,
    tool::{ToolDefaults, tool},
};
use crate::{
    config::{ComponentConfig, Config},
    egress::Network,
    lock::Lock,
    sandbox::{
        Compiler, Component, Grant, GrantMode, Inspection, LoadedComponent, Resources, Sandbox,
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

/// A compiled component with its resources, and its tools.
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
) -> Result<(LoadedComponent, Vec<Tool>), LoadError> {
    let (bytes, digest) = read_component(config, name)?;
    check_accepted(lock, name, settings, digest)?;
    let failed = |error| LoadError::Sandbox {
        name: name.into(),
        path: settings.path.clone(),
        error: Box::new(error),
    };
    let compiled = compile(sandbox, name, settings, bytes).await?;
    let definitions = sandbox.list_tools(&compiled).await.map_err(failed)?;
    let mut grants = BTreeMap::new();
    for (grant, g) in &settings.grants {
        let mode = match g.read_write {
            true => GrantMode::ReadWrite,
            false => GrantMode::ReadOnly,
        };
        let opened = Grant::open(grant, &g.path, mode, g.labels.clone()).map_err(failed)?;
        grants.insert(grant.clone(), Arc::new(opened));
    }
    check_renames(config, name, settings, &definitions)?;
    let most = compiled.size().max_memory();
    let defaults = ToolDefaults {
        source: ToolSource {
            name: name.into(),
            digest,
            kind: SourceKind::Component,
        },
        rename: &settings.rename,
        labels: None,
        taints: None,
        limits: &settings.limits,
    };
    let mut tools = Vec::new();
    for definition in definitions {
        let mut tool = tool(config, &defaults, definition)?;
        tool.limits.memory = tool.limits.memory.min(most);
        tools.push(tool);
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
    definitions: &[ToolDefinition],
) -> Result<(), LoadError> {
    let own = || definitions.iter().map(|d| d.name.as_str());
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
/// its contents.
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
    inspection.map_err(|error| LoadError::Compile {
        name: name.into(),
        path: path.into(),
        error,
    })
}
