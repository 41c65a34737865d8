//! What ends a call from outside: its time on the wall clock, a halt, a fault of the host.

use std::{
    future::{pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
    time::Duration,
};

use tokio::sync::watch;

/// What came first.
pub(crate) enum Ending<T> {
    Returned(T),
    Timeout,
    Halted,
    Panicked,
}

/// `work`, unless it takes longer than `wall` or is halted. A panic is an end like others: what panicked
/// is dropped, and with it everything that it held.
pub(crate) async fn with_deadline<T>(
    work: impl Future<Output = T>,
    wall: Duration,
    halted: watch::Receiver<bool>,
) -> Ending<T> {
    let mut work = pin!(work);
    let caught = poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
            Ok(Poll::Ready(output)) => Poll::Ready(Ending::Returned(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(Ending::Panicked),
        },
    );
    tokio::select! {
        biased;
        () = halt(halted) => Ending::Halted,
        ended = tokio::time::timeout(wall, caught) => ended.unwrap_or(Ending::Timeout),
    }
}

/// Wait until it is true.
pub(crate) async fn halt(mut halted: watch::Receiver<bool>) {
    if halted.wait_for(|halted| *halted).await.is_err() {
        // No sender is left, so no halt can come.
        pending::<()>().await;
    }
}
