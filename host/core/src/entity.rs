//! Entities: who acts on what, by Cedar's model.
//!
//! Entities here have no attributes; what a policy may ask about them is their type, their id and
//! what they are in. Facts that change from call to call are context.

use std::{collections::BTreeSet, fmt, str::FromStr as _, sync::OnceLock};

use cedar_policy::{EntityId, EntityTypeName, EntityUid};
use cedar_policy_core::ast::EntityType;
use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// The entity types of the fixed schema (`policies/tollgate.cedarschema`).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Kind { $($(#[$doc])* $name),* }

        impl Kind {
            /// Every entity type.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name in policies, without its namespace.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }
        }
    };
}

kinds! {
    /// A program that calls tools.
    Agent,
    /// A person.
    User,
    /// What a person or an agent may be trusted with.
    Role,
    /// An organisation.
    Tenant,
    /// A WASM component that offers tools.
    Component,
    /// A tool.
    Tool,
    /// A property of a tool, file, directory, host or secret.
    Label,
    /// A directory within a grant.
    Directory,
    /// A file within a grant.
    File,
    /// What a component keeps, by scope and key.
    State,
    /// A name or address that requests are sent to.
    Host,
    /// A domain name, with everything below it.
    Domain,
    /// A secret that the host attaches to requests.
    Secret,
    /// A human's answer that is asked for.
    Approval,
    /// A run.
    Run,
    /// The gate itself.
    Gate,
}

/// The namespace of every entity type and action.
pub const NAMESPACE: &str = "Tollgate";

impl Kind {
    /// The Cedar type, such as `Tollgate::Tool`.
    pub(crate) fn type_name(self) -> Option<EntityTypeName> {
        static NAMES: OnceLock<Vec<Option<EntityTypeName>>> = OnceLock::new();
        let names = NAMES.get_or_init(|| {
            Kind::ALL
                .iter()
                .map(|k| format!("{NAMESPACE}::{}", k.name()).parse().ok())
                .collect()
        });
        names.get(self as usize).cloned().flatten()
    }

    /// The same, as the engine has it.
    pub(crate) fn entity_type(self) -> Option<EntityType> {
        static TYPES: OnceLock<Vec<Option<EntityType>>> = OnceLock::new();
        let types = TYPES.get_or_init(|| {
            Kind::ALL
                .iter()
                .map(|k| EntityType::from_str(&format!("{NAMESPACE}::{}", k.name())).ok())
                .collect()
        });
        types.get(self as usize).cloned().flatten()
    }

    fn of_type(name: &EntityTypeName) -> Option<Self> {
        Kind::ALL
            .iter()
            .copied()
            .find(|k| name.basename() == k.name() && name.namespace() == NAMESPACE)
    }
}

/// An entity's identity.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Uid {
    /// Unique within its type.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: Kind,
}

impl Uid {
    /// The entity of this type with this id.
    pub fn new(kind: Kind, id: impl Into<String>) -> Self {
        Self {
            kind,
            id: id.into(),
        }
    }

    pub(crate) fn to_cedar(&self) -> Option<EntityUid> {
        Some(EntityUid::from_type_name_and_id(
            self.kind.type_name()?,
            EntityId::new(&self.id),
        ))
    }

    pub(crate) fn from_cedar(uid: &EntityUid) -> Option<Self> {
        Some(Self::new(
            Kind::of_type(uid.type_name())?,
            uid.id().unescaped(),
        ))
    }
}

impl fmt::Display for Uid {
    /// As policies write it: `Tollgate::Tool::"tickets__read"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{NAMESPACE}::{}::\"{}\"",
            self.kind.name(),
            EntityId::new(&self.id).escaped()
        )
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An entity with what it is directly in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// What it is directly in. Each must be known itself.
    pub parents: BTreeSet<Uid>,
    /// Its identity.
    pub uid: Uid,
}

impl Entity {
    /// An entity in `parents`.
    pub fn new(uid: Uid, parents: impl IntoIterator<Item = Uid>) -> Self {
        Self {
            uid,
            parents: parents.into_iter().collect(),
        }
    }
}
