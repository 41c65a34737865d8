//! The tree that a schema is read into.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{NumberMapping, validation::BranchValidator};

/// An object with the members that it may have.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    pub(super) fields: BTreeMap<String, Field>,
    /// The attribute for all other members as JSON text, if the schema allows others.
    pub(super) rest: Option<String>,
}

/// A member of an object.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) ty: InputType,
    /// Whether the member is always present for policies.
    pub(super) required: bool,
    /// Whether null means that it is absent.
    pub(super) nullable: bool,
    /// The default for an absent member.
    pub(super) default: Option<Value>,
}

/// The type of a value as policies see it.
#[derive(Debug, Clone)]
pub(super) enum InputType {
    Bool,
    Long,
    Decimal,
    Mapped(NumberMapping),
    String,
    Datetime,
    IpAddress,
    Null,
    Enumeration(Enumeration),
    Set(Box<InputType>),
    Record(Record),
    Union(Vec<Choice>),
    /// Canonical JSON text.
    Json,
}

/// An enumeration of strings, as an entity type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Enumeration {
    pub(super) namespace: String,
    pub(super) name: String,
    /// Sorted, without duplicates.
    pub(super) variants: Vec<String>,
}

/// One alternative of a union.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub(super) ty: InputType,
    /// Recognises values of this alternative.
    pub(super) validator: Arc<BranchValidator>,
}

impl InputType {
    /// Whether the type contains a union.
    pub(super) fn has_union(&self) -> bool {
        match self {
            Self::Union(_) => true,
            Self::Set(element) => element.has_union(),
            Self::Record(record) => record.fields.values().any(|field| field.ty.has_union()),
            _ => false,
        }
    }
}
