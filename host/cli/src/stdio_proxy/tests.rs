use super::*;

fn said(state: &mut State, message: Value) {
    state.note_request(format!("{message}\n").as_bytes());
}

fn answered(state: &mut State, message: Value) -> bool {
    state.note_answer(message.to_string().as_bytes())
}

#[test]
fn the_next_owner_hears_how_it_began_and_the_client_does_not_hear_it_twice() {
    let mut state = State::default();
    assert!(state.replayed().is_empty());
    said(&mut state, json!({"id": 0, "method": "initialize"}));
    assert!(answered(&mut state, json!({"id": 0, "result": {}})));
    said(&mut state, json!({"method": "notifications/initialized"}));
    said(&mut state, json!({"id": "a", "method": "tools/call"}));
    said(&mut state, json!({"id": 2, "method": "tools/list"}));
    let lost = String::from_utf8(state.lost()).unwrap();
    let lost: Vec<Value> = lost
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(lost.len(), 2);
    let call = lost.iter().find(|answer| answer["id"] == "a").unwrap();
    assert_eq!(call["result"]["isError"], true);
    let list = lost.iter().find(|answer| answer["id"] == 2).unwrap();
    assert_eq!(list["error"]["code"], -32603);
    assert_eq!(
        String::from_utf8(state.replayed()).unwrap().lines().count(),
        2
    );
    assert!(
        !answered(&mut state, json!({"id": 0, "result": {}})),
        "again"
    );
    assert!(
        answered(&mut state, json!({"id": 0, "result": {}})),
        "only once"
    );
    assert!(state.lost().is_empty());
}

#[test]
fn what_was_cancelled_is_not_answered() {
    let mut state = State::default();
    said(&mut state, json!({"id": 1, "method": "tools/call"}));
    said(
        &mut state,
        json!({"method": "notifications/cancelled", "params": {"requestId": 1}}),
    );
    assert!(state.lost().is_empty());
}
