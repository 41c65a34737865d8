use serde_json::json;

use super::*;

#[test]
fn a_list_ends_where_enough_is_counted() {
    let mut list = List::default();
    let started = std::time::Instant::now();
    list.add(vec![json!({"name": "a"}), json!({"name": "a"})])
        .unwrap();
    assert_eq!(list.entries.len(), 2);
    list.add(vec![
        json!({"name": "a"}),
        json!({"name": "b"}),
        json!({"name": "b"}),
    ])
    .unwrap();
    assert_eq!(list.entries.len(), 3);
    list.add((0..1_000_000).map(Value::from).collect()).unwrap();
    assert_eq!(list.entries.len(), MAX_LISTED + 1);
    assert!(list.is_full() && started.elapsed() < Duration::from_secs(5));
    let mut list = List::default();
    assert!(list.add(vec![json!("x".repeat(MAX_LIST))]).is_err());
}

#[test]
fn an_entry_that_cannot_be_read_is_shown_and_others_as_they_are_configured() {
    let carried = CarriedFeatures {
        elicitation: false,
        instructions: false,
        prompts: tollgate::config::Selection::Named(["a".to_owned()].into()),
        resources: tollgate::config::Selection::Named(["note:*".to_owned()].into()),
    };
    for (kind, entry, expected) in [
        (Kind::Prompts, json!({"name": "a"}), true),
        (Kind::Prompts, json!({"name": "b"}), false),
        (Kind::Prompts, json!({"name": 7}), true),
        (Kind::Resources, json!({"uri": "NOTE:a"}), true),
        (Kind::Resources, json!({"uri": "file:///a"}), false),
        (Kind::Resources, json!({"uri": "\n"}), true),
    ] {
        assert_eq!(is_carried(kind, &entry, &carried), expected, "{entry}");
    }
}
