//! Entity types and identities in Cedar's form.

use std::{str::FromStr as _, sync::OnceLock};

use cedar_policy::{EntityId, EntityTypeName, EntityUid};
use cedar_policy_core::ast::EntityType;
use tollgate_model::entity::{Kind, NAMESPACE, Uid};

/// The Cedar type, such as `Tollgate::Tool`.
pub(crate) fn type_name(kind: Kind) -> Option<EntityTypeName> {
    static NAMES: OnceLock<Vec<Option<EntityTypeName>>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        Kind::ALL
            .iter()
            .map(|k| format!("{NAMESPACE}::{}", k.name()).parse().ok())
            .collect()
    });
    names.get(kind as usize).cloned().flatten()
}

/// The Cedar type, as the engine represents it.
pub(crate) fn entity_type(kind: Kind) -> Option<EntityType> {
    static TYPES: OnceLock<Vec<Option<EntityType>>> = OnceLock::new();
    let types = TYPES.get_or_init(|| {
        Kind::ALL
            .iter()
            .map(|k| EntityType::from_str(&format!("{NAMESPACE}::{}", k.name())).ok())
            .collect()
    });
    types.get(kind as usize).cloned().flatten()
}

/// The entity type of a Cedar type of the fixed schema; `None` for any other.
fn kind_of(name: &EntityTypeName) -> Option<Kind> {
    Kind::ALL
        .iter()
        .copied()
        .find(|k| name.basename() == k.name() && name.namespace() == NAMESPACE)
}

/// The identity, as Cedar represents it.
pub(crate) fn to_cedar(uid: &Uid) -> Option<EntityUid> {
    Some(EntityUid::from_type_name_and_id(
        type_name(uid.kind)?,
        EntityId::new(&uid.id),
    ))
}

/// The identity of a Cedar entity; `None` if its type is not one of the fixed schema.
pub(crate) fn from_cedar(uid: &EntityUid) -> Option<Uid> {
    Some(Uid::new(kind_of(uid.type_name())?, uid.id().unescaped()))
}
