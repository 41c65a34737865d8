//! What an upstream server lists of its resources, within limits and comparable.
//!
//! An entry is what people and the model read of a resource. It does not bound which resources can be read: that is
//! configured, and decided at each reading.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tollgate_model::uri::{CanonicalUri, MAX_URI};

use super::bounds::{self, MAX_TITLE};
use crate::text::printable;

/// The most bytes of a media type.
const MAX_MEDIA_TYPE: usize = 255;

/// A resource as its server lists it: untrusted, but within limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceDefinition {
    /// Its URI in canonical form.
    pub uri: String,
    /// Its URI as the server writes it, if that is not the canonical form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_uri: Option<String>,
    /// Its name, of any characters.
    pub name: String,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// For people and the model.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Its media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
}

/// A template of URIs as its server lists it (RFC 6570): untrusted, but within limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateDefinition {
    /// The template: visible ASCII.
    pub uri_template: String,
    /// Its name, of any characters.
    pub name: String,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// For people and the model.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The media type of what it stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
}

impl ResourceDefinition {
    /// The definition in `resource`, an entry of a `resources/list` result.
    ///
    /// # Errors
    /// The URI, printable, and why it cannot be used.
    pub(super) fn read(resource: &Value) -> Result<Self, (String, String)> {
        let own_uri = bounds::text(resource, "uri").unwrap_or_default();
        let wrong = |problem: String| (printable(own_uri, 80), problem);
        let uri = CanonicalUri::parse(own_uri).map_err(wrong)?.into_string();
        Ok(Self {
            own_uri: (uri != own_uri).then(|| own_uri.to_owned()),
            name: bounds::required(resource, "name", MAX_TITLE).map_err(wrong)?,
            title: bounds::optional(resource, "title", MAX_TITLE).map_err(wrong)?,
            description: bounds::description(resource).map_err(wrong)?,
            media_type: media_type(resource),
            uri,
        })
    }

    /// The URI by which the server is asked for it.
    #[must_use]
    pub fn own_uri(&self) -> &str {
        self.own_uri.as_deref().unwrap_or(&self.uri)
    }
}

impl TemplateDefinition {
    /// The definition in `template`, an entry of a `resources/templates/list` result.
    ///
    /// # Errors
    /// The template, printable, and why it cannot be used.
    pub(super) fn read(template: &Value) -> Result<Self, (String, String)> {
        let uri_template = bounds::text(template, "uriTemplate").unwrap_or_default();
        let wrong = |problem: String| (printable(uri_template, 80), problem);
        let plain = uri_template.bytes().all(|b| b.is_ascii_graphic());
        if uri_template.len() > MAX_URI || !plain || !uri_template.contains(':') {
            return Err(wrong(format!(
                "its template is not a URI of at most {MAX_URI} visible ASCII characters"
            )));
        }
        Ok(Self {
            uri_template: uri_template.to_owned(),
            name: bounds::required(template, "name", MAX_TITLE).map_err(wrong)?,
            title: bounds::optional(template, "title", MAX_TITLE).map_err(wrong)?,
            description: bounds::description(template).map_err(wrong)?,
            media_type: media_type(template),
        })
    }

    /// The text before the first expression, with which every URI of the template begins.
    pub(crate) fn prefix(&self) -> &str {
        self.uri_template.split('{').next().unwrap_or_default()
    }
}

/// The media type, if it is one.
fn media_type(entry: &Value) -> Option<String> {
    let text = bounds::text(entry, "mimeType")?.trim();
    let plain = text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    (text.len() <= MAX_MEDIA_TYPE && plain && text.contains('/')).then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
