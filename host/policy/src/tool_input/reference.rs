//! References within one schema document (JSON Schema 2020-12, core, sections 8.2 and 9.3).

use std::collections::HashMap;

use serde_json::{Map, Value};
use tollgate_model::{canonical::escape_segment, text::percent_decoded};

use super::InputError;

/// The most schemas in one document.
const MAX_SCHEMAS: usize = 16_384;

/// Keywords whose value is an object of schemas.
pub(super) const SCHEMA_MAPS: &[&str] = &[
    "properties",
    "patternProperties",
    "$defs",
    "definitions",
    "dependentSchemas",
    "dependencies",
];

/// Keywords whose value is a schema or a list of schemas.
pub(super) const SCHEMAS: &[&str] = &[
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "contains",
    "else",
    "if",
    "items",
    "not",
    "oneOf",
    "prefixItems",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];

/// Keywords that refer to another schema.
pub(super) const REFERENCES: &[&str] = &["$ref", "$dynamicRef", "$recursiveRef"];

/// A schema and its position in its document.
#[derive(Debug, Clone)]
pub(super) struct SchemaLocation<'a> {
    pub(super) schema: &'a Value,
    /// JSON pointer (RFC 6901).
    pub(super) location: String,
}

impl<'a> SchemaLocation<'a> {
    /// The schema at a keyword of this one.
    pub(super) fn keyword(&self, keyword: &str) -> Option<Self> {
        Some(Self {
            schema: self.schema.get(keyword)?,
            location: format!("{}/{}", self.location, escape_segment(keyword)),
        })
    }

    /// The members of an object, or the items of a list, at a keyword.
    pub(super) fn each(&self, keyword: &str) -> Vec<(String, SchemaLocation<'a>)> {
        let Some(at) = self.keyword(keyword) else {
            return Vec::new();
        };
        match at.schema {
            Value::Object(members) => members.iter().map(|(name, _)| name.clone()).collect(),
            Value::Array(items) => (0..items.len()).map(|i| i.to_string()).collect(),
            _ => Vec::new(),
        }
        .into_iter()
        .filter_map(|segment: String| {
            let schema = match at.schema {
                Value::Object(members) => members.get(&segment)?,
                Value::Array(items) => items.get(segment.parse::<usize>().ok()?)?,
                _ => return None,
            };
            let location = format!("{}/{}", at.location, escape_segment(&segment));
            Some((segment, SchemaLocation { schema, location }))
        })
        .collect()
    }

    pub(super) fn object(&self) -> Option<&'a Map<String, Value>> {
        self.schema.as_object()
    }
}

/// A schema document with the targets of its references.
#[derive(Debug)]
pub(super) struct Document<'a> {
    root: SchemaLocation<'a>,
    by_id: HashMap<&'a str, SchemaLocation<'a>>,
    by_anchor: HashMap<&'a str, SchemaLocation<'a>>,
    /// Whether `id` identifies a schema, as in draft 4.
    draft_4: bool,
    schemas: usize,
}

impl<'a> Document<'a> {
    /// Finds every identifier and anchor.
    ///
    /// # Errors
    /// [`InputError`] if the document is too large, or uses identifiers in a way that changes the meaning
    /// of its references.
    pub(super) fn new(root: &'a Value) -> Result<Self, InputError> {
        let located = SchemaLocation {
            schema: root,
            location: String::new(),
        };
        let dialect = root.get("$schema").and_then(Value::as_str);
        let mut document = Self {
            root: located.clone(),
            by_id: HashMap::new(),
            by_anchor: HashMap::new(),
            draft_4: dialect.is_some_and(|dialect| dialect.contains("draft-04")),
            schemas: 0,
        };
        document.scan(located)?;
        Ok(document)
    }

    pub(super) fn root(&self) -> &SchemaLocation<'a> {
        &self.root
    }

    fn scan(&mut self, root: SchemaLocation<'a>) -> Result<(), InputError> {
        let mut left = vec![(root, false)];
        while let Some((at, mut nested)) = left.pop() {
            let Some(members) = at.object() else { continue };
            self.schemas += 1;
            if self.schemas > MAX_SCHEMAS {
                return Err(InputError::TooLarge { limit: MAX_SCHEMAS });
            }
            nested |= self.identify(&at, members);
            let local = |keyword: &str| {
                members
                    .get(keyword)
                    .and_then(Value::as_str)
                    .is_some_and(|reference| reference.starts_with('#'))
            };
            if nested && REFERENCES.iter().any(|keyword| local(keyword)) {
                return Err(InputError::Schema {
                    pointer: at.location,
                    reason: "a local reference within a schema that has its own identifier is not supported"
                        .into(),
                });
            }
            left.extend(subschemas(&at).into_iter().map(|below| (below, nested)));
        }
        Ok(())
    }

    /// Registers the schema's names. Returns whether it is a separate resource within the document.
    fn identify(&mut self, at: &SchemaLocation<'a>, members: &'a Map<String, Value>) -> bool {
        for keyword in ["$anchor", "$dynamicAnchor"] {
            if let Some(anchor) = members.get(keyword).and_then(Value::as_str) {
                self.by_anchor.insert(anchor, at.clone());
            }
        }
        let draft_4 = self.draft_4;
        let ids = ["$id", "id"].into_iter().filter(|k| *k == "$id" || draft_4);
        let mut nested = false;
        for id in ids.filter_map(|keyword| members.get(keyword).and_then(Value::as_str)) {
            match id.strip_prefix('#') {
                Some(anchor) => {
                    self.by_anchor.insert(anchor, at.clone());
                }
                None => {
                    self.by_id.insert(id.trim_end_matches('#'), at.clone());
                    nested |= !at.location.is_empty();
                }
            }
        }
        nested
    }

    /// The schema that `reference`, written at `pointer`, names.
    ///
    /// # Errors
    /// [`InputError::Reference`] if it is not in this document.
    pub(super) fn resolve(
        &self,
        reference: &str,
        pointer: &str,
    ) -> Result<SchemaLocation<'a>, InputError> {
        self.find(reference).ok_or_else(|| InputError::Reference {
            pointer: match pointer {
                "" => "/".into(),
                pointer => pointer.into(),
            },
            reference: reference
                .chars()
                .filter(|c| !c.is_control())
                .take(200)
                .collect(),
        })
    }

    fn find(&self, reference: &str) -> Option<SchemaLocation<'a>> {
        let (base, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let base = match base {
            "" => self.root.clone(),
            id => self.by_id.get(id)?.clone(),
        };
        let fragment = percent_decoded(fragment)?;
        if fragment.is_empty() {
            return Some(base);
        }
        if fragment.starts_with('/') {
            return Some(SchemaLocation {
                schema: base.schema.pointer(&fragment)?,
                location: format!("{}{fragment}", base.location),
            });
        }
        self.by_anchor.get(fragment.as_str()).cloned()
    }
}

/// The schemas directly within one.
fn subschemas<'a>(at: &SchemaLocation<'a>) -> Vec<SchemaLocation<'a>> {
    let mut found = Vec::new();
    for keyword in SCHEMA_MAPS {
        let schemas = at.each(keyword).into_iter();
        found.extend(
            schemas
                .map(|(_, below)| below)
                .filter(|below| below.schema.is_object()),
        );
    }
    for keyword in SCHEMAS {
        match at.schema.get(*keyword) {
            Some(Value::Array(_)) => {
                let schemas = at.each(keyword).into_iter();
                found.extend(schemas.map(|(_, below)| below));
            }
            Some(Value::Object(_)) => {
                found.extend(at.keyword(keyword));
            }
            _ => {}
        }
    }
    found
}
