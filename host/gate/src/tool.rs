//! What provides a tool, and so where its calls are executed.

use std::sync::Arc;

use tollgate_model::canonical::Sha256Digest;

use crate::{external::LoadedExternal, snapshot::LoadedComponent, upstream::LoadedUpstream};

/// What provides a tool.
#[derive(Debug, Clone)]
pub enum Provider {
    /// A component: its calls run in the sandbox, and each of their effects is decided.
    Component(Arc<LoadedComponent>),
    /// An upstream MCP server: its calls run wherever it runs, and only the call itself is decided.
    Upstream(Arc<LoadedUpstream>),
    /// Whoever calls: the gate decides and records, and executes nothing.
    External(Arc<LoadedExternal>),
}

impl Provider {
    /// Its name in the configuration; policies see it as `Component::"<name>"`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Component(component) => &component.name,
            Self::Upstream(upstream) => upstream.name(),
            Self::External(external) => &external.name,
        }
    }

    /// What was accepted of it: a component's file, or a server's tool definitions.
    #[must_use]
    pub fn digest(&self) -> Sha256Digest {
        match self {
            Self::Component(component) => component.digest,
            Self::Upstream(upstream) => upstream.digest(),
            Self::External(external) => external.digest,
        }
    }

    /// The component, if it is one.
    #[must_use]
    pub fn component(&self) -> Option<&Arc<LoadedComponent>> {
        match self {
            Self::Component(component) => Some(component),
            Self::Upstream(_) | Self::External(_) => None,
        }
    }

    /// How its calls are executed: `component`, `upstream` or `external`.
    #[must_use]
    pub fn execution(&self) -> &'static str {
        match self {
            Self::Component(_) => "component",
            Self::Upstream(_) => "upstream",
            Self::External(_) => "external",
        }
    }

    /// Whether its calls run outside the sandbox.
    #[must_use]
    pub fn is_unsandboxed(&self) -> bool {
        !matches!(self, Self::Component(_))
    }
}
