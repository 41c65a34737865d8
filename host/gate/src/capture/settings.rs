//! Settings of `[capture]`.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use super::{Fields, Treatment};

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CaptureConfig {
    /// Default for fields of a configured tool that the configuration does not name.
    pub default: Treatment,
    /// Treatments of attributes, by name; `*` matches any text.
    pub attributes: BTreeMap<String, Treatment>,
    /// Treatments of arguments and results, by tool; `*` matches all.
    pub tools: BTreeMap<String, ToolCapture>,
    /// Further forms of secrets: regular expressions, by name.
    pub patterns: BTreeMap<String, String>,
    /// Files with more rules about what is a secret, in the format of gitleaks.
    pub rules: Vec<PathBuf>,
    /// What holds for a tenant about which nothing is said.
    pub all: TenantCapture,
    /// Settings of single tenants.
    pub tenants: BTreeMap<String, TenantCapture>,
}

/// Treatments for a tool's calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolCapture {
    /// Of its arguments.
    pub arguments: Fields,
    /// Of its results.
    pub result: Fields,
    /// Of people's answers to what its server asks during a call.
    pub answers: Fields,
}

/// Settings of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantCapture {
    /// Whether payloads are kept at all.
    pub payloads: bool,
    /// After how long sealed payloads can no longer be read; absent: never.
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
    /// The settings of a tenant.
    #[must_use]
    pub fn of(&self, tenant: &str) -> TenantCapture {
        *self.tenants.get(tenant).unwrap_or(&self.all)
    }
}
