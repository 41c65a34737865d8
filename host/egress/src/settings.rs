//! The operator's settings for hosts.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

/// Hosts and trusted certificates.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NetworkConfig {
    /// By the host's name or address; `*.example.com` matches all names below `example.com`.
    pub hosts: BTreeMap<String, HostConfig>,
    /// PEM files with trusted certificates, in addition to the public ones.
    pub trust: Vec<PathBuf>,
}

/// Settings of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostConfig {
    /// Its labels; `unlabelled` by default.
    pub labels: BTreeSet<String>,
    /// Labels that its responses add to a run, besides its own; `untrusted` by default.
    pub taints: BTreeSet<String>,
    /// Whether it may have an address in a private network.
    pub allow_private: bool,
    /// Whether requests carry the run's trace context.
    pub trace: bool,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            labels: BTreeSet::from(["unlabelled".to_owned()]),
            taints: BTreeSet::from(["untrusted".to_owned()]),
            allow_private: false,
            trace: true,
        }
    }
}

impl NetworkConfig {
    /// The settings of a host: those of its own name, else of the nearest `*.` above it.
    #[must_use]
    pub fn host(&self, name: &str) -> HostConfig {
        let mut above = name
            .match_indices('.')
            .filter_map(|(dot, _)| name.get(dot..));
        self.hosts
            .get(name)
            .or_else(|| above.find_map(|suffix| self.hosts.get(&format!("*{suffix}"))))
            .cloned()
            .unwrap_or_default()
    }

    /// The labels and taints of all hosts.
    pub fn labels(&self) -> impl Iterator<Item = &String> {
        self.hosts
            .values()
            .flat_map(|host| host.labels.iter().chain(&host.taints))
    }
}
