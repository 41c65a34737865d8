//! Metrics of the exporters, from their state file.

use std::fmt;

use tollgate::gate::Gate;
use tollgate_trace::export;

use super::{Sample, Source, number};

/// Metrics of the exporters of a gate.
pub struct ExporterMetrics(Gate);

impl fmt::Debug for ExporterMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExporterMetrics")
    }
}

impl ExporterMetrics {
    /// Metrics of the exporters of this gate.
    #[must_use]
    pub fn of(gate: &Gate) -> Self {
        Self(gate.clone())
    }
}

impl Source for ExporterMetrics {
    fn samples(&self) -> Vec<Sample> {
        let ruleset = self.0.ruleset();
        if ruleset.config.exports.is_empty() {
            return Vec::new();
        }
        // If the state of the exporters cannot be read, their metrics are absent and the others are still served.
        let config = &ruleset.config;
        let records = self.0.ledger().size();
        let known = export::status(&config.store.path, &config.exports, records);
        let known = known.unwrap_or_default();
        let mut samples = Vec::new();
        for exporter in known {
            let mut add = |name, help, counter, value| {
                samples.push(Sample {
                    name,
                    help,
                    counter,
                    labels: vec![("exporter", exporter.name.clone())],
                    value,
                });
            };
            add(
                "export_lag_records",
                "Records of the ledger that an exporter has not been through",
                false,
                number(exporter.lag),
            );
            add(
                "export_held_up",
                "Whether an exporter's collector takes nothing now",
                false,
                f64::from(u8::from(exporter.failing.is_some())),
            );
            add(
                "exported_spans",
                "Spans that collectors have acknowledged",
                true,
                number(exporter.sent),
            );
            add(
                "export_rejected_spans",
                "Spans that collectors have refused for good",
                true,
                number(exporter.rejected),
            );
        }
        samples
    }
}
