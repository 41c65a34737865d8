//! What calls have added to history facts: from memory, or read from the store.

use tollgate_model::{
    history::{SeriesQuery, SeriesTotals},
    ids::SeriesId,
};

use super::Ledger;
use crate::{LedgerError, series::load};

impl Ledger {
    /// What the entries of a series of a history fact amount to, as of the last commit. A later decision that depends on
    /// it names [`Ledger::size`] of before in its [`Condition::SeriesUnchanged`](crate::Condition::SeriesUnchanged).
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn series_totals(
        &self,
        series: SeriesId,
        query: &SeriesQuery<'_>,
    ) -> Result<SeriesTotals, LedgerError> {
        let shared = &self.0.shared;
        if let Some(totals) = shared.series(|cache| cache.totals(&series, query)) {
            return Ok(totals);
        }
        let reading = shared.series(|cache| cache.begin_reading(series));
        let keys = &self.0.keys;
        let loaded = self.0.reader.snapshot(|conn| load(conn, keys, series));
        let (totals, loaded) = match loaded {
            Ok(loaded) => (Ok(loaded.totals(query)), Some(loaded)),
            Err(error) => (Err(error), None),
        };
        if let Some(reading) = reading {
            shared.series(|cache| cache.end_reading(series, reading, loaded));
        }
        totals
    }

    /// Reads a series of a history fact into memory, so that [`Ledger::series_totals`] does not wait for the store. It is
    /// read once, however many ask for it at the same time.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub async fn load_series(&self, series: SeriesId) -> Result<(), LedgerError> {
        let is_held = || self.0.shared.series(|cache| cache.has(&series));
        if is_held() {
            return Ok(());
        }
        let turn = self.0.shared.series_reading(&series).lock_owned().await;
        if is_held() {
            return Ok(());
        }
        let ledger = self.clone();
        let reading = tokio::task::spawn_blocking(move || {
            // It is this one's turn even if no one waits for it any more.
            let _turn = turn;
            ledger.series_totals(series, &SeriesQuery::default())
        });
        match reading.await {
            Ok(totals) => totals.map(drop),
            Err(_) => Err(LedgerError::Store {
                path: self.0.options.path.display().to_string(),
                reason: "a series of a fact could not be read".into(),
            }),
        }
    }
}

#[cfg(test)]
impl Ledger {
    /// Looks at a series, if it is in memory.
    pub(crate) fn held_series<T>(
        &self,
        id: SeriesId,
        look: impl FnOnce(&tollgate_model::history::Series) -> T,
    ) -> Option<T> {
        self.0.shared.series(|cache| cache.held(&id).map(look))
    }

    /// Reads a series into memory, and does something after it was read and before it is held.
    pub(crate) fn read_series(&self, id: SeriesId, meanwhile: impl FnOnce()) {
        let shared = &self.0.shared;
        let reading = shared.series(|cache| cache.begin_reading(id)).unwrap();
        let keys = &self.0.keys;
        let loaded = self.0.reader.snapshot(|conn| load(conn, keys, id)).unwrap();
        meanwhile();
        shared.series(|cache| cache.end_reading(id, reading, Some(loaded)));
    }
}
