//! Sources of reports: reporter, resource and scope, stored once for many spans.

use std::sync::Arc;

use rusqlite::{OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};

use super::{Attributes, entries::SourceId, writer::Writer};

/// A source of reports. It is serialized and hashed when it is made, so that the writer need not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    reporter: String,
    resource: Arc<str>,
    scope: String,
    digest: [u8; 32],
}

impl Source {
    /// A source: the authenticated sender, such as `Agent::"support"` (empty for the gate itself), the resource's
    /// attributes from [`Self::written`], and name, version and attributes of the instrumentation.
    #[must_use]
    pub fn new(reporter: &str, resource: Arc<str>, scope: &Attributes) -> Self {
        let scope = Self::written(scope).as_ref().to_owned();
        let mut hash = Sha256::new();
        hash.update((reporter.len() as u64).to_be_bytes());
        hash.update(reporter);
        for part in ["{\"resource\":", &resource, ",\"scope\":", &scope, "}"] {
            hash.update(part);
        }
        Self {
            reporter: reporter.to_owned(),
            resource,
            scope,
            digest: hash.finalize().into(),
        }
    }

    /// Attributes as JSON.
    #[must_use]
    pub fn written(attributes: &Attributes) -> Arc<str> {
        serde_json::to_string(attributes)
            .unwrap_or_else(|_| "{}".into())
            .into()
    }

    /// The authenticated sender.
    #[must_use]
    pub fn reporter(&self) -> &str {
        &self.reporter
    }

    /// SHA-256 over all of it.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    fn about(&self) -> String {
        format!(
            "{{\"resource\":{},\"scope\":{}}}",
            self.resource, self.scope
        )
    }
}

impl Default for Source {
    /// The gate itself.
    fn default() -> Self {
        Self::new("", "{}".into(), &Attributes::new())
    }
}

impl Writer {
    /// The row ids of a source and its reporter.
    pub(crate) fn source(&mut self, source: &Source) -> rusqlite::Result<SourceId> {
        if let Some(known) = self.sources.get(&source.digest) {
            return Ok(*known);
        }
        let select = "SELECT id FROM sources WHERE digest = ?1";
        let known = self
            .conn
            .prepare_cached(select)?
            .query_row([source.digest], |row| row.get(0))
            .optional()?;
        let id = match known {
            Some(id) => id,
            None => {
                let insert = "INSERT INTO sources (digest, reporter, about) VALUES (?1, ?2, ?3)";
                self.conn.prepare_cached(insert)?.execute(params![
                    source.digest,
                    source.reporter,
                    source.about()
                ])?;
                self.conn.last_insert_rowid()
            }
        };
        self.conn
            .prepare_cached("INSERT INTO reporters (name) VALUES (?1) ON CONFLICT DO NOTHING")?
            .execute([&source.reporter])?;
        let reporter = self
            .conn
            .prepare_cached("SELECT id FROM reporters WHERE name = ?1")?
            .query_row([&source.reporter], |row| row.get(0))?;
        let numbered = SourceId {
            source: id,
            reporter,
        };
        self.sources.insert(source.digest, numbered);
        Ok(numbered)
    }

    /// Links a trace to a source.
    pub(crate) fn add_source(&mut self, trace: i64, source: SourceId) -> rusqlite::Result<()> {
        if self.origins.insert((trace, source.source)) {
            self.conn
                .prepare_cached("INSERT INTO trace_sources (trace, source) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
                .execute([trace, source.source])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
