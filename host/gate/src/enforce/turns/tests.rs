//! Turns.

use std::task::{Context, Poll, Waker};

use super::*;

#[tokio::test]
async fn those_that_come_later_wait_for_those_that_decide_again() {
    let turns = Turns::default();
    let (one, other, free) = ([1; 16], [2; 16], [3; 16]);
    assert!(
        turns
            .take_if_contended([&one, &other].into_iter())
            .await
            .is_none()
    );
    let again = turns.take(&other).await;
    assert!(turns.take_if_contended([&free].into_iter()).await.is_none());
    let mut newcomer = std::pin::pin!(turns.take_if_contended([&one, &other].into_iter()));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(newcomer.as_mut().poll(&mut cx).is_pending());
    drop(again);
    assert!(matches!(
        newcomer.as_mut().poll(&mut cx),
        Poll::Ready(Some(_))
    ));
}
