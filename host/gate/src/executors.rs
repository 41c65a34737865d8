//! The executors: components and upstream servers. Swapped together with the ruleset, behind one pointer.
//!
//! A reload builds the next snapshot and swaps the pointer. A configuration that does not load changes
//! nothing.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    egress::Network, enforce::Ruleset, sandbox::LoadedComponent, tool::SourceKind,
    upstream::LoadedUpstream,
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
    /// Tools that components declare and agents cannot have, and components that are not there.
    pub unusable: Vec<UnusableTool>,
}

/// What a component exports or an upstream server offers, and cannot be a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusableTool {
    /// Who has it: `component` or `upstream`.
    pub kind: SourceKind,
    /// The component or the server, as it is configured.
    pub source: String,
    /// Its name, as its source writes it: any text. Absent for a component's function, which the reason names, and for a
    /// component that is not there.
    pub name: Option<String>,
    /// Why it cannot be used. It may contain a server's text.
    pub reason: String,
}

impl Executors {
    /// Everything that cannot be a tool, components first.
    pub fn unusable_tools(&self) -> impl Iterator<Item = UnusableTool> + '_ {
        let components = self.components.iter().flat_map(|(source, component)| {
            component
                .compiled
                .left_out()
                .iter()
                .map(|reason| UnusableTool {
                    kind: SourceKind::Component,
                    source: source.clone(),
                    name: None,
                    reason: format!("no tool of its function {reason}"),
                })
        });
        let components = self.unusable.iter().cloned().chain(components);
        let upstreams = self.upstreams.iter().flat_map(|(source, upstream)| {
            upstream
                .left_out()
                .iter()
                .map(|(name, reason)| UnusableTool {
                    kind: SourceKind::Upstream,
                    source: source.clone(),
                    name: Some(name.clone()),
                    reason: reason.clone(),
                })
        });
        components.chain(upstreams)
    }
}

/// One immutable version of the gate.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The rules of decisions.
    pub ruleset: Arc<Ruleset>,
    /// The executors.
    pub executors: Arc<Executors>,
}
