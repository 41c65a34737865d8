//! From a JSON Schema to the tree of types.

mod union;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use tollgate_model::canonical::escape_segment;

use super::{
    InputError, NumberMapping,
    identifier::identifier,
    keyword::{has_members, has_null_type, may_be_object, opens, string_variants},
    merge::{merge, rest_attribute},
    reference::{Document, REFERENCES, SchemaLocation},
    types::{Enumeration, Field, InputType, Record},
    validation::{BranchCompiler, SchemaValidator},
};

/// The depth to which a schema is typed; deeper values are JSON text.
const MAX_TYPED_DEPTH: usize = 8;
/// The most nodes of a schema that are typed; a schema whose references fan out would have millions.
const MAX_TYPED_NODES: usize = 4096;
/// The deepest chain of schemas that apply to one object because of each other.
const MAX_COMBINED_DEPTH: usize = 100;

/// Reads the schema of a tool's arguments. Ignored parts are added to `notes`.
pub(super) fn read(
    schema: &Value,
    namespace: &str,
    numbers: &BTreeMap<String, NumberMapping>,
    validator: &SchemaValidator,
    notes: &mut Vec<String>,
) -> Result<Record, InputError> {
    let document = Document::new(schema)?;
    let mut reader = Reader {
        document: &document,
        numbers,
        mapped: BTreeSet::new(),
        branches: validator.branches(),
        choices: 0,
        nodes: 0,
        notes,
    };
    let root = document.root();
    if !may_be_object(root.schema) {
        return Err(InputError::NotAnObject);
    }
    let place = Place {
        namespace: namespace.to_owned(),
        name: String::new(),
        pointer: String::new(),
        depth: 0,
    };
    let record = reader.record(root, &place)?;
    if let Some(pointer) = numbers.keys().find(|p| !reader.mapped.contains(*p)) {
        return Err(InputError::UnknownMapping {
            pointer: pointer.clone(),
        });
    }
    Ok(record)
}

/// The position of a type in the arguments.
#[derive(Clone)]
struct Place {
    /// The namespace and the name of an enumeration at this position.
    namespace: String,
    name: String,
    /// JSON pointer into the arguments.
    pointer: String,
    depth: usize,
}

impl Place {
    /// The namespace of the types inside.
    fn within(&self) -> String {
        match self.name.is_empty() {
            true => self.namespace.clone(),
            false => format!("{}::{}", self.namespace, self.name),
        }
    }

    fn deeper(&self) -> Self {
        Self {
            depth: self.depth + 1,
            ..self.clone()
        }
    }
}

/// A type, and whether null means an absent value.
struct NullableType {
    ty: InputType,
    nullable: bool,
}

impl From<InputType> for NullableType {
    fn from(ty: InputType) -> Self {
        Self {
            ty,
            nullable: false,
        }
    }
}

/// The members that an object's schema declares in any of its parts.
#[derive(Default)]
struct Members<'a> {
    /// By name, each with whether the declaration always applies.
    declared: BTreeMap<String, Vec<(SchemaLocation<'a>, bool)>>,
    required: BTreeSet<String>,
    open: bool,
    /// Schemas that were already read, by location.
    seen: BTreeSet<String>,
    /// The length of the current chain of schemas that apply because of each other.
    path: usize,
}

struct Reader<'r, 'a> {
    document: &'r Document<'a>,
    numbers: &'r BTreeMap<String, NumberMapping>,
    /// Number mappings that were used.
    mapped: BTreeSet<String>,
    branches: Option<BranchCompiler>,
    choices: usize,
    nodes: usize,
    notes: &'r mut Vec<String>,
}

impl<'a> Reader<'_, 'a> {
    /// An object, with the members that any part of its schema declares.
    fn record(&mut self, at: &SchemaLocation<'a>, place: &Place) -> Result<Record, InputError> {
        let mut members = Members::default();
        self.collect(at, true, &mut members)?;
        let mut record = Record::default();
        for (name, declared) in &members.declared {
            let place = Place {
                namespace: place.within(),
                name: identifier(name),
                pointer: format!("{}/{}", place.pointer, escape_segment(name)),
                depth: place.depth + 1,
            };
            let mut field = self.field(declared, &place)?;
            field.required |= members.required.contains(name) && !field.nullable;
            record.fields.insert(name.clone(), field);
        }
        if members.open {
            record.rest = Some(rest_attribute(&record.fields));
        }
        Ok(record)
    }

    /// Collects the members that `at` declares. `always` means that it applies to every value.
    fn collect(
        &mut self,
        at: &SchemaLocation<'a>,
        always: bool,
        members: &mut Members<'a>,
    ) -> Result<(), InputError> {
        let Some(object) = at.object() else {
            return Ok(());
        };
        if !members.seen.insert(at.location.clone()) {
            return Ok(());
        }
        self.nodes += 1;
        if members.path >= MAX_COMBINED_DEPTH {
            return Err(InputError::Schema {
                pointer: at.location.clone(),
                reason: format!("schemas are combined more than {MAX_COMBINED_DEPTH} deep"),
            });
        }
        members.path += 1;
        let collected = self.collect_parts(at, object, always, members);
        members.path -= 1;
        collected
    }

    fn collect_parts(
        &mut self,
        at: &SchemaLocation<'a>,
        object: &Map<String, Value>,
        always: bool,
        members: &mut Members<'a>,
    ) -> Result<(), InputError> {
        if let (true, Some(Value::Array(names))) = (always, object.get("required")) {
            let names = names.iter().filter_map(Value::as_str);
            members.required.extend(names.map(str::to_owned));
        }
        for (name, property) in at.each("properties") {
            let declared = members.declared.entry(name).or_default();
            declared.push((property, always));
        }
        members.open |= opens(object);
        for keyword in REFERENCES {
            if let Some(reference) = object.get(*keyword).and_then(Value::as_str) {
                let target = self.document.resolve(reference, &at.location)?;
                self.collect(&target, always, members)?;
            }
        }
        for (_, part) in at.each("allOf") {
            self.collect(&part, always, members)?;
        }
        for keyword in ["anyOf", "oneOf"] {
            let parts = at.each(keyword);
            let only = parts.len() == 1;
            for (_, part) in parts {
                self.collect(&part, always && only, members)?;
            }
        }
        for keyword in ["then", "else", "if"] {
            if let Some(part) = at.keyword(keyword) {
                self.collect(&part, false, members)?;
            }
        }
        for keyword in ["dependentSchemas", "dependencies"] {
            for (_, part) in at.each(keyword) {
                self.collect(&part, false, members)?;
            }
        }
        Ok(())
    }

    /// One member, from all its declarations.
    fn field(
        &mut self,
        declared: &[(SchemaLocation<'a>, bool)],
        place: &Place,
    ) -> Result<Field, InputError> {
        let mut merged: Option<NullableType> = None;
        let mut default = None;
        let mut schemas: Vec<&Value> = Vec::new();
        for (at, always) in declared {
            if schemas.contains(&at.schema) {
                continue;
            }
            schemas.push(at.schema);
            let typed = self.read(at, place)?;
            if *always && default.is_none() {
                default = self.default(at);
            }
            merged = Some(match merged {
                None => typed,
                Some(before) => NullableType {
                    nullable: before.nullable || typed.nullable,
                    ty: merge(before.ty, typed.ty),
                },
            });
        }
        let NullableType { ty, nullable } = merged.unwrap_or_else(|| InputType::Json.into());
        Ok(Field {
            required: default.is_some() && !nullable,
            ty,
            nullable,
            default,
        })
    }

    /// The default of a member, unless it violates the member's own schema.
    fn default(&mut self, at: &SchemaLocation<'a>) -> Option<Value> {
        let default = at
            .schema
            .get("default")
            .filter(|default| !default.is_null())?;
        let branches = self.branches.as_ref()?;
        let accepted = branches
            .compile(&at.location)
            .is_some_and(|validator| validator.accepts(default));
        if !accepted {
            self.notes.push(format!(
                "`{}/default` is ignored: its own schema refuses it",
                at.location
            ));
            return None;
        }
        Some(default.clone())
    }

    fn read(&mut self, at: &SchemaLocation<'a>, place: &Place) -> Result<NullableType, InputError> {
        let object = match at.schema {
            Value::Object(object) => object,
            Value::Bool(_) => return Ok(InputType::Json.into()),
            _ => {
                return Err(InputError::Schema {
                    pointer: at.location.clone(),
                    reason: "a schema is an object or a boolean".into(),
                });
            }
        };
        self.nodes += 1;
        if place.depth > MAX_TYPED_DEPTH || self.nodes > MAX_TYPED_NODES {
            return Ok(InputType::Json.into());
        }
        let mut typed = self.read_object(at, object, place)?;
        typed.nullable |= object.get("nullable") == Some(&Value::Bool(true));
        Ok(typed)
    }

    fn read_object(
        &mut self,
        at: &SchemaLocation<'a>,
        object: &Map<String, Value>,
        place: &Place,
    ) -> Result<NullableType, InputError> {
        if object.contains_key("properties") {
            return Ok(NullableType {
                ty: InputType::Record(self.record(at, place)?),
                nullable: has_null_type(object),
            });
        }
        for keyword in REFERENCES {
            if let Some(reference) = object.get(*keyword).and_then(Value::as_str) {
                let target = self.document.resolve(reference, &at.location)?;
                return self.read(&target, &place.deeper());
            }
        }
        let parts = at.each("allOf");
        if let [(_, part)] = parts.as_slice()
            && !object.contains_key("anyOf")
            && !object.contains_key("oneOf")
        {
            return self.read(part, &place.deeper());
        }
        if !parts.is_empty() {
            let objects = parts
                .iter()
                .all(|(_, part)| self.is_object(part, MAX_TYPED_DEPTH));
            return match objects {
                true => Ok(InputType::Record(self.record(at, place)?).into()),
                false => Ok(InputType::Json.into()),
            };
        }
        for keyword in ["anyOf", "oneOf"] {
            if object.contains_key(keyword) {
                return self.union(&at.each(keyword), place);
            }
        }
        if let Some((variants, nullable)) = string_variants(object) {
            let ty = InputType::Enumeration(Enumeration {
                namespace: place.namespace.clone(),
                name: place.name.clone(),
                variants,
            });
            return Ok(NullableType { ty, nullable });
        }
        match object.get("type") {
            Some(Value::String(ty)) => Ok(self.typed(ty, at, object, place)?.into()),
            Some(Value::Array(types)) => self.types(types, at, object, place),
            _ => Ok(InputType::Json.into()),
        }
    }

    /// Whether the schema describes objects and nothing else.
    fn is_object(&self, at: &SchemaLocation<'a>, left: usize) -> bool {
        let Some(object) = at.object() else {
            return false;
        };
        if object.contains_key("properties")
            || object.get("type").and_then(Value::as_str) == Some("object")
        {
            return true;
        }
        let target = REFERENCES
            .iter()
            .find_map(|keyword| object.get(*keyword).and_then(Value::as_str))
            .and_then(|reference| self.document.resolve(reference, &at.location).ok());
        match target {
            Some(target) if left > 0 => self.is_object(&target, left - 1),
            _ => false,
        }
    }

    fn typed(
        &mut self,
        ty: &str,
        at: &SchemaLocation<'a>,
        object: &Map<String, Value>,
        place: &Place,
    ) -> Result<InputType, InputError> {
        Ok(match ty {
            "boolean" => InputType::Bool,
            "integer" => InputType::Long,
            "number" => self.number(&place.pointer),
            "null" => InputType::Null,
            "string" => match object.get("format").and_then(Value::as_str) {
                Some("date-time") => InputType::Datetime,
                Some("ipv4" | "ipv6") => InputType::IpAddress,
                _ => InputType::String,
            },
            "array" => match at.keyword("items") {
                Some(items) if !object.contains_key("prefixItems") && !items.schema.is_array() => {
                    self.set(&items, place)?
                }
                _ => InputType::Json,
            },
            "object" if has_members(object) => InputType::Record(self.record(at, place)?),
            "object" => InputType::Json,
            _ => {
                return Err(InputError::Schema {
                    pointer: at.location.clone(),
                    reason: "unknown `type`".into(),
                });
            }
        })
    }

    fn set(&mut self, items: &SchemaLocation<'a>, place: &Place) -> Result<InputType, InputError> {
        let place = Place {
            pointer: format!("{}/*", place.pointer),
            ..place.deeper()
        };
        let element = self.read(items, &place)?;
        Ok(match element.nullable {
            // A set cannot represent absent values.
            true => InputType::Json,
            false => InputType::Set(Box::new(element.ty)),
        })
    }

    fn number(&mut self, pointer: &str) -> InputType {
        match self.numbers.get(pointer) {
            Some(mapping) => {
                self.mapped.insert(pointer.to_owned());
                InputType::Mapped(*mapping)
            }
            None => InputType::Decimal,
        }
    }
}
