//! What is left of a configuration with an error: enough to find the store, and with it the gate that is served.
//!
//! Who stops an agent must not first have to finish an edit. A gate never loads this.

use std::{fs, path::Path};

use toml::de::{DeTable, DeValue};

use super::{Config, ConfigError, raw, validate};

impl Config {
    /// Reads a configuration. If it has an error, that is in [`Config::error`], and only `[gate]` and `[store]` count.
    ///
    /// # Errors
    /// The errors of [`Config::read`], if the store is not to be found either.
    pub fn read_despite_errors(file: &Path) -> Result<Self, ConfigError> {
        let error = match Self::read(file) {
            Ok(config) => return Ok(config),
            Err(error) => error,
        };
        let file = error.file.clone();
        match fs::read_to_string(&file) {
            Ok(text) => salvage(&file, &text, error),
            Err(_) => Err(error),
        }
    }
}

/// The configuration of the text's `[gate]` and `[store]` alone.
fn salvage(file: &Path, text: &str, error: ConfigError) -> Result<Config, ConfigError> {
    let (table, _) = DeTable::parse_recoverable(text);
    let table = table.get_ref();
    let mut raw = raw::File::default();
    match value(table, "store", "url") {
        None => {}
        Some(DeValue::String(url)) => raw.store.url = Some(url.to_string()),
        Some(_) => return Err(error),
    }
    let text_of = |key| Some(value(table, "gate", key)?.as_str()?.to_owned());
    raw.gate.name = text_of("name");
    raw.gate.tenant = text_of("tenant");
    let validation = validate::Validation {
        file,
        text,
        base: file.parent().unwrap_or(Path::new(".")),
    };
    match validation.config(raw) {
        Ok(config) => Ok(Config {
            error: Some(error),
            ..config
        }),
        Err(_) => Err(error),
    }
}

fn value<'a>(table: &'a DeTable<'a>, name: &str, key: &str) -> Option<&'a DeValue<'a>> {
    let found = table.get(name)?.get_ref().as_table()?.get(key)?;
    Some(found.get_ref())
}

#[cfg(test)]
mod tests;
