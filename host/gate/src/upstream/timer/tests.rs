use std::time::Duration;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_time_of_a_call_stands_still_while_a_person_is_asked() {
    let begun = Instant::now();
    let mut state = TimerState {
        deadline: begun + 10 * SECOND,
        waits: 0,
        since: begun,
    };
    state.begin_wait(begun + SECOND);
    // They overlap, and their time counts once.
    state.begin_wait(begun + 21 * SECOND);
    state.end_wait(begun + 41 * SECOND);
    assert_eq!((state.waits, state.deadline), (1, begun + 10 * SECOND));
    state.end_wait(begun + 61 * SECOND);
    assert_eq!((state.waits, state.deadline), (0, begun + 70 * SECOND));
    state.begin_wait(begun + 62 * SECOND);
    state.end_wait(begun + 63 * SECOND);
    assert_eq!(state.deadline, begun + 71 * SECOND);
}

#[tokio::test]
async fn a_call_whose_time_was_up_before_waits_for_its_person() {
    let timer = CallTimer::new(Duration::ZERO);
    let pause = timer.pause();
    let expired = timer.expired(Duration::ZERO);
    tokio::pin!(expired);
    let early = futures_poll(expired.as_mut()).await;
    assert!(!early, "it stands still");
    drop(pause);
    timer.running().await;
    expired.await;
}

/// Whether the future is ready at once.
async fn futures_poll(future: impl Future<Output = ()>) -> bool {
    tokio::select! {
        biased;
        () = future => true,
        () = std::future::ready(()) => false,
    }
}
