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
pub(super) enum Raced<T> {
    Returned(T),
    Timeout,
    Halted,
    Panicked,
}

/// `work`, unless it takes longer than `wall` or is halted. A panic is an end like others: what panicked
/// is dropped, and with it everything that it held.
pub(super) async fn race<T>(
    work: impl Future<Output = T>,
    wall: Duration,
    halted: watch::Receiver<bool>,
) -> Raced<T> {
    let mut work = pin!(work);
    let caught = poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
            Ok(Poll::Ready(output)) => Poll::Ready(Raced::Returned(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(Raced::Panicked),
        },
    );
    tokio::select! {
        biased;
        () = halt(halted) => Raced::Halted,
        ended = tokio::time::timeout(wall, caught) => ended.unwrap_or(Raced::Timeout),
    }
}

/// Wait until it is true.
pub(super) async fn halt(mut halted: watch::Receiver<bool>) {
    if halted.wait_for(|halted| *halted).await.is_err() {
        // Nobody is left who could halt it.
        pending::<()>().await;
    }
}
