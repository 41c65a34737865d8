//! What concerns traces beyond the ledger.

pub mod run;
pub mod told;
