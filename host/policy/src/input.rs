//! A tool's arguments, typed for Cedar.
//!
//! One tree, read from the tool's JSON Schema, says both how the arguments appear in the schema that
//! policies are validated against and how a value becomes a Cedar value, so the two cannot disagree.
//! The shape is that of Cedar's own MCP schema generator: objects are records, numbers decimals,
//! enumerations entity types, unions records of `typeChoiceN`. It differs in one place: what cannot be
//! typed (maps, recursion) is its canonical JSON text, so that a policy can still look at it.

use std::{collections::BTreeMap, str::FromStr};

use cedar_policy_core::ast::{Eid, EntityType, EntityUID, Value as CedarValue};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::cedar_value;
use tollgate_model::{canonical, entity::NAMESPACE};

/// How deep a schema is typed; below, values are JSON text.
const MAX_TYPED_DEPTH: usize = 8;

/// How many nodes of a schema are typed; a schema whose references fan out would have millions.
const MAX_TYPED_NODES: usize = 4096;

/// Why a schema or a value cannot be typed. Names places, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// The schema of the arguments is no object schema.
    #[error("the input schema must have `\"type\": \"object\"` at its root")]
    NotAnObject,
    /// The schema breaks JSON Schema.
    #[error("the input schema is not valid at `{pointer}`: {reason}")]
    Schema {
        /// Into the schema.
        pointer: String,
        /// What was expected.
        reason: &'static str,
    },
    /// A number mapping that names no number.
    #[error("`{pointer}` is mapped to another type but the schema has no number there")]
    UnknownMapping {
        /// Into the arguments.
        pointer: String,
    },
    /// A number with more than four decimals, or beyond a decimal's range.
    #[error(
        "the number at `{pointer}` does not fit a Cedar decimal (four decimals); \
         map it with `numbers.\"{pointer}\" = \"string\"` or `\"scaled(n)\"` in the tool's configuration"
    )]
    Decimal {
        /// Into the arguments.
        pointer: String,
    },
    /// A value that does not have the type that the schema promises.
    #[error("the value at `{pointer}` is no {expected}")]
    Type {
        /// Into the arguments.
        pointer: String,
        /// What was expected.
        expected: &'static str,
    },
}

/// How a JSON number appears to policies, where a decimal will not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum NumberMapping {
    /// As its canonical text.
    Text,
    /// As a `Long`: the number times ten to this power, at most 9, which must be whole.
    Scaled(u8),
}

impl From<NumberMapping> for String {
    fn from(mapping: NumberMapping) -> Self {
        match mapping {
            NumberMapping::Text => "string".into(),
            NumberMapping::Scaled(n) => format!("scaled({n})"),
        }
    }
}

impl TryFrom<String> for NumberMapping {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let scale = text
            .strip_prefix("scaled(")
            .and_then(|t| t.strip_suffix(')'));
        match (text.as_str(), scale.and_then(|n| n.parse().ok())) {
            ("string", _) => Ok(Self::Text),
            (_, Some(n @ 0..=9)) => Ok(Self::Scaled(n)),
            _ => Err(format!(
                "`{text}` is no number mapping: use \"string\" or \"scaled(0)\" to \"scaled(9)\""
            )),
        }
    }
}

/// The arguments of one tool.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolInput {
    root: BTreeMap<String, Field>,
    /// The namespace of its enumerations, such as `Tollgate::tickets__list::Input`.
    namespace: String,
}

#[derive(Debug, Clone, PartialEq)]
struct Field {
    ty: InputType,
    required: bool,
    default: Option<Value>,
}

#[derive(Debug, Clone, PartialEq)]
enum InputType {
    Bool,
    Long,
    Decimal,
    Mapped(NumberMapping),
    String,
    Datetime,
    IpAddress,
    Null,
    /// Namespace and name of the entity type, and its ids.
    Enumeration {
        namespace: String,
        name: String,
        variants: Vec<String>,
    },
    Set(Box<InputType>),
    Record(BTreeMap<String, Field>),
    Union(Vec<InputType>),
    /// Canonical JSON text.
    Json,
}

/// A name as a Cedar identifier: other characters than letters, digits and `_` become `_x<hex>_`,
/// and what begins with a digit or is reserved gets `_x_` in front. Two names never share an identifier.
#[must_use]
pub fn identifier(name: &str) -> String {
    // Cedar's keywords, and the one entity type name that it keeps for itself.
    const RESERVED: &[&str] = &[
        "true", "false", "if", "then", "else", "in", "is", "like", "has", "Action",
    ];
    let mut out = String::new();
    let mut chars = name.chars().peekable();
    let reserved = name.is_empty() || RESERVED.contains(&name) || name.starts_with("__cedar");
    if reserved || name.starts_with(|c: char| c.is_ascii_digit()) {
        out.push_str("_x_");
    }
    while let Some(c) = chars.next() {
        let escape = c == '_' && chars.peek() == Some(&'x');
        if (c.is_ascii_alphanumeric() || c == '_') && !escape {
            out.push(c);
        } else {
            out.push_str(&format!("_x{:x}_", u32::from(c)));
        }
    }
    out
}

struct SchemaReader<'a> {
    document: &'a Value,
    numbers: &'a BTreeMap<String, NumberMapping>,
    mapped: Vec<String>,
    /// Nodes read so far.
    read: usize,
}

impl ToolInput {
    /// Type the arguments of `tool` by their JSON Schema. `numbers` maps JSON pointers into the
    /// arguments (`/*` for any array element) to another form than decimal.
    ///
    /// # Errors
    /// [`InputError`] if the schema is no object schema, is malformed where it is read, or a mapping
    /// names no number.
    pub fn from_json_schema(
        tool: &str,
        schema: &Value,
        numbers: &BTreeMap<String, NumberMapping>,
    ) -> Result<Self, InputError> {
        let namespace = format!("{NAMESPACE}::{}::Input", identifier(tool));
        let object = schema.as_object().ok_or(InputError::NotAnObject)?;
        if object.get("type").and_then(Value::as_str) != Some("object") {
            return Err(InputError::NotAnObject);
        }
        let mut reader = SchemaReader {
            document: schema,
            numbers,
            mapped: Vec::new(),
            read: 0,
        };
        let root = reader.fields(object, &namespace, "", 0)?;
        if let Some(pointer) = numbers.keys().find(|p| !reader.mapped.contains(p)) {
            return Err(InputError::UnknownMapping {
                pointer: pointer.clone(),
            });
        }
        Ok(Self { root, namespace })
    }

    /// Fill in what the schema has a default for. Arguments that are no object stay as they are.
    pub fn apply_defaults(&self, arguments: &mut Value) {
        if let Value::Object(members) = arguments {
            apply_defaults(&self.root, members);
        }
    }

    /// The type of `context.input`, in Cedar's JSON schema format.
    #[must_use]
    pub fn cedar_type(&self) -> Value {
        record_type(&self.root)
    }

    /// Entity types of the enumerations, by namespace, in Cedar's JSON schema format.
    #[must_use]
    pub fn enumerations(&self) -> BTreeMap<String, Map<String, Value>> {
        let mut found = BTreeMap::new();
        for field in self.root.values() {
            enumerations(&field.ty, &mut found);
        }
        found
    }

    /// The arguments as a Cedar record.
    ///
    /// # Errors
    /// [`InputError`] if a value does not have the type that the schema promises.
    pub(crate) fn value(&self, arguments: &Value) -> Result<CedarValue, InputError> {
        let members = arguments.as_object().ok_or(InputError::Type {
            pointer: "/".into(),
            expected: "object",
        })?;
        record_value(&self.root, members, "")
    }

    /// The namespace of this tool's enumerations.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }
}

impl SchemaReader<'_> {
    fn fields(
        &mut self,
        object: &Map<String, Value>,
        namespace: &str,
        pointer: &str,
        depth: usize,
    ) -> Result<BTreeMap<String, Field>, InputError> {
        let invalid = |reason| InputError::Schema {
            pointer: pointer.to_owned(),
            reason,
        };
        let required: Vec<&str> = match object.get("required") {
            None => Vec::new(),
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            Some(_) => return Err(invalid("`required` is a list of names")),
        };
        let properties = match object.get("properties") {
            None => return Ok(BTreeMap::new()),
            Some(Value::Object(properties)) => properties,
            Some(_) => return Err(invalid("`properties` is an object")),
        };
        let mut fields = BTreeMap::new();
        for (name, schema) in properties {
            let below = format!("{pointer}/{}", canonical::escape_segment(name));
            let ty = self.read(schema, namespace, &identifier(name), &below, depth + 1)?;
            let default = schema.get("default").filter(|d| !d.is_null()).cloned();
            let required = required.contains(&name.as_str()) || default.is_some();
            fields.insert(
                name.clone(),
                Field {
                    ty,
                    required,
                    default,
                },
            );
        }
        Ok(fields)
    }

    fn number(&mut self, pointer: &str) -> InputType {
        match self.numbers.get_key_value(pointer) {
            Some((key, mapping)) => {
                self.mapped.push(key.clone());
                InputType::Mapped(*mapping)
            }
            None => InputType::Decimal,
        }
    }

    fn read(
        &mut self,
        schema: &Value,
        namespace: &str,
        name: &str,
        pointer: &str,
        depth: usize,
    ) -> Result<InputType, InputError> {
        let Some(object) = schema.as_object() else {
            return match schema {
                Value::Bool(_) => Ok(InputType::Json),
                _ => Err(InputError::Schema {
                    pointer: pointer.into(),
                    reason: "a schema is an object or a boolean",
                }),
            };
        };
        self.read += 1;
        if depth > MAX_TYPED_DEPTH || self.read > MAX_TYPED_NODES || object.contains_key("allOf") {
            return Ok(InputType::Json);
        }
        if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            let document = self.document;
            let target = reference
                .strip_prefix('#')
                .and_then(|p| document.pointer(p))
                .ok_or(InputError::Schema {
                    pointer: pointer.into(),
                    reason: "`$ref` must point into this schema",
                })?;
            return self.read(target, namespace, name, pointer, depth + 1);
        }
        if let Some(choices) = object.get("anyOf").or_else(|| object.get("oneOf")) {
            let choices = choices.as_array().map(Vec::as_slice).unwrap_or_default();
            return self.union(choices, namespace, name, pointer, depth);
        }
        if let Some(variants) = string_variants(object) {
            return Ok(InputType::Enumeration {
                namespace: namespace.into(),
                name: name.into(),
                variants,
            });
        }
        match object.get("type") {
            Some(Value::String(ty)) => self.typed(ty, object, namespace, name, pointer, depth),
            Some(Value::Array(types)) => {
                let choices: Vec<Value> = types
                    .iter()
                    .map(|ty| {
                        let mut one = object.clone();
                        one.insert("type".into(), ty.clone());
                        Value::Object(one)
                    })
                    .collect();
                self.union(&choices, namespace, name, pointer, depth)
            }
            _ => Ok(InputType::Json),
        }
    }

    fn union(
        &mut self,
        choices: &[Value],
        namespace: &str,
        name: &str,
        pointer: &str,
        depth: usize,
    ) -> Result<InputType, InputError> {
        let mut types: Vec<InputType> = Vec::new();
        for (i, choice) in choices.iter().enumerate() {
            let namespace = format!("{namespace}::{name}");
            let name = format!("TypeChoice{i}");
            types.push(self.read(choice, &namespace, &name, pointer, depth + 1)?);
        }
        Ok(match types.len() {
            0 => InputType::Json,
            1 => types.remove(0),
            _ => InputType::Union(types),
        })
    }

    fn typed(
        &mut self,
        ty: &str,
        object: &Map<String, Value>,
        namespace: &str,
        name: &str,
        pointer: &str,
        depth: usize,
    ) -> Result<InputType, InputError> {
        Ok(match ty {
            "boolean" => InputType::Bool,
            "integer" => InputType::Long,
            "number" => self.number(pointer),
            "null" => InputType::Null,
            "string" => match object.get("format").and_then(Value::as_str) {
                Some("date-time") => InputType::Datetime,
                Some("ipv4" | "ipv6") => InputType::IpAddress,
                _ => InputType::String,
            },
            "array" => match object.get("items") {
                Some(items) if !object.contains_key("prefixItems") => {
                    let below = format!("{pointer}/*");
                    let element = self.read(items, namespace, name, &below, depth + 1)?;
                    InputType::Set(Box::new(element))
                }
                _ => InputType::Json,
            },
            "object" if object.contains_key("properties") => {
                let namespace = format!("{namespace}::{name}");
                InputType::Record(self.fields(object, &namespace, pointer, depth)?)
            }
            "object" => InputType::Json,
            _ => {
                return Err(InputError::Schema {
                    pointer: pointer.into(),
                    reason: "unknown `type`",
                });
            }
        })
    }
}

/// The variants, if this is an enumeration of strings.
fn string_variants(object: &Map<String, Value>) -> Option<Vec<String>> {
    let values = match (object.get("enum"), object.get("const")) {
        (Some(Value::Array(values)), _) => values.clone(),
        (_, Some(value)) => vec![value.clone()],
        _ => return None,
    };
    let mut variants: Vec<String> = values
        .iter()
        .map(|v| v.as_str().map(str::to_owned))
        .collect::<Option<_>>()?;
    variants.sort();
    variants.dedup();
    (!variants.is_empty()).then_some(variants)
}

fn apply_defaults(fields: &BTreeMap<String, Field>, members: &mut Map<String, Value>) {
    for (name, field) in fields {
        if let (Some(default), false) = (&field.default, members.contains_key(name)) {
            members.insert(name.clone(), default.clone());
        }
        if let Some(value) = members.get_mut(name) {
            fill(&field.ty, value);
        }
    }
}

fn fill(ty: &InputType, value: &mut Value) {
    match (ty, value) {
        (InputType::Record(below), Value::Object(members)) => apply_defaults(below, members),
        (InputType::Set(element), Value::Array(items)) => {
            items.iter_mut().for_each(|item| fill(element, item));
        }
        (InputType::Union(choices), value) => {
            // A choice may only match once its own defaults are in.
            let given = &*value;
            let filled = |extent| {
                choices.iter().filter_map(move |choice| {
                    let mut filled = given.clone();
                    fill(choice, &mut filled);
                    accepts(choice, &filled, extent).then_some(filled)
                })
            };
            if let Some(filled) = chosen(filled) {
                *value = filled;
            }
        }
        _ => {}
    }
}

fn record_type(fields: &BTreeMap<String, Field>) -> Value {
    let attributes: Map<String, Value> = fields
        .iter()
        .map(|(name, field)| {
            let mut ty = cedar_type(&field.ty);
            if let Value::Object(ty) = &mut ty {
                ty.insert("required".into(), field.required.into());
            }
            (name.clone(), ty)
        })
        .collect();
    json!({ "type": "Record", "attributes": attributes })
}

fn cedar_type(ty: &InputType) -> Value {
    match ty {
        InputType::Bool => json!({ "type": "Boolean" }),
        InputType::Long | InputType::Mapped(NumberMapping::Scaled(_)) => json!({ "type": "Long" }),
        InputType::String | InputType::Json | InputType::Mapped(NumberMapping::Text) => {
            json!({ "type": "String" })
        }
        InputType::Decimal => json!({ "type": "Extension", "name": "decimal" }),
        InputType::Datetime => json!({ "type": "Extension", "name": "datetime" }),
        InputType::IpAddress => json!({ "type": "Extension", "name": "ipaddr" }),
        InputType::Null => json!({ "type": "Entity", "name": format!("{NAMESPACE}::Null") }),
        InputType::Enumeration {
            namespace, name, ..
        } => {
            json!({ "type": "Entity", "name": format!("{namespace}::{name}") })
        }
        InputType::Set(element) => json!({ "type": "Set", "element": cedar_type(element) }),
        InputType::Record(fields) => record_type(fields),
        InputType::Union(choices) => {
            let attributes: Map<String, Value> = choices
                .iter()
                .enumerate()
                .map(|(i, choice)| {
                    let mut ty = cedar_type(choice);
                    if let Value::Object(ty) = &mut ty {
                        ty.insert("required".into(), false.into());
                    }
                    (format!("typeChoice{i}"), ty)
                })
                .collect();
            json!({ "type": "Record", "attributes": attributes })
        }
    }
}

fn enumerations(ty: &InputType, found: &mut BTreeMap<String, Map<String, Value>>) {
    match ty {
        InputType::Enumeration {
            namespace,
            name,
            variants,
        } => {
            let types = found.entry(namespace.clone()).or_default();
            types.insert(name.clone(), json!({ "enum": variants }));
        }
        InputType::Set(element) => enumerations(element, found),
        InputType::Record(fields) => fields.values().for_each(|f| enumerations(&f.ty, found)),
        InputType::Union(choices) => choices.iter().for_each(|c| enumerations(c, found)),
        _ => {}
    }
}

fn record_value(
    fields: &BTreeMap<String, Field>,
    members: &Map<String, Value>,
    pointer: &str,
) -> Result<CedarValue, InputError> {
    let mut pairs = Vec::with_capacity(fields.len());
    for (name, field) in fields {
        if let Some(value) = members.get(name) {
            let below = format!("{pointer}/{}", canonical::escape_segment(name));
            pairs.push((name.as_str(), value_of(&field.ty, value, &below)?));
        }
    }
    Ok(cedar_value::record(pairs))
}

fn value_of(ty: &InputType, value: &Value, pointer: &str) -> Result<CedarValue, InputError> {
    let wrong = |expected| InputError::Type {
        pointer: pointer.to_owned(),
        expected,
    };
    match (ty, value) {
        (InputType::Bool, Value::Bool(v)) => Ok((*v).into()),
        (InputType::Long, Value::Number(n)) => n
            .as_i64()
            .map(cedar_value::long)
            .ok_or_else(|| wrong("integer")),
        (InputType::String, Value::String(s)) => Ok(s.as_str().into()),
        (InputType::Decimal, Value::Number(n)) => decimal(n)
            .and_then(|text| cedar_value::decimal(&text))
            .ok_or_else(|| InputError::Decimal {
                pointer: pointer.into(),
            }),
        (InputType::Mapped(NumberMapping::Text), Value::Number(n)) => Ok(n.to_string().into()),
        (InputType::Mapped(NumberMapping::Scaled(scale)), Value::Number(n)) => scaled(n, *scale)
            .map(cedar_value::long)
            .ok_or_else(|| wrong("number that is whole after scaling")),
        (InputType::Datetime, Value::String(s)) => {
            datetime(s).ok_or_else(|| wrong("RFC 3339 date-time with at most milliseconds"))
        }
        (InputType::IpAddress, Value::String(s)) => std::net::IpAddr::from_str(s)
            .ok()
            // `::ffff:10.0.0.1` reaches 10.0.0.1, so a policy sees that.
            .and_then(|address| cedar_value::ip(&address.to_canonical().to_string()))
            .ok_or_else(|| wrong("IP address")),
        (InputType::Null, Value::Null) => {
            entity(NAMESPACE, "Null", "null").ok_or_else(|| wrong("null"))
        }
        (
            InputType::Enumeration {
                namespace,
                name,
                variants,
            },
            Value::String(s),
        ) => {
            if !variants.contains(s) {
                return Err(wrong("variant of the enumeration"));
            }
            entity(namespace, name, s).ok_or_else(|| wrong("variant of the enumeration"))
        }
        (InputType::Set(element), Value::Array(items)) => {
            let items: Result<Vec<_>, _> = items
                .iter()
                .enumerate()
                .map(|(i, item)| value_of(element, item, &format!("{pointer}/{i}")))
                .collect();
            Ok(CedarValue::set(items?, None))
        }
        (InputType::Record(fields), Value::Object(members)) => {
            record_value(fields, members, pointer)
        }
        (InputType::Union(choices), value) => {
            let accepting = |extent| {
                let choices = choices.iter().enumerate();
                choices.filter(move |(_, choice)| accepts(choice, value, extent))
            };
            let (i, chosen) = chosen(accepting).ok_or_else(|| {
                wrong(match accepting(Extent::Declared).next() {
                    None => "value of any of its types",
                    Some(_) => {
                        "value of only one of its types, nor are all its members declared by any"
                    }
                })
            })?;
            let name = format!("typeChoice{i}");
            Ok(cedar_value::record([(
                name.as_str(),
                value_of(chosen, value, pointer)?,
            )]))
        }
        (InputType::Json, value) => {
            let text = canonical::to_canonical(value)
                .ok()
                .and_then(|b| String::from_utf8(b).ok());
            text.map(CedarValue::from)
                .ok_or_else(|| wrong("JSON value"))
        }
        (InputType::Bool, _) => Err(wrong("boolean")),
        (InputType::Long, _) => Err(wrong("integer")),
        (InputType::Decimal | InputType::Mapped(_), _) => Err(wrong("number")),
        (InputType::Null, _) => Err(wrong("null")),
        (InputType::Set(_), _) => Err(wrong("array")),
        (InputType::Record(_), _) => Err(wrong("object")),
        (_, _) => Err(wrong("string")),
    }
}

/// How much of a value a type must know to accept it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Every member of every object.
    Whole,
    /// The members that it declares.
    Declared,
}

/// The type of a union that a value is of: the first that knows the whole of it, or else the only one that
/// accepts it. Whoever makes the value chooses its members: were it the first of several that know but a
/// part, policies would see that part, and the tool might act on another.
fn chosen<T, I: Iterator<Item = T>>(accepting: impl Fn(Extent) -> I) -> Option<T> {
    accepting(Extent::Whole).next().or_else(|| {
        let mut some = accepting(Extent::Declared);
        let first = some.next()?;
        some.next().is_none().then_some(first)
    })
}

fn accepts(ty: &InputType, value: &Value, extent: Extent) -> bool {
    match (ty, value) {
        (InputType::Record(fields), Value::Object(members)) => {
            let known = |name| extent == Extent::Declared || fields.contains_key(name);
            let fits = |(name, field): (&String, &Field)| {
                members
                    .get(name)
                    .map_or(!field.required, |value| accepts(&field.ty, value, extent))
            };
            members.keys().all(known) && fields.iter().all(fits)
        }
        (InputType::Set(element), Value::Array(items)) => {
            items.iter().all(|item| accepts(element, item, extent))
        }
        (ty, value) => value_of(ty, value, "").is_ok(),
    }
}

fn entity(namespace: &str, name: &str, id: &str) -> Option<CedarValue> {
    let ty = EntityType::from_str(&format!("{namespace}::{name}")).ok()?;
    Some(EntityUID::from_components(ty, Eid::new(id), None).into())
}

/// A number as the text of a Cedar decimal, if one holds it exactly.
fn decimal(n: &serde_json::Number) -> Option<String> {
    let text = match n.as_i64() {
        Some(whole) => format!("{whole}.0"),
        None => format!("{}", n.as_f64()?),
    };
    let (whole, fraction) = text.split_once('.')?;
    let magnitude: u64 = whole.trim_start_matches('-').parse().ok()?;
    (fraction.len() <= 4 && magnitude < 922_337_203_685_477).then_some(text)
}

fn scaled(n: &serde_json::Number, scale: u8) -> Option<i64> {
    let text = n.as_i64().map_or_else(
        || n.as_f64().map(|f| format!("{f}")),
        |i| Some(i.to_string()),
    )?;
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let scale = usize::from(scale);
    if fraction.len() > scale {
        return None;
    }
    format!("{whole}{fraction:0<scale$}").parse().ok()
}

fn datetime(text: &str) -> Option<CedarValue> {
    let time: jiff::Timestamp = text.parse().ok()?;
    if time.subsec_nanosecond() % 1_000_000 != 0 {
        return None;
    }
    let text = format!("{time:.3}");
    (text.len() == "2026-11-21T08:30:00.250Z".len())
        .then(|| cedar_value::datetime_from(&text))
        .flatten()
}

#[cfg(test)]
#[path = "input_tests.rs"]
mod tests;
