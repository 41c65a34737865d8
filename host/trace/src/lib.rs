//! Traces beyond the ledger: telemetry and self-reports of agents, annotations of users, and search over both.
//!
//! The ledger remains the record of what the gate decided. Nothing here changes it, and nothing here can delay or fail
//! a decision. The part of the trace store that comes from the ledger can be rebuilt from it.
//!
//! | module | contents |
//! |---|---|
//! | `store` | [`store::Store`]: the database file next to the ledger, its one writer, its readers |
//! | `projector` | copies the gate's own spans into the store |
//! | `ingest` | OTLP reports, converted for storing |
//! | `export` | the gate's spans, sent to collectors |
//! | `capture` | cleaning of reports |
//! | `merged_tree` | reported spans and the gate's as one tree |
//! | `conventions` | the meaning of attributes across instrumentations |
//! | `usage` | tokens and cost of a model call |
//! | `run` | a run as steps: failures, comparison, incident report |
//! | `session` | sessions of agents that send no trace id |
//! | `search` | search for runs |
//! | `self_report`, `feedback` | self-reports of agents, and feedback of users |
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

/// The instrumentation scope of the gate's exports. Reports with this scope are the gate's own spans.
pub use tollgate_model::span::names::resource::SCOPE;
