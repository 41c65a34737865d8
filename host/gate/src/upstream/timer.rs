//! The time of a call, which stands still while a person is asked.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};

/// The time that is left of a call. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct CallTimer(Arc<watch::Sender<TimerState>>);

#[derive(Debug, Clone, Copy)]
struct TimerState {
    deadline: Instant,
    /// How many questions wait for a person, and since when at least one does.
    waits: u32,
    since: Instant,
}

impl TimerState {
    fn begin_wait(&mut self, now: Instant) {
        if self.waits == 0 {
            self.since = now;
        }
        self.waits = self.waits.saturating_add(1);
    }

    /// The time of waits that overlap counts once.
    fn end_wait(&mut self, now: Instant) {
        self.waits = self.waits.saturating_sub(1);
        if self.waits == 0 {
            self.deadline += now.saturating_duration_since(self.since);
        }
    }
}

/// Keeps the time of a call standing until it is dropped.
#[derive(Debug)]
pub(crate) struct TimerPause(CallTimer);

impl CallTimer {
    pub(crate) fn new(lasts: Duration) -> Self {
        let now = Instant::now();
        Self(Arc::new(watch::Sender::new(TimerState {
            deadline: now + lasts,
            waits: 0,
            since: now,
        })))
    }

    pub(crate) fn pause(&self) -> TimerPause {
        self.0.send_modify(|state| state.begin_wait(Instant::now()));
        TimerPause(self.clone())
    }

    /// Waits until the time is up, and `grace` after that.
    pub(crate) async fn expired(&self, grace: Duration) {
        let mut changes = self.0.subscribe();
        loop {
            let state = *changes.borrow_and_update();
            let change = changes.changed();
            // The sender is part of this timer, so it is never gone.
            if state.waits > 0 {
                let _ = change.await;
            } else if tokio::time::timeout_at(state.deadline + grace, change)
                .await
                .is_err()
            {
                return;
            }
        }
    }

    /// Waits until no person is asked any more.
    pub(crate) async fn running(&self) {
        let _ = self.0.subscribe().wait_for(|state| state.waits == 0).await;
    }
}

impl Drop for TimerPause {
    fn drop(&mut self) {
        self.0
            .0
            .send_modify(|state| state.end_wait(Instant::now()));
    }
}

#[cfg(test)]
mod tests;
