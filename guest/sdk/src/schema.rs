//! JSON Schemas (2020-12) from types, in a plain form for models and policies: inline, bounded,
//! deterministic, without unnecessary titles, formats and nulls.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

/// The largest integer that all JSON readers interpret alike, 2^53-1.
const EXACT: i64 = (1 << 53) - 1;

/// The schema of a tool's arguments.
pub(crate) fn input<T: JsonSchema>() -> Value {
    let schema = plain(SchemaSettings::draft2020_12())
        .into_generator()
        .into_root_schema_for::<T>();
    let mut value = finished(schema);
    if let Some(object) = value.as_object_mut() {
        // It repeats the tool's own description.
        object.remove("description");
        object.entry("properties").or_insert_with(|| json!({}));
    }
    value
}

/// The schema of a tool's structured result.
pub(crate) fn output<T: JsonSchema>() -> Value {
    finished(
        plain(SchemaSettings::draft2020_12().for_serialize())
            .into_generator()
            .into_root_schema_for::<T>(),
    )
}

/// A text with the lines of each paragraph joined. Lists, tables, headings and code stay as they are.
pub(crate) fn unwrapped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut code = false;
    let mut joins = false;
    for line in text.trim().lines() {
        let line = line.trim_end();
        let fence = line.trim_start().starts_with("```");
        let stands_alone =
            code || fence || line.is_empty() || line.starts_with("    ") || starts_block(line);
        if !out.is_empty() {
            out.push(if joins && !stands_alone { ' ' } else { '\n' });
        }
        out.push_str(if joins && !stands_alone {
            line.trim_start()
        } else {
            line
        });
        code ^= fence;
        joins = !(code || fence || line.is_empty() || line.starts_with('#'));
    }
    out
}

fn starts_block(line: &str) -> bool {
    let line = line.trim_start();
    let after_number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    ["- ", "* ", "# ", "## ", "> ", "|"]
        .iter()
        .any(|mark| line.starts_with(mark))
        || (after_number.len() < line.len() && after_number.starts_with(". "))
}

fn plain(settings: SchemaSettings) -> SchemaSettings {
    settings
        .with(|settings| {
            settings.meta_schema = None;
            settings.inline_subschemas = true;
        })
        .with_transform(Plain)
}

fn finished(mut schema: Schema) -> Value {
    schema.remove("title");
    schema.to_value()
}

#[derive(Clone)]
struct Plain;

impl Transform for Plain {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(object) = schema.as_object_mut() {
            optional_without_null(object);
            bounds_for_format(object);
        }
        transform_subschemas(self, schema);
        if let Some(object) = schema.as_object_mut() {
            plain_enumeration(object);
            if let Some(Value::String(text)) = object.get_mut("description") {
                *text = unwrapped(text);
            }
        }
    }
}

/// An optional argument is left out instead of null, because policies have no null to compare it with.
fn optional_without_null(object: &mut Map<String, Value>) {
    let required: Vec<String> = match object.get("required") {
        Some(Value::Array(names)) => names
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    };
    let Some(Value::Object(properties)) = object.get_mut("properties") else {
        return;
    };
    for (name, property) in properties {
        if let Value::Object(property) = property
            && !required.contains(name)
        {
            without_null(property);
        }
    }
}

fn without_null(property: &mut Map<String, Value>) {
    if property.get("default") == Some(&Value::Null) {
        property.remove("default");
    }
    if let Some(Value::Array(values)) = property.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(kinds) = property.get_mut("type")
        && let Value::Array(list) = kinds
    {
        list.retain(|kind| kind != "null");
        if let [only] = list.as_slice() {
            *kinds = only.clone();
        }
    }
    if let Some(Value::Array(options)) = property.get_mut("anyOf") {
        options.retain(|option| option.get("type").is_none_or(|kind| kind != "null"));
        if let [Value::Object(only)] = options.as_slice() {
            let only = only.clone();
            property.remove("anyOf");
            for (key, value) in only {
                property.entry(key).or_insert(value);
            }
        }
    }
}

/// Formats of numbers are not part of JSON Schema; bounds are.
fn bounds_for_format(object: &mut Map<String, Value>) {
    let Some(Value::String(format)) = object.get("format") else {
        return;
    };
    let (least, most) = match format.as_str() {
        "float" | "double" => {
            object.remove("format");
            return;
        }
        "int8" => (i8::MIN.into(), i8::MAX.into()),
        "int16" => (i16::MIN.into(), i16::MAX.into()),
        // A guest's pointers have 32 bits, even if the schema is made natively.
        "int32" | "int" => (i32::MIN.into(), i32::MAX.into()),
        "int64" | "int128" => (-EXACT, EXACT),
        "uint8" => (0, u8::MAX.into()),
        "uint16" => (0, u16::MAX.into()),
        "uint32" | "uint" => (0, u32::MAX.into()),
        "uint64" | "uint128" => (0, EXACT),
        _ => return,
    };
    object.remove("format");
    let least = object
        .get("minimum")
        .and_then(Value::as_i64)
        .map_or(least, |own| own.max(least));
    let most = object
        .get("maximum")
        .and_then(Value::as_i64)
        .map_or(most, |own| own.min(most));
    object.insert("minimum".to_owned(), least.into());
    object.insert("maximum".to_owned(), most.into());
}

/// Variants with doc comments come as alternatives of one constant each; one enumeration is equivalent.
fn plain_enumeration(object: &mut Map<String, Value>) {
    let Some(Value::Array(options)) = object.get("oneOf") else {
        return;
    };
    let mut names = Vec::new();
    let mut meanings = Vec::new();
    for option in options {
        match (option.get("const"), option.get("enum")) {
            (Some(Value::String(name)), None) => {
                if let Some(Value::String(meaning)) = option.get("description") {
                    meanings.push(format!("- `{name}`: {meaning}"));
                }
                names.push(Value::String(name.clone()));
            }
            (None, Some(Value::Array(several))) if several.iter().all(Value::is_string) => {
                names.extend(several.iter().cloned());
            }
            _ => return,
        }
    }
    object.remove("oneOf");
    object.insert("type".to_owned(), "string".into());
    object.insert("enum".to_owned(), names.into());
    if !meanings.is_empty() {
        let mut text = match object.get("description") {
            Some(Value::String(text)) => format!("{text}\n"),
            _ => String::new(),
        };
        text.push_str(&meanings.join("\n"));
        object.insert("description".to_owned(), text.into());
    }
}

#[cfg(test)]
mod tests;
