//! Ends of a call from outside: the wall clock, a halt, a panic of the host.

use std::{
    future::{pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
    time::Duration,
};

use tokio::sync::watch;

/// The first of: the work returned, its time was up, its run was halted, it panicked.
pub(crate) enum DeadlineOutcome<T> {
    Returned(T),
    Timeout,
    Halted,
    Panicked,
}

/// Runs `work` unless it takes longer than `wall` or is halted. A panic counts as an end: the work is
/// dropped with everything that it holds.
pub(crate) async fn with_deadline<T>(
    work: impl Future<Output = T>,
    wall: Duration,
    halted: watch::Receiver<bool>,
) -> DeadlineOutcome<T> {
    let mut work = pin!(work);
    let caught = poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
            Ok(Poll::Ready(output)) => Poll::Ready(DeadlineOutcome::Returned(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(DeadlineOutcome::Panicked),
        },
    );
    tokio::select! {
        biased;
        () = halt(halted) => DeadlineOutcome::Halted,
        ended = tokio::time::timeout(wall, caught) => ended.unwrap_or(DeadlineOutcome::Timeout),
    }
}

/// Waits until it is true.
pub(crate) async fn halt(mut halted: watch::Receiver<bool>) {
    if halted.wait_for(|halted| *halted).await.is_err() {
        // No sender is left, so no halt can come.
        pending::<()>().await;
    }
}
