//! Where the gate's spans are sent by OTLP.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use url::Url;

use super::ConfigValue;

/// Where the gate's spans are sent, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportConfig {
    /// The collector; without the path of a signal.
    pub url: Url,
    /// By which protocol.
    pub protocol: ExportProtocol,
    /// For whom.
    pub profile: ExportProfile,
    /// Headers of every request.
    pub headers: BTreeMap<String, ConfigValue>,
    /// Whether requests are compressed.
    pub compression: ExportCompression,
    /// How long the collector may take to answer.
    pub timeout: Duration,
    /// Spans of one request at most.
    pub batch: usize,
    /// Where it begins the first time.
    pub from: ExportFrom,
    /// Attributes of the resource, besides the gate's own.
    pub resource: BTreeMap<String, String>,
}

/// How a collector is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportProtocol {
    /// OTLP/HTTP with protobuf bodies.
    #[default]
    Http,
    /// OTLP/gRPC.
    Grpc,
}

/// Whose names the attributes have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportProfile {
    /// OpenTelemetry's, and OpenInference's besides.
    #[default]
    Openinference,
    /// OpenTelemetry's alone.
    Otel,
}

/// Whether requests are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportCompression {
    /// By gzip.
    #[default]
    Gzip,
    /// Not at all.
    None,
}

/// Where an exporter begins the first time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportFrom {
    /// With the ledger's first record.
    #[default]
    Start,
    /// With the next one.
    Now,
}
