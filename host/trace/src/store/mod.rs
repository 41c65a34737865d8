//! The trace store: one SQLite file next to the ledger's, with a writer and a quota of its own.
//!
//! Acknowledged data is durable. Spans of the gate, and reported spans of different senders, never replace each other.
//! A later version of a span from the same sender replaces the earlier one.
//!
//! | file | contents |
//! |---|---|
//! | `writer` | the writer thread, with group commit |
//! | `ingest` | storing of spans and logs |
//! | `source` | reporters, resources and scopes |
//! | `facets` | searchable values of traces |
//! | `read`, `find`, `usage` | [`Reader`]: traces, searches, sums |
//! | `forget` | retention |
//! | `annotations` | notes, sets and feedback |
//! | `self_report` | self-reports of agents |
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
    /// The largest size in bytes; reports beyond it are rejected.
    pub quota: u64,
    /// Spans that one reporter may store in one trace, and as many logs.
    pub trace_limit: u64,
    /// The most bytes of those.
    pub trace_bytes: u64,
    /// Whether every commit is synced to the disk; `false` is for measurements.
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
        /// The error, and what to do.
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
    /// It does not exist.
    #[error("there is no {what} `{name}`")]
    NotFound {
        /// The kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The request is not valid.
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

/// The origin of a span.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum SpanOrigin {
    /// The gate's own, made from the ledger's records.
    Gate,
    /// Reported by an agent, or by a user for it.
    Reported,
}

tollgate_model::named!(SpanOrigin);

impl SpanOrigin {
    pub(crate) const fn column(self) -> i64 {
        match self {
            Self::Gate => 0,
            Self::Reported => 1,
        }
    }

    fn of_column(column: i64) -> Self {
        match column == Self::Gate.column() {
            true => Self::Gate,
            false => Self::Reported,
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
    /// The parent.
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
    /// Whether these are added to the trace's sums. A span of an agent is a sum itself and is not added again.
    pub counts: bool,
    /// The reported conversation.
    pub conversation: Option<String>,
    /// Facets for its trace.
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
    /// The session of the trace, if the log has no trace id.
    pub conversation: Option<String>,
    /// `{"body": .., "attributes": {..}}`.
    pub body: String,
    /// Identifies the log when it is sent again.
    pub digest: [u8; 16],
}

/// Spans and logs of one request from one source.
#[derive(Debug, Default)]
pub struct Report {
    /// The source.
    pub source: Source,
    /// Spans; of each the latest version last. Grouping by trace is cheaper.
    pub spans: Vec<NewSpan>,
    /// Logs; grouping by trace is cheaper.
    pub logs: Vec<NewLog>,
}

/// The attributes, events and links of a span.
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
    /// Attributes, events and links that the sender or the gate has dropped.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped: u64,
}

impl Body {
    /// As a column holds it.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub(crate) fn to_column(&self) -> rusqlite::Result<String> {
        serde_json::to_string(self)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
    }

    /// The one in a column.
    ///
    /// # Errors
    /// It is not one.
    pub(crate) fn of_column(text: &str) -> rusqlite::Result<Self> {
        serde_json::from_str(text).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into())
        })
    }
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// A stored span.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredSpan {
    /// Its trace.
    pub trace: RunId,
    /// Its id.
    pub span: SpanId,
    /// The parent.
    pub parent: Option<SpanId>,
    /// Its origin.
    pub origin: SpanOrigin,
    /// The authenticated sender; empty for the gate itself.
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

/// A stored log record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredLog {
    /// Its trace.
    pub trace: RunId,
    /// The span that it belongs to.
    pub span: Option<SpanId>,
    /// The authenticated sender.
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
    /// Its id, which is the run's if there is a run.
    pub trace: RunId,
    /// Its tenant.
    pub tenant: String,
    /// Whether there is a run with this id.
    pub run: bool,
    /// The caller's own trace, if the run has another id.
    pub caller: Option<RunId>,
    /// The principal of the run.
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

/// The size of a store.
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
    /// Opens a store, or creates one.
    ///
    /// # Errors
    /// [`StoreError`] if the file is not a trace store, or an error of the disk.
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

    /// Finishes queued work, and closes.
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

/// The column value of a span id.
pub(crate) fn key(span: SpanId) -> i64 {
    i64::from_be_bytes(*span.as_bytes())
}

/// The span id of a column value.
pub(crate) fn span_of(key: i64) -> SpanId {
    SpanId::from_bytes(key.to_be_bytes())
}
