//! What operators did: halts, activations, administration.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::canonical::Sha256Digest;

/// A bundle was activated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BundleActivated {
    /// Its digest.
    pub bundle: Sha256Digest,
    /// The user.
    pub by: String,
    /// Components by name, with the digests of their files.
    pub components: BTreeMap<String, Sha256Digest>,
    /// How many policies it contains.
    pub policies: u64,
    /// How many tools it types.
    pub tools: u64,
}

/// The target of a halt.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Halt {
    /// The user.
    pub by: String,
    /// Its name; empty for everything.
    pub name: String,
    /// The given reason.
    pub reason: String,
    /// Its kind.
    pub scope: HaltScope,
}

/// The kind of a halt's target.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum HaltScope {
    /// An agent or user.
    Agent,
    /// A tool.
    Tool,
    /// A component.
    Component,
    /// A tenant.
    Tenant,
    /// Everything.
    All,
}

named!(HaltScope);

/// An administrative action, done or refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdministrativeAct {
    /// What was done.
    pub action: AdminAction,
    /// Name of the user; `gate` if the gate acted by itself.
    pub by: String,
    /// The object of the action; never a secret.
    pub target: String,
}

/// What operators do with the gate itself.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum AdminAction {
    /// A user made calls in an agent's name.
    AgentImpersonated,
    /// An approver was shown the arguments of a call.
    ApprovalArgumentsViewed,
    /// A person asked for a preview of a call that waits.
    ApprovalPreviewed,
    /// A decision outside any run was read.
    DecisionViewed,
    /// The sealed facts of a decision were read.
    FactsViewed,
    /// A user asked for the destruction of old payload keys.
    PayloadDestructionRequested,
    /// A day's payload key of a tenant was destroyed.
    PayloadKeysDestroyed,
    /// The read models were rebuilt from the records.
    ReadModelsRebuilt,
    /// A changed configuration was refused.
    ReloadRefused,
    /// A run was removed from a set.
    RunSetRemoved,
    /// A backup of the store was requested.
    StoreBackupRequested,
    /// A restore of the store was requested.
    StoreRestoreRequested,
    /// A backup replaced the store.
    StoreRestored,
    /// A second person confirmed a token.
    TokenConfirmed,
    /// A token was made.
    TokenCreated,
    /// A token was made that is not valid before a second person confirms it.
    TokenRequested,
    /// A placeholder of a removed secret was resolved.
    TokenRevealed,
    /// A token was revoked.
    TokenRevoked,
    /// Changed definitions of an upstream server were accepted.
    UpstreamAccepted,
    /// A user let the gate act with their own rights at an upstream server.
    UpstreamConnected,
    /// A user's login to an upstream server was removed.
    UpstreamDisconnected,
    /// A message to the approvals webhook was given up after its last attempt.
    WebhookAbandoned,
}

named!(AdminAction);
