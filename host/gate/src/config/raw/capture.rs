//! `[capture]` as it is in the file.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in super::super) struct Capture {
    pub(in super::super) payloads: Option<bool>,
    pub(in super::super) retention: Option<String>,
    pub(in super::super) default: Option<String>,
    pub(in super::super) attributes: BTreeMap<String, String>,
    pub(in super::super) tools: BTreeMap<String, CaptureTool>,
    pub(in super::super) patterns: BTreeMap<String, String>,
    pub(in super::super) rules: Vec<String>,
    pub(in super::super) tenants: BTreeMap<String, CaptureTenant>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in super::super) struct CaptureTool {
    pub(in super::super) arguments: BTreeMap<String, String>,
    pub(in super::super) result: BTreeMap<String, String>,
    pub(in super::super) answers: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in super::super) struct CaptureTenant {
    pub(in super::super) payloads: Option<bool>,
    pub(in super::super) retention: Option<String>,
}
