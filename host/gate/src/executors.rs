//! What executes: components and upstream servers. Swapped together with the ruleset, behind one pointer.
//!
//! A reload builds the next snapshot and swaps the pointer. A configuration that does not load changes
//! nothing.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    egress::Network, enforce::Ruleset, sandbox::LoadedComponent, upstream::LoadedUpstream,
};

/// What executes calls, by the name that [`ToolSource`](crate::tool::ToolSource) has.
#[derive(Debug)]
pub struct Executors {
    /// Components, compiled and linked.
    pub components: BTreeMap<String, Arc<LoadedComponent>>,
    /// Upstream MCP servers.
    pub upstreams: BTreeMap<String, Arc<LoadedUpstream>>,
    /// What HTTP requests are sent with.
    pub network: Network,
}

/// One immutable state of the gate.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// What decides.
    pub ruleset: Arc<Ruleset>,
    /// What executes.
    pub executors: Arc<Executors>,
}
