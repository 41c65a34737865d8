use super::*;

fn position(id: &str, retry: u64) -> Position {
    let mut position = Position {
        attempts: 3,
        ..Position::default()
    };
    position.note(&Event {
        id: Some(id.into()),
        retry: Some(retry),
        ..Event::default()
    });
    position
}

#[test]
fn a_stream_is_taken_up_only_where_a_header_can_name_the_place() {
    assert_eq!(position("7", 0).resumable().unwrap(), "7");
    for id in ["", "a\u{7f}", "a\rb"] {
        assert_eq!(position(id, 0).resumable(), None, "{id:?}");
    }
}

#[test]
fn pauses_are_bounded_and_an_event_alone_is_no_progress() {
    let pause = |retry| position("7", retry).pause.unwrap();
    assert_eq!(pause(0), SHORTEST_PAUSE);
    assert_eq!(pause(u64::MAX), LONGEST_PAUSE);
    let mut position = position("7", 0);
    assert_eq!(position.attempts, 3);
    position.progress();
    assert_eq!(position.attempts, 0);
}
