//! Metrics of agents. They are decoded far enough to be counted, and not stored: the usage of a run comes from its
//! spans and logs.

use prost::Message;
use serde::{Deserialize, Deserializer, de::IgnoredAny};

use super::{Signal, weight_limit::MessageKind};

/// `ExportMetricsServiceRequest` (opentelemetry/proto/collector/metrics/v1), without the data points.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MetricsRequest {
    #[prost(message, repeated, tag = "1")]
    resource_metrics: Vec<ResourceMetrics>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ResourceMetrics {
    #[prost(message, repeated, tag = "2")]
    scope_metrics: Vec<ScopeMetrics>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ScopeMetrics {
    #[prost(message, repeated, tag = "2")]
    metrics: Vec<Metric>,
}

/// The data of a metric, by type.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metric {
    #[prost(message, optional, tag = "5")]
    gauge: Option<Points>,
    #[prost(message, optional, tag = "7")]
    sum: Option<Points>,
    #[prost(message, optional, tag = "9")]
    histogram: Option<Points>,
    #[prost(message, optional, tag = "10")]
    exponential_histogram: Option<Points>,
    #[prost(message, optional, tag = "11")]
    summary: Option<Points>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Points {
    /// Empty messages, which are only counted.
    #[prost(message, repeated, tag = "1")]
    #[serde(deserialize_with = "count")]
    data_points: Vec<()>,
}

fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<()>, D::Error> {
    let points = Vec::<IgnoredAny>::deserialize(deserializer)?;
    Ok(vec![(); points.len()])
}

impl MetricsRequest {
    /// The number of data points.
    #[must_use]
    pub fn data_points(&self) -> usize {
        let scopes = self.resource_metrics.iter().flat_map(|r| &r.scope_metrics);
        let metrics = scopes.flat_map(|scope| &scope.metrics);
        let points = metrics.flat_map(|m| {
            [
                &m.gauge,
                &m.sum,
                &m.histogram,
                &m.exponential_histogram,
                &m.summary,
            ]
        });
        points
            .flatten()
            .map(|points| points.data_points.len())
            .sum()
    }
}

impl Signal for MetricsRequest {
    const KIND: MessageKind = MessageKind::Metrics;
    const MEMBER: &'static str = "resourceMetrics";

    fn groups(&self) -> usize {
        let each = self.resource_metrics.iter();
        each.map(|r| r.scope_metrics.len().saturating_add(1)).sum()
    }
}

#[cfg(test)]
mod tests;
