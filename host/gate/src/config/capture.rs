//! `[capture]`: what is kept of arguments, results and agents' attributes, and for how long.

use std::{collections::BTreeMap, time::Duration};

use tollgate_policy::policy;

use super::{ConfigError, raw, validate::Validation};
use crate::capture::{Detectors, Fields, Treatment};

/// Payloads are sealed with a key for each day, so nothing shorter can be forgotten.
const SHORTEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CaptureConfig {
    /// What becomes of fields of a tool about which something is said, but not about them.
    pub otherwise: Treatment,
    /// What is done with attributes, by name; `*` stands for any text.
    pub attributes: BTreeMap<String, Treatment>,
    /// What is done with arguments and results, by tool; `*` stands for all.
    pub tools: BTreeMap<String, ToolCapture>,
    /// What else is a secret: regular expressions, by name.
    pub patterns: BTreeMap<String, String>,
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

impl Validation<'_> {
    pub(super) fn capture(&self, capture: raw::Capture) -> Result<CaptureConfig, ConfigError> {
        let otherwise = match &capture.otherwise {
            None => Treatment::Drop,
            Some(name) => self.treatment(name)?,
        };
        if otherwise == Treatment::Keep {
            let message = "`otherwise = \"keep\"` would keep what nobody has named".into();
            let help = "name what is kept, as in [capture.tools.NAME] arguments.\"/id\" = \"keep\"";
            return Err(self.error("otherwise", message, help));
        }
        let mut attributes = BTreeMap::new();
        for (name, treatment) in &capture.attributes {
            attributes.insert(name.clone(), self.treatment(treatment)?);
        }
        let mut tools = BTreeMap::new();
        for (name, tool) in &capture.tools {
            let tool = ToolCapture {
                arguments: self.fields(&tool.arguments)?,
                result: self.fields(&tool.result)?,
            };
            tools.insert(name.clone(), tool);
        }
        for (name, pattern) in &capture.patterns {
            self.name("pattern", name)?;
            Detectors::check(pattern).map_err(|problem| {
                let message = format!("the pattern `{name}` is of no use: {problem}");
                self.error(
                    name,
                    message,
                    "write a regular expression as in \"ACME-[0-9]{6}\"",
                )
            })?;
        }
        let all = TenantCapture {
            payloads: capture.payloads.unwrap_or(true),
            retention: self.retention(capture.retention.as_deref())?,
        };
        let mut tenants = BTreeMap::new();
        for (name, tenant) in &capture.tenants {
            self.name("tenant", name)?;
            let retention = match tenant.retention.as_deref() {
                None => all.retention,
                text => self.retention(text)?,
            };
            let payloads = tenant.payloads.unwrap_or(all.payloads);
            tenants.insert(
                name.clone(),
                TenantCapture {
                    payloads,
                    retention,
                },
            );
        }
        Ok(CaptureConfig {
            otherwise,
            attributes,
            tools,
            patterns: capture.patterns,
            all,
            tenants,
        })
    }

    fn treatment(&self, name: &str) -> Result<Treatment, ConfigError> {
        Treatment::from_name(name).ok_or_else(|| {
            let message = format!(
                "`{}` is nothing that is done with a field",
                name.escape_debug()
            );
            let help = match policy::nearest(name, Treatment::NAMES.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("use one of {}", Treatment::NAMES.join(", ")),
            };
            self.error(&format!("\"{name}\""), message, &help)
        })
    }

    fn fields(&self, said: &BTreeMap<String, String>) -> Result<Fields, ConfigError> {
        let mut fields = Fields::default();
        for (pointer, treatment) in said {
            if !fields.set(pointer, self.treatment(treatment)?) {
                let message = format!("`{}` is no JSON pointer", pointer.escape_debug());
                let help = format!("begin it with a slash: \"/{pointer}\"");
                return Err(self.error(&format!("\"{pointer}\""), message, &help));
            }
        }
        Ok(fields)
    }

    fn retention(&self, text: Option<&str>) -> Result<Option<Duration>, ConfigError> {
        let Some(text) = text else { return Ok(None) };
        let retention = self.duration(text)?;
        if retention < SHORTEST {
            let message = format!("`retention = \"{text}\"` is less than a day");
            let help = "use \"24h\" or more: what is sealed has a key for each day";
            return Err(self.error(text, message, help));
        }
        Ok(Some(retention))
    }
}
