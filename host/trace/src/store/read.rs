//! Readers: connections that never write, usable concurrently with the writer and in other processes.

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Deserialize;
use serde_json::Value;
use tollgate_ledger::sqlite;
use tollgate_model::{ids::RunId, time::Timestamp};

use super::{
    Attributes, BUSY, Body, Size, SpanOrigin, StoreError, StoredLog, StoredSpan, TraceRow, Usage,
    int, nat, schema, span_of,
};

/// The most logs of one trace that are read.
pub const MAX_LOGS: u32 = 10_000;
/// The most idle connections in the pool.
const IDLE: usize = 4;

/// A reader of a trace store. Clones share their connections.
#[derive(Clone)]
pub struct Reader(Arc<Inner>);

struct Inner {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reader").field(&self.0.path).finish()
    }
}

#[derive(Default, Deserialize)]
struct SourceAttributes {
    resource: Attributes,
    scope: Attributes,
}

type Sources = HashMap<i64, (String, Arc<Attributes>, Arc<Attributes>)>;

/// The columns of a trace, for [`trace_row`].
pub(super) const TRACE: &str = "t.trace, t.tenant, t.run, t.caller, t.principal, t.conversation, t.started, t.last, t.reported, t.logs";

/// The columns of a span, for [`span_row`].
const SPAN: &str = "SELECT s.span, s.parent, s.origin, s.source, s.name, s.kind, s.start, s.end, s.error, s.model, \
     s.input, s.output, s.cached, s.cost, s.body, s.counts, s.cache_write";

/// The columns of a log, for [`log_row`].
const LOG: &str = "SELECT l.span, r.reporter, l.time, l.severity, l.event, l.body";

/// Limits of reading a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The most spans, or logs.
    pub rows: u64,
    /// The most bytes of their bodies; the last one may exceed it.
    pub bytes: u64,
}

pub(super) fn trace_row(row: &Row<'_>) -> rusqlite::Result<TraceRow> {
    Ok(TraceRow {
        trace: RunId::from_bytes(row.get("trace")?),
        tenant: row.get("tenant")?,
        run: row.get("run")?,
        caller: row
            .get::<_, Option<[u8; 16]>>("caller")?
            .map(RunId::from_bytes),
        principal: row.get("principal")?,
        conversation: row.get("conversation")?,
        started: Timestamp(row.get("started")?),
        last: Timestamp(row.get("last")?),
        reported: nat(row.get("reported")?),
        logs: nat(row.get("logs")?),
    })
}

impl Reader {
    /// Opens the store at `path`, which another process may write; `None` if it does not exist yet.
    ///
    /// # Errors
    /// [`StoreError`] if it is not a trace store, or has a newer format.
    pub fn open(path: &Path) -> Result<Option<Self>, StoreError> {
        if !path.exists() {
            return Ok(None);
        }
        let reader = Self::of(path);
        let found = reader.with(|conn| match schema::FORMAT.is_ours(conn)? {
            true => sqlite::version(conn),
            false => Ok(i64::MAX),
        })?;
        match found {
            0 => Ok(None),
            found if found > schema::FORMAT.newest() => Err(StoreError::Newer {
                path: path.display().to_string(),
                found,
                known: schema::FORMAT.newest(),
            }),
            _ => Ok(Some(reader)),
        }
    }

    pub(super) fn of(path: &Path) -> Self {
        Self(Arc::new(Inner {
            path: path.to_owned(),
            idle: Mutex::default(),
        }))
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let conn = sqlite::open_read_only(&self.0.path, 16_384, BUSY)?;
        conn.pragma_update(None, "mmap_size", 1_i64 << 30)?;
        Ok(conn)
    }

    /// Runs `work` in a read transaction, which sees one state of the store.
    pub(super) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let idle = || self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().pop();
        let answer = (|| {
            let conn = match kept {
                Some(conn) => conn,
                None => self.connect()?,
            };
            conn.execute_batch("BEGIN")?;
            let answer = read(&conn);
            conn.execute_batch("COMMIT")?;
            if idle().len() < IDLE {
                idle().push(conn);
            }
            answer
        })();
        answer.map_err(|e| StoreError::sqlite(&self.0.path, &e))
    }

    /// A trace of `tenant`.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn trace(&self, tenant: &str, trace: RunId) -> Result<Option<TraceRow>, StoreError> {
        self.with(|conn| {
            let sql = format!("SELECT {TRACE} FROM traces t WHERE t.tenant = ?1 AND t.trace = ?2");
            conn.prepare_cached(&sql)?
                .query_row(params![tenant, trace.as_bytes()], trace_row)
                .optional()
        })
    }

    /// The spans of a trace, by start; only those of `origin`, if it is given.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn spans(
        &self,
        tenant: &str,
        trace: RunId,
        origin: Option<SpanOrigin>,
    ) -> Result<Vec<StoredSpan>, StoreError> {
        self.with(|conn| {
            let mut sources = Sources::new();
            let mut select = conn.prepare_cached(&format!(
                "{SPAN} FROM traces t JOIN spans s ON s.trace = t.id \
                 WHERE t.tenant = ?1 AND t.trace = ?2 AND s.origin BETWEEN ?3 AND ?4"
            ))?;
            let (low, high) = origin.map_or((0, 1), |o| (o.column(), o.column()));
            let mut rows = select.query(params![tenant, trace.as_bytes(), low, high])?;
            let mut spans = Vec::new();
            while let Some(row) = rows.next()? {
                spans.push(span_row(conn, &mut sources, trace, row)?);
            }
            spans.sort_by_key(|s| (s.start, s.span));
            Ok(spans)
        })
    }

    /// The first reported spans of a trace, by start, and whether there are more; only those of `reporter`, if it is
    /// given.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn reported(
        &self,
        tenant: &str,
        trace: RunId,
        reporter: Option<&str>,
        most: Part,
    ) -> Result<(Vec<StoredSpan>, bool), StoreError> {
        self.with(|conn| {
            // Sorts ids only, not the bodies of the spans.
            let mut order = conn.prepare_cached(
                "SELECT s.id FROM traces t JOIN spans s ON s.trace = t.id AND s.origin = 1 \
                 JOIN sources r ON r.id = s.source WHERE t.tenant = ?1 AND t.trace = ?2 \
                 AND (?3 IS NULL OR r.reporter = ?3) ORDER BY s.start, s.span LIMIT ?4",
            )?;
            let values = params![tenant, trace.as_bytes(), reporter, int(most.rows) + 1];
            let ids = order.query_map(values, |row| row.get::<_, i64>(0))?;
            let mut select =
                conn.prepare_cached(&format!("{SPAN} FROM spans s WHERE s.id = ?1"))?;
            let mut sources = Sources::new();
            let (mut spans, mut bytes) = (Vec::new(), 0);
            for id in ids {
                if spans.len() as u64 >= most.rows || bytes >= most.bytes {
                    return Ok((spans, true));
                }
                let mut rows = select.query([id?])?;
                if let Some(row) = rows.next()? {
                    bytes += row.get_ref("body")?.as_str()?.len() as u64;
                    spans.push(span_row(conn, &mut sources, trace, row)?);
                }
            }
            Ok((spans, false))
        })
    }

    /// The first reported logs of a trace, by time, and whether there are more; only those of `reporter`, if it is
    /// given.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn reported_logs(
        &self,
        tenant: &str,
        trace: RunId,
        reporter: Option<&str>,
        most: Part,
    ) -> Result<(Vec<StoredLog>, bool), StoreError> {
        self.with(|conn| {
            let mut order = conn.prepare_cached(
                "SELECT l.id FROM traces t JOIN logs l ON l.trace = t.id JOIN sources r ON r.id = l.source \
                 WHERE t.tenant = ?1 AND t.trace = ?2 AND (?3 IS NULL OR r.reporter = ?3) \
                 ORDER BY l.time, l.id LIMIT ?4",
            )?;
            let values = params![tenant, trace.as_bytes(), reporter, int(most.rows) + 1];
            let ids = order.query_map(values, |row| row.get::<_, i64>(0))?;
            let mut select = conn.prepare_cached(&format!(
                "{LOG} FROM logs l JOIN sources r ON r.id = l.source WHERE l.id = ?1"
            ))?;
            let (mut logs, mut bytes) = (Vec::new(), 0);
            for id in ids {
                if logs.len() as u64 >= most.rows || bytes >= most.bytes {
                    return Ok((logs, true));
                }
                let mut rows = select.query([id?])?;
                if let Some(row) = rows.next()? {
                    bytes += row.get_ref("body")?.as_str()?.len() as u64;
                    logs.push(log_row(trace, row)?);
                }
            }
            Ok((logs, false))
        })
    }

    /// The first [`MAX_LOGS`] reported logs of a trace, by time. [`TraceRow::logs`] is the number of all.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn logs(&self, tenant: &str, trace: RunId) -> Result<Vec<StoredLog>, StoreError> {
        self.with(|conn| {
            let mut select = conn.prepare_cached(&format!(
                "{LOG} FROM traces t JOIN logs l ON l.trace = t.id JOIN sources r ON r.id = l.source \
                 WHERE t.tenant = ?1 AND t.trace = ?2 ORDER BY l.time, l.id LIMIT ?3"
            ))?;
            let values = params![tenant, trace.as_bytes(), MAX_LOGS];
            let rows = select.query_map(values, |row| log_row(trace, row))?;
            rows.collect()
        })
    }

    /// The position of a cursor: the next index to read.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn cursor(&self, name: &str) -> Result<u64, StoreError> {
        self.with(|conn| {
            let next = conn
                .prepare_cached("SELECT next FROM cursors WHERE name = ?1")?
                .query_row([name], |row| row.get(0).map(nat))
                .optional()?;
            Ok(next.unwrap_or(0))
        })
    }

    /// The size of the store.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn size(&self) -> Result<Size, StoreError> {
        let (traces, spans) = self.with(|conn| {
            conn.query_row(
                "SELECT (SELECT count(*) FROM traces), (SELECT count(*) FROM spans)",
                [],
                |row| Ok((nat(row.get(0)?), nat(row.get(1)?))),
            )
        })?;
        let length = |path: PathBuf| std::fs::metadata(path).map_or(0, |m| m.len());
        let log = PathBuf::from(format!("{}-wal", self.0.path.display()));
        Ok(Size {
            traces,
            spans,
            bytes: length(self.0.path.clone()) + length(log),
        })
    }
}

#[derive(Default, Deserialize)]
struct LogBody {
    #[serde(default)]
    body: Value,
    #[serde(default)]
    attributes: Attributes,
}

fn log_row(trace: RunId, row: &Row<'_>) -> rusqlite::Result<StoredLog> {
    let body: String = row.get("body")?;
    let said: LogBody = serde_json::from_str(&body).unwrap_or_default();
    Ok(StoredLog {
        trace,
        span: row.get::<_, Option<i64>>("span")?.map(span_of),
        reporter: row.get("reporter")?,
        time: Timestamp(row.get("time")?),
        severity: row.get("severity")?,
        event: row.get("event")?,
        body: said.body,
        attributes: said.attributes,
    })
}

fn span_row(
    conn: &Connection,
    sources: &mut Sources,
    trace: RunId,
    row: &Row<'_>,
) -> rusqlite::Result<StoredSpan> {
    let source: i64 = row.get("source")?;
    let (reporter, resource, scope) = match sources.get(&source) {
        Some(known) => known.clone(),
        None => {
            let found = conn
                .prepare_cached("SELECT reporter, about FROM sources WHERE id = ?1")?
                .query_row([source], |row| {
                    let about: String = row.get(1)?;
                    let about: SourceAttributes = serde_json::from_str(&about).unwrap_or_default();
                    Ok((row.get(0)?, Arc::new(about.resource), Arc::new(about.scope)))
                })?;
            sources.insert(source, found.clone());
            found
        }
    };
    let tokens = |column: &str| row.get::<_, Option<i64>>(column).map(|n| n.map(nat));
    let usage = tokens("input")?.map(|input_tokens| {
        Ok::<_, rusqlite::Error>(Usage {
            input_tokens,
            output_tokens: tokens("output")?.unwrap_or(0),
            cached_tokens: tokens("cached")?.unwrap_or(0),
            cache_write_tokens: tokens("cache_write")?.unwrap_or(0),
            cost_nano: tokens("cost")?,
        })
    });
    let body = row.get_ref("body")?.as_str()?;
    Ok(StoredSpan {
        trace,
        span: span_of(row.get("span")?),
        parent: row.get::<_, Option<i64>>("parent")?.map(span_of),
        origin: SpanOrigin::of_column(row.get("origin")?),
        reporter,
        name: row.get("name")?,
        kind: row.get("kind")?,
        start: Timestamp(row.get("start")?),
        end: row.get::<_, Option<i64>>("end")?.map(Timestamp),
        error: row.get("error")?,
        model: row.get("model")?,
        usage: usage.transpose()?,
        counts: row.get("counts")?,
        resource,
        scope,
        body: Body::of_column(body)?,
    })
}
