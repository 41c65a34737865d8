//! Turns: decisions that are made again because others came first.

use tokio::sync::{Mutex, MutexGuard};

/// Decisions that depend on different things rarely wait for each other.
const STRIPES: usize = 256;

/// Who decides again first. Those that wait have their turns in the order in which they came.
#[derive(Debug)]
pub(crate) struct Turns([Mutex<()>; STRIPES]);

impl Default for Turns {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::new(())))
    }
}

impl Turns {
    /// Waits for a turn among decisions that depend on the same run or series.
    pub(crate) async fn take(&self, id: &[u8; 16]) -> MutexGuard<'_, ()> {
        self.stripe(id).lock().await
    }

    /// Waits for a turn among decisions that depend on one of these runs and series, if any of them is made again now.
    /// Those that come later would otherwise be first again and again.
    pub(crate) async fn take_if_contended(
        &self,
        ids: impl Iterator<Item = &[u8; 16]>,
    ) -> Option<MutexGuard<'_, ()>> {
        let mut stripes = ids.map(|id| self.stripe(id));
        let contended = stripes.find(|stripe| stripe.try_lock().is_err())?;
        Some(contended.lock().await)
    }

    fn stripe(&self, id: &[u8; 16]) -> &Mutex<()> {
        let [.., last] = *id;
        let [first, ..] = &self.0;
        self.0.get(usize::from(last) % STRIPES).unwrap_or(first)
    }
}

#[cfg(test)]
mod tests;
