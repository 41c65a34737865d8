//! Strict validation of a request against the schema.
//!
//! `Request::new` of `cedar-policy` checks the same, but turns every value into an expression first, which
//! takes ten times as long as a decision. A property test compares the two.

use std::{borrow::Borrow, collections::BTreeMap};

use cedar_policy_core::{
    ast::{Context, EntityUID, Literal, Request, RequestSchema as _, Value, ValueKind},
    validator::{
        ValidatorEntityTypeKind, ValidatorSchema,
        types::{Attributes, BoolType, EntityKind, OpenTag, Type},
    },
};

/// How `context.input` is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InputCheck {
    /// Against its type.
    Typed,
    /// Not checked: the same tree made the value and its type, and some values are text because Cedar's
    /// types are too narrow for them.
    Trusted,
}

/// Whether the action applies to the principal and the resource, and the context has its type.
pub(super) fn is_valid(schema: &ValidatorSchema, request: &Request, input: InputCheck) -> bool {
    let (principal, resource) = (request.principal().uid(), request.resource().uid());
    let Some(action) = request.action().uid() else {
        return false;
    };
    let Some(Context::Value(context)) = request.context() else {
        return false;
    };
    let applies = schema.validate_scope_variables(principal, Some(action), resource);
    applies.is_ok()
        && match schema.context_type(action) {
            Some(Type::Record {
                attrs,
                open_attributes,
            }) => {
                let trusted = (input == InputCheck::Trusted).then_some("input");
                members(schema, attrs, *open_attributes, context, trusted)
            }
            _ => false,
        }
}

fn record<K: Borrow<str> + Ord>(
    schema: &ValidatorSchema,
    types: &Attributes,
    open: OpenTag,
    record: &BTreeMap<K, Value>,
) -> bool {
    members(schema, types, open, record, None)
}

/// Whether every member except `trusted` has its type, and none is missing.
fn members<K: Borrow<str> + Ord>(
    schema: &ValidatorSchema,
    types: &Attributes,
    open: OpenTag,
    record: &BTreeMap<K, Value>,
    trusted: Option<&str>,
) -> bool {
    let typed = |(name, value): (&K, &Value)| match types.get_attr(name.borrow()) {
        Some(_) if trusted == Some(name.borrow()) => true,
        Some(ty) => has_type(schema, &ty.attr_type, value),
        None => open == OpenTag::OpenAttributes,
    };
    record.iter().all(typed)
        && types
            .iter()
            .all(|(name, ty)| !ty.is_required || record.contains_key(name.as_str()))
}

fn has_type(schema: &ValidatorSchema, ty: &Type, value: &Value) -> bool {
    match (ty, value.value_kind()) {
        (Type::Bool(ty), ValueKind::Lit(Literal::Bool(value))) => match ty {
            BoolType::AnyBool => true,
            BoolType::True => *value,
            BoolType::False => !*value,
        },
        (Type::Long, ValueKind::Lit(Literal::Long(_)))
        | (Type::String, ValueKind::Lit(Literal::String(_))) => true,
        (Type::Entity(kind), ValueKind::Lit(Literal::EntityUID(uid))) => entity(schema, kind, uid),
        (Type::Set { element_type }, ValueKind::Set(set)) => match element_type {
            Some(ty) => set.iter().all(|value| has_type(schema, ty, value)),
            None => true,
        },
        (
            Type::Record {
                attrs,
                open_attributes,
            },
            ValueKind::Record(values),
        ) => record(schema, attrs, *open_attributes, values),
        (Type::ExtensionType { name }, ValueKind::ExtensionValue(value)) => {
            value.typename() == *name
        }
        _ => false,
    }
}

/// Whether the entity has the type and, if the type is enumerated, is one of its entities.
fn entity(schema: &ValidatorSchema, kind: &EntityKind, uid: &EntityUID) -> bool {
    let of_kind = match kind {
        EntityKind::AnyEntity => true,
        EntityKind::Entity(types) => types.get_single_entity() == Some(uid.entity_type()),
    };
    of_kind
        && match schema.get_entity_type(uid.entity_type()).map(|t| &t.kind) {
            Some(ValidatorEntityTypeKind::Enum(choices)) => choices.iter().any(|c| c == uid.eid()),
            _ => true,
        }
}
