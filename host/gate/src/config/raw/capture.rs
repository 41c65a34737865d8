//! `[capture]` as it is in the file.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Capture {
    pub(in crate::config) payloads: Option<bool>,
    pub(in crate::config) retention: Option<String>,
    pub(in crate::config) default: Option<String>,
    pub(in crate::config) attributes: BTreeMap<String, String>,
    pub(in crate::config) tools: BTreeMap<String, CaptureTool>,
    pub(in crate::config) patterns: BTreeMap<String, String>,
    pub(in crate::config) rules: Vec<String>,
    pub(in crate::config) tenants: BTreeMap<String, CaptureTenant>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct CaptureTool {
    pub(in crate::config) arguments: BTreeMap<String, String>,
    pub(in crate::config) result: BTreeMap<String, String>,
    pub(in crate::config) answers: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct CaptureTenant {
    pub(in crate::config) payloads: Option<bool>,
    pub(in crate::config) retention: Option<String>,
}
