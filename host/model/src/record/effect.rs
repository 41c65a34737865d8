//! Effects and log lines of components.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ids::SpanId;

/// An effect that a component requested.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// The tool span.
    pub call: SpanId,
    /// Details of this kind of effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<EffectDetails>,
    /// The error that the component got; absent on success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The `invoke_component` span; absent in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<SpanId>,
    /// Duration, in microseconds.
    pub duration_micros: u64,
    /// Such as `read_file`.
    pub operation: String,
    /// The `authorize` span of the decision that allowed it.
    pub parent: SpanId,
    /// Bytes read or written.
    pub size: u64,
    /// Its own span.
    pub span: SpanId,
    /// Path within a grant, URL without query, or name of a secret.
    pub target: String,
}

/// Details of one kind of effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectDetails {
    /// A request over HTTP.
    Http(HttpEffect),
    /// A secret that was attached to a request.
    Secret(SecretEffect),
}

/// An HTTP request that was sent, or could not be sent.
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

/// A secret that was attached to a request, without its value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecretEffect {
    /// The host that received it.
    pub host: String,
    /// Its name in the configuration.
    pub name: String,
    /// Prefix of a keyed digest of the value; it changes when the value changes.
    pub version: String,
}

/// A component's own log line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComponentLog {
    /// The tool span.
    pub call: SpanId,
    /// Labels that it adds to the run, if it was sent to the caller while the tool ran.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<String>,
    /// `debug`, `info`, `warn`, `error`, or `progress` for a progress report.
    pub level: String,
    /// The text: untrusted, escaped, at most 4 KiB.
    pub message: String,
    /// The `invoke_component` span.
    pub parent: SpanId,
}
