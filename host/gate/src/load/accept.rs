//! Accepting component files.

use tollgate_model::canonical::Sha256Digest;
use tollgate_policy::policy;

use super::{LoadError, component::read_component};
use crate::{
    config::{Config, ConfigError},
    lock::{Lock, LockedComponent},
};

/// Accepts the current component files: all, or the named one.
///
/// # Errors
/// If a file cannot be read, the lock cannot be written, or there is no component with this name.
pub fn accept(
    config: &Config,
    only: Option<&str>,
) -> Result<Vec<(String, Sha256Digest)>, LoadError> {
    let path = Lock::path(&config.file);
    let mut lock = Lock::read(&path)?;
    if let Some(name) = only.filter(|name| !config.components.contains_key(*name)) {
        let names = config.components.keys().map(String::as_str);
        let near = policy::nearest(name, names);
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
            .insert(name.clone(), LockedComponent { digest });
        accepted.push((name.clone(), digest));
    }
    lock.components
        .retain(|name, _| config.components.contains_key(name));
    lock.write(&path)?;
    Ok(accepted)
}
