//! Entities: principals, actions' resources and groups of Cedar's model.
//!
//! Entities here have no attributes: policies can ask for their type, their id and their ancestors. Facts
//! that change from call to call are context.

use std::{collections::BTreeSet, fmt};

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
    /// What a person or an agent is trusted with.
    Role,
    /// An organisation.
    Tenant,
    /// A WASM component that offers tools.
    Component,
    /// A tool.
    Tool,
    /// A prompt of an upstream server, by the name that agents see.
    Prompt,
    /// A resource of an upstream server, by the server and the URI.
    Resource,
    /// A property of a tool, file, directory, host or secret.
    Label,
    /// A directory within a grant.
    Directory,
    /// A file within a grant.
    File,
    /// State of a component, by scope and key.
    State,
    /// A value that the operator configured for a component, by key.
    ConfigEntry,
    /// A name or address that requests are sent to.
    Host,
    /// A domain name, with everything below it.
    Domain,
    /// A secret that the host attaches to requests.
    Secret,
    /// A pending approval.
    Approval,
    /// A run.
    Run,
    /// The gate itself.
    Gate,
}

/// The namespace of every entity type and action.
pub const NAMESPACE: &str = "Tollgate";

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
}

impl fmt::Display for Uid {
    /// In policy syntax: `Tollgate::Tool::"tickets__read"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{NAMESPACE}::{}::\"{}\"",
            self.kind.name(),
            self.id.escape_debug()
        )
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An entity with its direct parents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// Its direct parents. Each must be a known entity.
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
