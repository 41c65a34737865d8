//! What is recorded of an effect that a component asked for.

use crate::ids::SpanId;
use serde::Deserialize;
use serde::Serialize;

/// An effect that a component asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// The tool span.
    pub call: SpanId,
    /// What only this kind of effect has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<EffectDetails>,
    /// Why it failed, as the guest was told; absent if it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The `invoke_component` span; absent in what earlier versions wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<SpanId>,
    /// Microseconds that it took.
    pub micros: u64,
    /// Such as `read_file`.
    pub operation: String,
    /// The `authorize` span of the decision that allowed it.
    pub parent: SpanId,
    /// Bytes read or written.
    pub size: u64,
    /// Its own span.
    pub span: SpanId,
    /// On what: a path within a grant, a URL without its query, a secret's name.
    pub target: String,
}

/// What only one kind of effect has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectDetails {
    /// A request over HTTP.
    Http(HttpEffect),
    /// A secret that was attached to a request.
    Secret(SecretEffect),
}

/// A request over HTTP that was sent, or that could not be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpEffect {
    /// The address that it was sent to; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The host's name or address.
    pub host: String,
    /// Such as `GET`.
    pub method: String,
    /// The port.
    pub port: u16,
    /// How many redirects led here.
    pub redirects: u64,
    /// The response's status; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// A secret that was attached to a request. Never its value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecretEffect {
    /// The host that it went to.
    pub host: String,
    /// Its name in the configuration.
    pub name: String,
    /// The beginning of a keyed digest of the value: the same as long as the value is.
    pub version: String,
}
