//! `[capture]`: what is kept of arguments, results and agents' attributes, and for how long.

use std::{collections::BTreeMap, time::Duration};

use tollgate_policy::policy;

use super::{ConfigError, raw, validate::Validation};
use crate::capture::{CaptureConfig, Detectors, Fields, TenantCapture, ToolCapture, Treatment};

/// The shortest retention: payloads are sealed with a key for each day.
const SHORTEST: Duration = Duration::from_secs(24 * 60 * 60);

impl Validation<'_> {
    pub(super) fn capture(&self, capture: raw::Capture) -> Result<CaptureConfig, ConfigError> {
        let default = match &capture.default {
            None => Treatment::Drop,
            Some(name) => self.treatment(name)?,
        };
        if default == Treatment::Keep {
            let message =
                "`default = \"keep\"` would keep what the configuration does not name".into();
            let help = "name what is kept, as in [capture.tools.NAME] arguments.\"/id\" = \"keep\"";
            return Err(self.error("default", message, help));
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
                answers: self.fields(&tool.answers)?,
            };
            tools.insert(name.clone(), tool);
        }
        for (name, pattern) in &capture.patterns {
            self.name("pattern", name)?;
            Detectors::check(pattern).map_err(|problem| {
                let message = format!("the pattern `{name}` cannot be used: {problem}");
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
            default,
            attributes,
            tools,
            patterns: capture.patterns,
            rules: capture
                .rules
                .iter()
                .map(|file| self.base.join(file))
                .collect(),
            all,
            tenants,
        })
    }

    fn treatment(&self, name: &str) -> Result<Treatment, ConfigError> {
        Treatment::from_name(name).ok_or_else(|| {
            let message = format!("`{}` is not a treatment of a field", name.escape_debug());
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
                let message = format!("`{}` is not a JSON pointer", pointer.escape_debug());
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
            let help = "use \"24h\" or more: payloads are sealed with a key for each day";
            return Err(self.error(text, message, help));
        }
        Ok(Some(retention))
    }
}
