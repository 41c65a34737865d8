//! Traces beyond the ledger: what agents report of their own work, what people say about runs, and the
//! search over both.
//!
//! The ledger stays the truth about what the gate decided: nothing here changes it, and nothing here can
//! hold up or fail a decision. Everything in the trace store that comes from the ledger can be made again
//! from it.
//!
//! | module | what it settles |
//! |---|---|
//! | `store` | [`store::Store`]: the database file next to the ledger, its one writer, its readers |
//! | `projector` | how the gate's own spans get there |
//! | `ingest` | what OTLP senders report, made fit to be stored |
//! | `export` | the gate's spans, sent to collectors |
//! | `capture` | what of it is kept |
//! | `merged_tree` | reported spans and the gate's as one tree |
//! | `conventions` | what attributes mean, whichever instrumentation named them |
//! | `usage` | tokens and cost of a call of a model |
//! | `run` | a run as steps: where it failed, how two of them differ, the view as a case |
//! | `session` | sessions of agents that send no trace id |
//! | `search` | runs by what is in them |
//! | `self_report`, `feedback` | what agents tell about their runs, and what is said afterwards |
//! | `file_export` | a run as a file that other programs read |

pub mod capture;
pub mod conventions;
pub mod export;
pub mod feedback;
pub mod file_export;
pub mod ingest;
mod low_priority;
pub mod merged_tree;
pub mod projector;
pub mod run;
pub mod search;
pub mod self_report;
pub mod session;
pub mod store;
mod usage;

/// The instrumentation scope of what the gate exports: what comes in with it has come back.
pub use tollgate_model::span::names::resource::SCOPE;
