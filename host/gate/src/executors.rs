//! The executors: components and upstream servers. Swapped together with the ruleset, behind one pointer.
//!
//! A reload builds the next snapshot and swaps the pointer. A configuration that does not load changes
//! nothing.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    egress::Network, enforce::Ruleset, sandbox::LoadedComponent, upstream::LoadedUpstream,
};

/// Executors of calls, by the name in [`ToolSource`](crate::tool::ToolSource).
#[derive(Debug)]
pub struct Executors {
    /// Components, compiled and linked.
    pub components: BTreeMap<String, Arc<LoadedComponent>>,
    /// Upstream MCP servers.
    pub upstreams: BTreeMap<String, Arc<LoadedUpstream>>,
    /// The client for HTTP requests.
    pub network: Network,
}

/// One immutable version of the gate.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The rules of decisions.
    pub ruleset: Arc<Ruleset>,
    /// The executors.
    pub executors: Arc<Executors>,
}
