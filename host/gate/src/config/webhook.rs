//! The settings of the approvals webhook.

use serde::Deserialize;
use url::Url;

/// Where requests and resolutions are posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    /// Where to.
    pub url: Url,
    /// The configured secret whose value signs them; absent only for Slack, which checks no signature.
    pub secret: Option<String>,
    /// In which form.
    pub format: WebhookFormat,
}

/// The form of a notification.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookFormat {
    /// An object with a type, a time and data.
    #[default]
    Json,
    /// What Slack's incoming webhooks take.
    Slack,
}
