//! The trace store for commands.

use tollgate::config::Config;
use tollgate_ledger::LedgerReader;
use tollgate_trace::{
    projector,
    store::{Reader, Store, StoreOptions},
};

pub(super) use crate::commands::reported::reader;
use crate::error::Failure;

/// The trace store, after all records of the ledger were projected into it.
pub(super) async fn caught_up(config: &Config, ledger: &LedgerReader) -> Result<Reader, Failure> {
    let store = Store::open(StoreOptions::for_ledger(&config.store.path))?;
    let done = projector::catch_up(&store, ledger).await;
    let reader = store.reader().clone();
    store.close().await;
    done.map_err(|e| Failure::plain(e.to_string()))?;
    Ok(reader)
}
