//! The trace store: one SQLite file next to the ledger's, with a writer and a quota of its own.
//!
//! What the writer has acknowledged is on the disk. Spans of the gate and spans that were reported lie
//! side by side and never replace each other, and so do spans of different senders; the same sender's later
//! version of a span replaces its earlier one.
//!
//! | file | what it settles |
//! |---|---|
//! | `writer` | one thread, one transaction for all who wait |
//! | `ingest` | what spans and logs do to the tables |
//! | `source` | who reports, and from where |
//! | `facets` | what traces are found by |
//! | `read`, `find`, `usage` | [`Reader`]: traces, searches, sums |
//! | `forget` | what is too old |
//! | `annotations` | notes, sets and feedback |
//! | `self_report` | what agents tell about their own runs |
//! | `schema` | the tables |

mod annotations;
pub(crate) mod entries;
mod facet;
mod facets;
mod find;
mod forget;
pub(crate) mod ingest;
mod read;
mod schema;
mod self_report;
pub(crate) mod source;
mod usage;
pub(crate) mod writer;

use std::{
    collections::BTreeMap,
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tollgate_ledger::sqlite::{self, OpenError, Synchronous, WriteOptions};
pub(crate) use tollgate_ledger::sqlite::{from_sql_u64 as nat, to_sql_i64 as int};
use tollgate_model::{
    ids::{RunId, SpanId},
    time::Timestamp,
};

pub use annotations::{Feedback, NewFeedback, NewNote, Note, RunSet};
pub use facet::Facet;
pub use find::TraceFilter;
pub use ingest::IngestReport;
pub use read::{MAX_LOGS, Part, Reader};
pub use source::Source;
pub use usage::{RunSum, Scope, UsageRow, total};

use self::writer::Queue;

/// Attributes of a span, resource or log, as JSON.
pub type Attributes = Map<String, Value>;

/// How long a connection waits for another one's transaction.
const BUSY: Duration = Duration::from_secs(5);

/// The path and limits of a trace store.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// The database file.
    pub path: PathBuf,
    /// Bytes that it may have; what agents report beyond that is refused.
    pub quota: u64,
    /// Spans that one reporter may store in one trace, and as many logs.
    pub trace_limit: u64,
    /// Bytes of those.
    pub trace_bytes: u64,
    /// Whether every commit is synced to the disk; anything else is for measurements.
    pub sync: bool,
}

impl StoreOptions {
    /// The store in the directory of this ledger.
    #[must_use]
    pub fn for_ledger(ledger: &Path) -> Self {
        Self {
            path: ledger.with_file_name("trace.db"),
            quota: 16 << 30,
            trace_limit: 100_000,
            trace_bytes: 256 << 20,
            sync: true,
        }
    }
}

/// Why the trace store cannot be opened, read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// SQLite or the file system refused.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// What it said, and what to do.
        reason: String,
    },
    /// Written by a newer version.
    #[error("{path} has format {found}, newer than this binary's {known}; use the newer tollgate")]
    Newer {
        /// The database file.
        path: String,
        /// Its format.
        found: i64,
        /// The newest that this binary knows.
        known: i64,
    },
    /// The quota is used up.
    #[error(
        "the trace store has reached its quota of {0} bytes; raise `quota` under [trace], or let it forget more"
    )]
    Full(u64),
    /// Its queue is full.
    #[error("the trace store is busy; try again in a second")]
    Busy,
    /// Nothing has this name.
    #[error("there is no {what} `{name}`")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// What is asked for cannot be.
    #[error("{0}")]
    Invalid(String),
    /// The store is closing.
    #[error("the gate is shutting down")]
    Closed,
}

impl StoreError {
    fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as E;
        let remedy = match error.sqlite_error_code() {
            Some(E::DiskFull) => "; free some space",
            Some(E::DatabaseCorrupt | E::NotADatabase) => {
                "; move the file away, and the gate makes another one from the ledger, without what was reported"
            }
            Some(E::ReadOnly | E::CannotOpen) => "; make the file and its directory writable",
            _ => "",
        };
        Self::File {
            path: path.display().to_string(),
            reason: format!("{error}{remedy}"),
        }
    }
}

/// Whose word a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpanOrigin {
    /// The gate's own, made from the ledger's records.
    Gate,
    /// Reported by an agent, or by a user for it.
    Reported,
}

impl SpanOrigin {
    fn column(self) -> i64 {
        match self {
            Self::Gate => 0,
            Self::Reported => 1,
        }
    }
}

/// Tokens and cost of one call of a model, or the sum of many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens that the model read, those from a cache included.
    pub input_tokens: u64,
    /// Tokens that the model wrote.
    pub output_tokens: u64,
    /// Of the tokens read, those from a cache.
    pub cached_tokens: u64,
    /// Of the tokens read, those written to a cache.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write_tokens: u64,
    /// Billionths of the price table's currency; absent if no price is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_nano: Option<u64>,
}

/// A span to be stored.
#[derive(Debug, Clone)]
pub struct NewSpan {
    /// Its trace.
    pub trace: RunId,
    /// Its id.
    pub span: SpanId,
    /// The span above.
    pub parent: Option<SpanId>,
    /// Its name.
    pub name: String,
    /// OpenTelemetry's kind (`internal`, `client`, ..), or what a span of the gate stands for.
    pub kind: &'static str,
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Option<Timestamp>,
    /// `error.type`.
    pub error: Option<String>,
    /// The model that was called.
    pub model: Option<String>,
    /// Tokens and cost of that call.
    pub usage: Option<Usage>,
    /// Whether these are added to the trace's: what an agent's span sums up is not counted again.
    pub counts: bool,
    /// The conversation that it says it is part of.
    pub conversation: Option<String>,
    /// What its trace is found by.
    pub facets: Vec<(Facet, String)>,
    /// Attributes, events and links, as [`Body`] has them in JSON.
    pub body: String,
}

/// A log record to be stored.
#[derive(Debug, Clone)]
pub struct NewLog {
    /// Its trace.
    pub trace: RunId,
    /// The span that it belongs to.
    pub span: Option<SpanId>,
    /// When.
    pub time: Timestamp,
    /// Such as `INFO`.
    pub severity: String,
    /// The event's name.
    pub event: Option<String>,
    /// The session that the trace stands for, where the log has no trace id.
    pub conversation: Option<String>,
    /// `{"body": .., "attributes": {..}}`.
    pub body: String,
    /// By what it is the same log when it is sent again.
    pub digest: [u8; 16],
}

/// What one sender reports at once, from one source.
#[derive(Debug, Default)]
pub struct Report {
    /// Where it comes from.
    pub source: Source,
    /// Of each span the latest version last. Spans of one trace that follow each other cost less.
    pub spans: Vec<NewSpan>,
    /// Those of one trace that follow each other cost less.
    pub logs: Vec<NewLog>,
}

/// What only some spans have.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// Its attributes.
    #[serde(default)]
    pub attributes: Attributes,
    /// `{time, name, attributes}`, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Value>,
    /// `{trace, span, attributes}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Value>,
    /// The status message.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The sender's `tracestate`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub state: String,
    /// Attributes, events and links that are not here, because the sender or the gate left them out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped: u64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// A span as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredSpan {
    /// Its trace.
    pub trace: RunId,
    /// Its id.
    pub span: SpanId,
    /// The span above.
    pub parent: Option<SpanId>,
    /// Whose word it is.
    pub origin: SpanOrigin,
    /// Whose credentials brought it; empty: the gate itself.
    pub reporter: String,
    /// Its name, as the sender wrote it.
    pub name: String,
    /// OpenTelemetry's kind, or what a span of the gate stands for.
    pub kind: String,
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Option<Timestamp>,
    /// `error.type`.
    pub error: Option<String>,
    /// The model that was called.
    pub model: Option<String>,
    /// Tokens and cost.
    pub usage: Option<Usage>,
    /// Whether these are in the trace's sums.
    pub counts: bool,
    /// The resource's attributes.
    pub resource: Arc<Attributes>,
    /// The instrumentation.
    pub scope: Arc<Attributes>,
    /// Attributes, events and links.
    #[serde(flatten)]
    pub body: Body,
}

/// A log record as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredLog {
    /// Its trace.
    pub trace: RunId,
    /// The span that it belongs to.
    pub span: Option<SpanId>,
    /// Whose credentials brought it.
    pub reporter: String,
    /// When.
    pub time: Timestamp,
    /// Such as `INFO`.
    pub severity: String,
    /// The event's name.
    pub event: Option<String>,
    /// What it says.
    pub body: Value,
    /// Its attributes.
    pub attributes: Attributes,
}

/// A trace, as searches find it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TraceRow {
    /// Its id: the run's, where the gate knows one.
    pub trace: RunId,
    /// Its tenant.
    pub tenant: String,
    /// Whether the gate knows a run of this id.
    pub run: bool,
    /// The caller's own trace, where the run has another id.
    pub caller: Option<RunId>,
    /// Whose run it is.
    pub principal: Option<String>,
    /// The conversation that it is part of.
    pub conversation: Option<String>,
    /// When it began.
    pub started: Timestamp,
    /// When something last happened.
    pub last: Timestamp,
    /// Spans that were reported.
    pub reported: u64,
    /// Logs that were reported.
    pub logs: u64,
}

/// How much a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Traces.
    pub traces: u64,
    /// Spans.
    pub spans: u64,
    /// Bytes on the disk.
    pub bytes: u64,
}

/// Counts by name.
pub type Counts = BTreeMap<String, u64>;

/// A trace store. Clones are the same store.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    queue: Queue,
    reader: Reader,
}

impl Store {
    /// Open a store, or begin one.
    ///
    /// # Errors
    /// [`StoreError`] if there is something else in its place, or the disk refuses.
    pub fn open(options: StoreOptions) -> Result<Self, StoreError> {
        let conn = begin(&options)?;
        let reader = Reader::of(&options.path);
        let queue = Queue::start(conn, options)?;
        Ok(Self(Arc::new(Inner { queue, reader })))
    }

    /// The reading side.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.0.reader
    }

    /// Finish what was handed in, and close.
    pub async fn close(&self) {
        self.0.queue.close().await;
    }
}

fn begin(options: &StoreOptions) -> Result<Connection, StoreError> {
    let path = &options.path;
    let shown = || path.display().to_string();
    let refused = |e: std::io::Error| StoreError::File {
        path: shown(),
        reason: format!("{e}; give this user the right to write there"),
    };
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(refused)?;
    }
    let writing = WriteOptions {
        synchronous: match options.sync {
            true => Synchronous::Full,
            false => Synchronous::Off,
        },
        cache_kib: 65_536,
        busy: BUSY,
        auto_checkpoint: 0,
    };
    let conn = sqlite::open_store(path, &schema::FORMAT, &writing).map_err(|e| match e {
        OpenError::File(e) => refused(e),
        OpenError::Sqlite(e) => StoreError::sqlite(path, &e),
        OpenError::Foreign => StoreError::File {
            path: shown(),
            reason: "this is a database of another program; move it away".into(),
        },
        OpenError::Newer { found, known } => StoreError::Newer {
            path: shown(),
            found,
            known,
        },
    })?;
    let erase = || {
        conn.pragma_update(None, "foreign_keys", true)?;
        conn.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))
    };
    erase().map_err(|e| StoreError::sqlite(path, &e))?;
    Ok(conn)
}

/// A span's id as a column has it.
pub(crate) fn key(span: SpanId) -> i64 {
    i64::from_be_bytes(*span.as_bytes())
}

/// The span whose id a column has.
pub(crate) fn span_of(key: i64) -> SpanId {
    SpanId::from_bytes(key.to_be_bytes())
}
