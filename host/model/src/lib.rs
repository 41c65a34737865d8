//! The data model of Tollgate: ids, time, entities, requests, decisions, records, the life of calls and
//! approvals, run state, and the projection of records to spans.
//!
//! Pure: this crate reads no clock, draws no randomness, opens no files, and uses neither network nor
//! database. It knows neither Cedar nor SQL.

#[macro_use]
mod named;

pub mod admission;
pub mod backoff;
pub mod canonical;
pub mod capture;
pub mod decision;
pub mod edit;
pub mod entity;
pub mod history;
pub mod ids;
pub mod latency_ewma;
mod leaf;
pub mod life;
pub mod merkle;
pub mod provenance;
pub mod record;
pub mod redaction;
pub mod request;
pub mod run;
pub mod settings;
pub mod span;
pub mod standing;
pub mod text;
pub mod time;
pub mod tool;
pub mod two_generation_cache;
pub mod uri;
