use super::*;

#[test]
fn what_is_saved_is_there_when_it_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("export.db");
    let run = |n| RunId::from_bytes([n; 16]);
    let state = State {
        next: 7,
        sent: 5,
        rejected: 1,
        acknowledged: Some(Timestamp(9)),
        failing: Some("cannot connect".into()),
        failing_since: Some(Timestamp(8)),
    };
    let begun = Roots {
        begun: vec![run(1), run(2), run(3)],
        sent: Vec::new(),
    };
    let mut states = States::open(&path).unwrap();
    states.save("a", &state, &begun).unwrap();
    let sent = Roots {
        begun: Vec::new(),
        sent: vec![run(2)],
    };
    states.save("a", &state, &sent).unwrap();
    drop(states);
    let states = States::open(&path).unwrap();
    assert_eq!(states.load("a").unwrap(), Some(state));
    assert_eq!(states.load("b").unwrap(), None);
    assert_eq!(states.open_roots("a", None, 10).unwrap(), [run(1), run(3)]);
    assert_eq!(states.open_roots("a", Some(run(1)), 10).unwrap(), [run(3)]);
    assert!(states.open_roots("b", None, 10).unwrap().is_empty());
}
