//! What `[capture]` says.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use super::{Fields, Treatment};

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CaptureConfig {
    /// For fields of a configured tool that the configuration does not name.
    pub default: Treatment,
    /// What is done with attributes, by name; `*` stands for any text.
    pub attributes: BTreeMap<String, Treatment>,
    /// What is done with arguments and results, by tool; `*` stands for all.
    pub tools: BTreeMap<String, ToolCapture>,
    /// What else is a secret: regular expressions, by name.
    pub patterns: BTreeMap<String, String>,
    /// Files with more rules about what is a secret, in the format of gitleaks.
    pub rules: Vec<PathBuf>,
    /// What holds for a tenant about which nothing is said.
    pub all: TenantCapture,
    /// What holds for one tenant.
    pub tenants: BTreeMap<String, TenantCapture>,
}

/// What is kept of a tool's calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolCapture {
    /// Of its arguments.
    pub arguments: Fields,
    /// Of its results.
    pub result: Fields,
}

/// What holds for a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantCapture {
    /// Whether payloads are kept at all, whatever else is said.
    pub payloads: bool,
    /// After how long what is sealed can no longer be read by anybody; absent: never.
    pub retention: Option<Duration>,
}

impl Default for TenantCapture {
    fn default() -> Self {
        Self {
            payloads: true,
            retention: None,
        }
    }
}

impl CaptureConfig {
    /// What holds for a tenant.
    #[must_use]
    pub fn of(&self, tenant: &str) -> TenantCapture {
        *self.tenants.get(tenant).unwrap_or(&self.all)
    }
}
