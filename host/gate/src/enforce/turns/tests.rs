//! Turns.

use std::task::{Context, Poll, Waker};

use super::*;

#[tokio::test]
async fn those_that_come_later_wait_for_those_that_decide_again() {
    let turns = Turns::default();
    let (one, other, free) = ([1; 16], [2; 16], [3; 16]);
    let newcomer = |ids: &'static [u8]| {
        let ids: Vec<[u8; 16]> = ids.iter().map(|id| [*id; 16]).collect();
        let turns = &turns;
        async move { turns.take_if_contended(ids.iter()).await }
    };
    assert!(newcomer(&[1, 2]).await.is_none());
    let again = turns.take(&other).await;
    assert!(
        turns
            .take_if_contended([&free, &one].into_iter())
            .await
            .is_none()
    );
    let mut waiting = Box::pin(newcomer(&[1, 2]));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(waiting.as_mut().poll(&mut cx).is_pending());
    drop(again);
    let Poll::Ready(Some(turn)) = waiting.as_mut().poll(&mut cx) else {
        panic!("it is the newcomer's turn");
    };
    // Newcomers alone hold up no one.
    assert!(newcomer(&[1, 2]).await.is_none());
    drop(turn);
}
