//! Turns: decisions that are made again because others came first.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Mutex, MutexGuard};

/// Decisions that depend on different things rarely wait for each other.
const STRIPES: usize = 256;

/// Who decides again first. Those that wait have their turns in the order in which they came.
#[derive(Debug)]
pub(crate) struct Turns([Stripe; STRIPES]);

#[derive(Debug, Default)]
struct Stripe {
    turn: Mutex<()>,
    /// Decisions that are made again, and have or wait for their turn.
    again: AtomicUsize,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    _guard: MutexGuard<'a, ()>,
    _again: Option<AgainCount<'a>>,
}

/// Counts a decision that is made again.
#[derive(Debug)]
struct AgainCount<'a>(&'a AtomicUsize);

impl<'a> AgainCount<'a> {
    fn new(again: &'a AtomicUsize) -> Self {
        again.fetch_add(1, Ordering::Relaxed);
        Self(again)
    }
}

impl Drop for AgainCount<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Stripe::default()))
    }
}

impl Turns {
    /// Waits for a turn to decide again, among decisions that depend on the same run or series.
    pub(crate) async fn take(&self, id: &[u8; 16]) -> Turn<'_> {
        let stripe = self.stripe(id);
        let again = AgainCount::new(&stripe.again);
        Turn {
            _guard: stripe.turn.lock().await,
            _again: Some(again),
        }
    }

    /// Waits for a turn if a decision that depends on one of these runs and series is made again now. Those that come
    /// later would otherwise be first again and again.
    pub(crate) async fn take_if_contended(
        &self,
        ids: impl Iterator<Item = &[u8; 16]>,
    ) -> Option<Turn<'_>> {
        let mut stripes = ids.map(|id| self.stripe(id));
        let contended = stripes.find(|stripe| stripe.again.load(Ordering::Relaxed) > 0)?;
        Some(Turn {
            _guard: contended.turn.lock().await,
            _again: None,
        })
    }

    fn stripe(&self, id: &[u8; 16]) -> &Stripe {
        let [.., last] = *id;
        let [first, ..] = &self.0;
        self.0.get(usize::from(last) % STRIPES).unwrap_or(first)
    }
}

#[cfg(test)]
mod tests;
