//! Turns: decisions that are made again because others came first.

use tokio::sync::{Mutex, MutexGuard};

/// Decisions that depend on different things rarely wait for each other.
const STRIPES: usize = 64;

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
        let last = usize::from(id.last().copied().unwrap_or_default());
        let [first, ..] = &self.0;
        self.0.get(last % STRIPES).unwrap_or(first).lock().await
    }
}
