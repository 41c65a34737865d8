//! Traces beyond the ledger: what agents report of their own work, what people say about runs, and the
//! search over both.
//!
//! The ledger stays the truth about what the gate decided: nothing here changes it, and nothing here can
//! hold up or fail a decision. Everything in the trace store that comes from the ledger can be made again
//! from it.
//!
//! | module | what it settles |
//! |---|---|
//! | `store` | [`store::Store`]: the database file beside the ledger, its one writer, its readers |
//! | `projector` | how the gate's own spans get there |
//! | `otlp_in` | what OTLP senders report, made fit to be stored |
//! | `capture` | what of it is kept |
//! | `usage` | tokens and cost |

pub mod export;
pub mod feedback;
pub mod projector;
pub mod run;
pub mod search;
pub mod store;
pub mod told;
