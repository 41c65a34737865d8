//! Searches: which traces have all of what is asked for.

use rusqlite::{params_from_iter, types::Value};
use tollgate_model::{ids::RunId, time::Timestamp};

use super::{
    Facet, Reader, StoreError, TraceRow, int,
    read::{TRACE, trace_row},
};

/// Which traces a list has, newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TraceFilter {
    /// Whose.
    pub tenant: String,
    /// Only those that the gate knows a run of.
    pub runs: bool,
    /// Only this principal's, such as `Agent::"support"`.
    pub principal: Option<String>,
    /// Only those of this conversation.
    pub conversation: Option<String>,
    /// Only those that have each of these, exactly.
    pub has: Vec<(Facet, String)>,
    /// Only those in whose words this occurs; three letters at least.
    pub text: Option<String>,
    /// Only those that began at or after this time.
    pub since: Option<Timestamp>,
    /// Only those that began before this time; for the next page the `started` of the last.
    pub until: Option<Timestamp>,
    /// Only runs of this set.
    pub set: Option<String>,
    /// At most so many.
    pub limit: Option<u64>,
}

/// Letters that a search for text has at least, because words are found by three letters of theirs.
const MIN_TEXT: usize = 3;

impl Reader {
    /// Traces, newest first.
    ///
    /// Each value is looked up in `facets_by_text`, text in `text_parts`; where neither is asked for,
    /// `traces_by_time` is followed, and `traces_by_start` for runs.
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
            // In quotation marks it is searched for as it is.
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

    /// The values that a trace has in one respect.
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
