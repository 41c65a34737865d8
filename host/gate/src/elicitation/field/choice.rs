//! What can be chosen in a field.

use serde_json::{Map, Value};

/// The most options of a choice.
const MAX_OPTIONS: usize = 200;
/// The most bytes of an option or its title.
const MAX_OPTION: usize = 1 << 10;
/// Members of an alternative that is an option.
const OPTION: &[&str] = &["const", "description", "title", "type"];

/// An option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FieldOption {
    pub(super) value: String,
    pub(super) title: Option<String>,
}

impl FieldOption {
    fn is_short(&self) -> bool {
        let is_short = |text: &String| text.len() <= MAX_OPTION;
        is_short(&self.value) && self.title.as_ref().is_none_or(is_short)
    }
}

/// The options that the members list: as `enum`, as `const`, or as alternatives with a `const` each. `None` if they
/// list none.
///
/// # Errors
/// What is wrong with the field, after its name.
pub(super) fn options(members: &Map<String, Value>) -> Result<Option<Vec<FieldOption>>, String> {
    let lists = ["const", "enum", "oneOf", "anyOf"];
    let mut lists = lists.iter().filter_map(|name| members.get_key_value(*name));
    let Some((name, list)) = lists.next() else {
        return Ok(None);
    };
    if lists.next().is_some() {
        return Err("lists its options twice".into());
    }
    let options = match (name.as_str(), list) {
        ("const", value) => vec![FieldOption {
            value: text(value)?,
            title: None,
        }],
        ("enum", Value::Array(values)) => {
            let titles = members.get("enumNames").and_then(Value::as_array);
            let title = |n| titles.and_then(|titles| titles.get(n)).map(text).transpose();
            let values = values.iter().enumerate();
            let options = values.map(|(n, value)| {
                Ok(FieldOption {
                    value: text(value)?,
                    title: title(n)?,
                })
            });
            options.collect::<Result<Vec<_>, String>>()?
        }
        (_, Value::Array(alternatives)) => alternatives
            .iter()
            .map(alternative)
            .collect::<Result<Vec<_>, String>>()?,
        _ => return Err("has an unusable list of options".into()),
    };
    let is_usable = (1..=MAX_OPTIONS).contains(&options.len());
    if !is_usable || !options.iter().all(FieldOption::is_short) {
        return Err(format!("does not have 1 to {MAX_OPTIONS} short options"));
    }
    Ok(Some(options))
}

fn alternative(value: &Value) -> Result<FieldOption, String> {
    let members = value.as_object().filter(|members| {
        let mut names = members.keys();
        names.all(|name| OPTION.contains(&name.as_str()))
    });
    let members = members.ok_or("has alternatives that are not options")?;
    let value = members.get("const");
    Ok(FieldOption {
        value: text(value.ok_or("has alternatives that are not options")?)?,
        title: members.get("title").map(text).transpose()?,
    })
}

fn text(value: &Value) -> Result<String, String> {
    let text = value.as_str().map(str::to_owned);
    text.ok_or_else(|| "has options that are not text".into())
}

/// Whether it is one of the options.
///
/// # Errors
/// What is wrong with it, after the field's name.
pub(super) fn chosen(options: &[FieldOption], text: &str) -> Result<(), String> {
    match options.iter().any(|option| option.value == text) {
        true => Ok(()),
        false => Err("is not one of the options".into()),
    }
}
