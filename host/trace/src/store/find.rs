//! Search for traces that match all filters.

use rusqlite::{params_from_iter, types::Value};
use tollgate_model::{ids::RunId, time::Timestamp};

use super::{
    Facet, Reader, StoreError, TraceRow, int,
    read::{TRACE, trace_row},
};

/// Filters of a search.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TraceFilter {
    /// The tenant.
    pub tenant: String,
    /// Only traces with a run of the gate.
    pub runs: bool,
    /// Only traces of this principal, such as `Agent::"support"`.
    pub principal: Option<String>,
    /// Only traces of this conversation.
    pub conversation: Option<String>,
    /// Only traces that have all of these facets.
    pub has: Vec<(Facet, String)>,
    /// Only traces whose texts contain this; at least three letters.
    pub text: Option<String>,
    /// Only traces that began at or after this time.
    pub since: Option<Timestamp>,
    /// Only traces that began before this time; for the next page, `started` of the last entry.
    pub until: Option<Timestamp>,
    /// Only runs of this set.
    pub set: Option<String>,
    /// The most traces to return.
    pub limit: Option<u64>,
}

/// The least letters of a text search, because the index has trigrams.
const MIN_TEXT: usize = 3;

impl Reader {
    /// Traces, newest first.
    ///
    /// Facets use the index `facets_by_text`, and text uses `text_parts`. Without both, `traces_by_time` is used, and
    /// `traces_by_start` for runs.
    ///
    /// # Errors
    /// [`StoreError`] if the text is too short, or the store cannot be read.
    pub fn find(&self, filter: &TraceFilter) -> Result<Vec<TraceRow>, StoreError> {
        let mut sql = format!("SELECT {TRACE} FROM traces t WHERE t.tenant = ?");
        let mut values: Vec<Value> = vec![filter.tenant.clone().into()];
        let mut and = |condition: &str, with: Vec<Value>| {
            sql.push_str(" AND ");
            sql.push_str(condition);
            values.extend(with);
        };
        if filter.runs {
            and("t.run = 1", Vec::new());
        }
        if let Some(principal) = &filter.principal {
            and("t.principal = ?", vec![principal.clone().into()]);
        }
        if let Some(conversation) = &filter.conversation {
            and("t.conversation = ?", vec![conversation.clone().into()]);
        }
        for (facet, value) in &filter.has {
            and(
                "t.id IN (SELECT trace FROM facets INDEXED BY facets_by_text WHERE facet = ? AND text = \
                 (SELECT id FROM texts WHERE text = ?))",
                vec![facet.column().into(), value.clone().into()],
            );
        }
        if let Some(text) = &filter.text {
            if text.chars().count() < MIN_TEXT {
                return Err(StoreError::Invalid(format!(
                    "a search for text needs {MIN_TEXT} letters at least"
                )));
            }
            // Quotation marks make it a literal phrase.
            let phrase = format!("\"{}\"", text.replace('"', "\"\""));
            and(
                "t.id IN (SELECT f.trace FROM text_parts p CROSS JOIN facets f INDEXED BY facets_by_text \
                 ON f.text = p.rowid AND f.facet IN (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12) \
                 WHERE p.text_parts MATCH ?)",
                vec![phrase.into()],
            );
        }
        if let Some(since) = filter.since {
            and("t.started >= ?", vec![since.0.into()]);
        }
        if let Some(until) = filter.until {
            and("t.started < ?", vec![until.0.into()]);
        }
        if let Some(set) = &filter.set {
            and(
                "t.trace IN (SELECT r.run FROM sets s JOIN set_runs r ON r.set_id = s.id \
                 WHERE s.tenant = t.tenant AND s.name = ?)",
                vec![set.clone().into()],
            );
        }
        sql.push_str(" ORDER BY t.started DESC, t.id DESC LIMIT ?");
        values.push(filter.limit.map_or(-1, int).into());
        self.with(|conn| {
            let mut select = conn.prepare_cached(&sql)?;
            select
                .query_map(params_from_iter(values), trace_row)?
                .collect()
        })
    }

    /// The values of one facet of a trace.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn words(
        &self,
        tenant: &str,
        trace: RunId,
        facet: Facet,
    ) -> Result<Vec<String>, StoreError> {
        self.with(|conn| {
            let mut select = conn.prepare_cached(
                "SELECT x.text FROM traces t JOIN facets f ON f.trace = t.id AND f.facet = ?3 \
                 JOIN texts x ON x.id = f.text WHERE t.tenant = ?1 AND t.trace = ?2 ORDER BY x.text",
            )?;
            select
                .query_map(
                    rusqlite::params![tenant, trace.as_bytes(), facet.column()],
                    |row| row.get(0),
                )?
                .collect()
        })
    }
}
