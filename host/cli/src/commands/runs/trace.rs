//! The trace store, as commands read it.

use tollgate::{config::Config, ledger::LedgerReader};
use tollgate_trace::{
    projector,
    store::{Reader, Store, StoreOptions},
};

use crate::failure::Failure;

/// The trace store as it is; `None` where there is none yet.
pub(super) fn reader(config: &Config) -> Result<Option<Reader>, Failure> {
    let options = StoreOptions::beside(&config.store.path);
    Ok(Reader::open(&options.path)?)
}

/// The trace store with everything in it that the ledger has.
pub(super) async fn caught_up(config: &Config, ledger: &LedgerReader) -> Result<Reader, Failure> {
    let store = Store::open(StoreOptions::beside(&config.store.path))?;
    let done = projector::catch_up(&store, ledger).await;
    let reader = store.reader().clone();
    store.close().await;
    done.map_err(|e| Failure::plain(e.to_string()))?;
    Ok(reader)
}
