//! Searchable values of traces. Each value is stored once per trace.

use rusqlite::{OptionalExtension as _, params};

use super::{Facet, entries::ReporterTotals, writer::Writer};

/// The most facets of one reporter in a trace; further ones are not searchable.
const MAX_FACETS: u64 = 2_000;
/// The longest searchable part of a value, in bytes.
const MAX_VALUE: usize = 512;

impl Writer {
    /// Adds a facet from a reporter. Only the first [`MAX_FACETS`] of each reporter are stored.
    pub(crate) fn add_facet(
        &mut self,
        trace: i64,
        totals: &mut ReporterTotals,
        facet: Facet,
        value: &str,
    ) -> rusqlite::Result<()> {
        if totals.facets < MAX_FACETS && self.add_gate_facet(trace, facet, value)? {
            totals.facets += 1;
        }
        Ok(())
    }

    /// Adds a facet from the gate. Returns whether it is new.
    pub(crate) fn add_gate_facet(
        &mut self,
        trace: i64,
        facet: Facet,
        value: &str,
    ) -> rusqlite::Result<bool> {
        let mut end = value.len().min(MAX_VALUE);
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        let value = value.get(..end).unwrap_or_default();
        if value.is_empty() {
            return Ok(false);
        }
        let text = match self.texts.get(value) {
            Some(text) => *text,
            None => self.text(value)?,
        };
        if !self.facets.insert((trace, facet, text)) {
            return Ok(false);
        }
        let new = self
            .conn
            .prepare_cached("INSERT INTO facets (trace, facet, text) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
            .execute(params![trace, facet.column(), text])?;
        Ok(new > 0)
    }

    fn text(&mut self, value: &str) -> rusqlite::Result<i64> {
        let known = self
            .conn
            .prepare_cached("SELECT id FROM texts WHERE text = ?1")?
            .query_row([value], |row| row.get(0))
            .optional()?;
        let id = match known {
            Some(id) => id,
            None => {
                self.conn
                    .prepare_cached("INSERT INTO texts (text) VALUES (?1)")?
                    .execute([value])?;
                let id = self.conn.last_insert_rowid();
                self.conn
                    .prepare_cached("INSERT INTO text_parts (rowid, text) VALUES (?1, ?2)")?
                    .execute(params![id, value])?;
                id
            }
        };
        self.texts.insert(value.to_owned(), id);
        Ok(id)
    }
}

#[cfg(test)]
mod tests;
