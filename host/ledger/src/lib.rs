//! The ledger: the append-only record of every decision, start, outcome, approval and administrative action, and
//! the read models that are built from it in the same transaction.
//!
//! Nothing is acknowledged before it is durable. A batch is committed whole or not at all, and only if its
//! conditions still hold. The ledger decides nothing: it does not know policies.
//!
//! | module | contents |
//! |---|---|
//! | `ledger` | [`Ledger`], the owner's handle |
//! | `batch`, `receipt` | records that are committed together, and the proof that they are |
//! | `group_commit`, `writer` | when and where commits happen; the commit itself; failing disks |
//! | `state` | the effect of each record on the read models, and the transitions that are not allowed |
//! | `cache`, `cached_run`, `usage_window`, `series` | recently active runs, principals and series of facts in memory |
//! | `component_state` | state of components |
//! | `read` | [`LedgerReader`]: look-ups, lists, traces, verification |
//! | `open`, `schema`, `anchor`, `disk_reserve` | ownership, format, rollback detection, space for outcomes
//! |
//! | `keys`, `amount_place` | keyed digests, masked amounts and sealed payloads |
//! | `upstream_logins` | users' logins to upstream servers, sealed |
//! | `lifecycle`, `open_calls` | what a crash or the passage of time leaves to be recorded |
//! | [`checkpoint`] | signed checkpoints and proofs that strangers can check |
//! | `durable_file` | files that are replaced whole |
//! | `admin`, `backup` | bundles, tokens, cursors, rebuilding, copies |
//! | `sqlite` | SQLite as all stores of Tollgate use it |

mod admin;
mod amount_place;
mod anchor;
mod backup;
mod batch;
mod cache;
mod cached_run;
mod chain;
pub mod checkpoint;
mod columns;
mod component_state;
mod disk_reserve;
pub mod durable_file;
mod error;
mod group_commit;
mod keys;
mod ledger;
mod lifecycle;
mod open;
mod open_calls;
mod options;
mod payload;
mod read;
mod receipt;
mod rows;
mod schema;
mod series;
pub mod sqlite;
mod sqlite_error;
mod state;
mod sync;
mod upstream_logins;
mod usage_window;
mod writer;

#[cfg(test)]
mod tests;

pub use admin::{SameName, SignatureUse, UsedSignature};
pub use amount_place::AmountPlace;
pub use backup::{Restore, RestoreReport};
pub use batch::{Batch, Condition, HaltKeys, PendingApprovals};
pub use component_state::{
    NewState, Precondition, StateEntry, StateLimits, StateNamespace, StateUpdate, StateUpdateResult,
};
pub use error::{CommitError, LedgerError};
pub use keys::Keys;
pub use ledger::Ledger;
pub use lifecycle::{IdleLimits, RecoveredCall, SweepReport};
pub use options::{LedgerOptions, Sync};
pub use payload::Payload;
pub use read::{
    ApprovalFilter, ApprovalLink, ApprovalLinkFilter, LastRefusal, LedgerReader, Order,
    RecordFilter, RunFilter, SealedDay, StandingFilter, Verification,
};
pub use receipt::Receipt;
pub use rows::{
    ApprovalAnswer, ApprovalRow, Binding, EarlierRejection, EditedCall, Run, RunRow, Size, SpanRow,
    StandingRow, Token,
};
pub use upstream_logins::{Login, LoginKey, LoginTerms, LoginUpdate, SealedLogin};
pub use usage_window::{Window, WindowUsage};
