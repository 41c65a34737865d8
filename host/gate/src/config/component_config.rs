//! `config` under `[components.NAME]`: values that the component may read.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use toml::{Spanned, Table, Value};

use super::{ConfigError, validate::Validation};
use crate::{
    capture::Detectors,
    sandbox::resources::{ConfigEntry, ConfigValue, MAX_TEXTS, MAX_VALUE, is_key},
};

/// Entries of a component.
const MAX_ENTRIES: usize = 100;

/// Nothing loads without the built-in detectors, so their absence needs no error here.
static DETECTORS: LazyLock<Option<Detectors>> =
    LazyLock::new(|| Detectors::new(&BTreeMap::new(), &[]).ok());

/// What is wrong with an entry, and what to do.
type Fault = (String, String);

impl Validation<'_> {
    pub(super) fn component_config(
        &self,
        component: &str,
        config: BTreeMap<String, Spanned<Value>>,
    ) -> Result<BTreeMap<String, ConfigEntry>, ConfigError> {
        let count = config.len();
        let mut entries = BTreeMap::new();
        for (key, value) in config {
            let span = value.span();
            let wrong = |(problem, help): Fault| {
                let key = key.escape_debug();
                let message = format!("`{key}` in the config of component `{component}` {problem}");
                self.error_at(span.start, message, &help)
            };
            if entries.len() >= MAX_ENTRIES {
                let problem = format!("is one of {count} entries, which are too many");
                return Err(wrong((problem, format!("use at most {MAX_ENTRIES}"))));
            }
            if !is_key(&key) {
                let help = "use 1 to 64 ASCII letters, digits, `-` and `_`";
                return Err(wrong(("is not a valid key".into(), help.into())));
            }
            let (value, labels) = parts(&key, value.into_inner()).map_err(wrong)?;
            for label in &labels {
                self.name("label", label)?;
            }
            let value = parsed(&key, value).map_err(wrong)?;
            check_secret(&key, &value).map_err(wrong)?;
            entries.insert(key, ConfigEntry { value, labels });
        }
        Ok(entries)
    }
}

/// A value with its labels: as it is, or as a table that names both.
fn parts(key: &str, value: Value) -> Result<(Value, BTreeSet<String>), Fault> {
    let Value::Table(mut table) = value else {
        return Ok((value, BTreeSet::new()));
    };
    let help = format!(
        "write {key} = \"text\", or {key} = {{ value = \"text\", labels = [\"private\"] }}; keys are not nested"
    );
    let Some(value) = table.remove("value") else {
        return Err(("is a table without `value`".into(), help));
    };
    let labels = labels(&mut table).ok_or_else(|| {
        let problem = "has `labels` that are not a list of names";
        (problem.to_owned(), help.clone())
    })?;
    match table.keys().next() {
        Some(unknown) => {
            let problem = format!(
                "is a table with the unknown key `{}`",
                unknown.escape_debug()
            );
            Err((problem, help))
        }
        None => Ok((value, labels)),
    }
}

fn labels(table: &mut Table) -> Option<BTreeSet<String>> {
    let labels = match table.remove("labels") {
        Some(Value::Array(labels)) => labels,
        Some(_) => return None,
        None => Vec::new(),
    };
    let label = |label| match label {
        Value::String(label) => Some(label),
        _ => None,
    };
    labels.into_iter().map(label).collect()
}

fn parsed(key: &str, value: Value) -> Result<ConfigValue, Fault> {
    let value = match value {
        Value::String(text) => ConfigValue::Text(text),
        Value::Integer(integer) => ConfigValue::Integer(integer),
        Value::Float(float) if float.is_finite() => ConfigValue::Float(float),
        Value::Float(_) => {
            let help = "leave the key out where there is no number";
            return Err(("is not a finite number".into(), help.into()));
        }
        Value::Boolean(boolean) => ConfigValue::Boolean(boolean),
        Value::Array(items) => ConfigValue::Texts(texts(key, items)?),
        Value::Datetime(time) => {
            let help = format!("write it as text: {key} = \"{time}\"");
            return Err((
                "is a date or a time, which is not a type of values".into(),
                help,
            ));
        }
        Value::Table(_) => {
            let help = "give each value a key of its own";
            return Err(("has a table as its value".into(), help.into()));
        }
    };
    if value.size() > MAX_VALUE {
        let problem = format!("has {} bytes, which are too many", value.size());
        let help = format!(
            "use at most {} KiB, or put it into a file that the component is granted",
            MAX_VALUE >> 10
        );
        return Err((problem, help));
    }
    Ok(value)
}

fn texts(key: &str, items: Vec<Value>) -> Result<Vec<String>, Fault> {
    if items.len() > MAX_TEXTS {
        let problem = format!("has {} texts, which are too many", items.len());
        return Err((problem, format!("use at most {MAX_TEXTS}")));
    }
    let text = |item| match item {
        Value::String(text) => Ok(text),
        _ => {
            let help = format!("write its items as text: {key} = [\"0.5\", \"1\"]");
            Err(("is a list of something else than text".to_owned(), help))
        }
    };
    items.into_iter().map(text).collect()
}

/// That a value does not look like a secret: a component would get it. The error does not quote it.
fn check_secret(key: &str, value: &ConfigValue) -> Result<(), Fault> {
    let Some(detectors) = DETECTORS.as_ref() else {
        return Ok(());
    };
    let mut texts = value.texts().filter(|text| !text.is_empty()).peekable();
    let is_named = texts.peek().is_some() && detectors.is_secret_name(key);
    let help = "put it under [secrets] and grant the secret to the component, which then never gets its value";
    if texts.any(|text| detectors.finds(text)) {
        return Err(("looks like a secret".into(), help.into()));
    }
    if is_named {
        let help = format!("{help}; or use another key if it is not one");
        return Err(("has the name of a secret".into(), help));
    }
    Ok(())
}
