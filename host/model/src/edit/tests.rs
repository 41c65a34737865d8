use serde_json::json;

use super::*;

#[test]
fn only_what_differs_is_named() {
    let before = json!({ "a": 1, "b": { "c": [1, 2], "d/e": "x" }, "gone": null });
    let after = json!({ "a": 1.0, "b": { "c": [1, 3, 4], "d/e": "y" }, "new": { "f": 1 } });
    let changed: Vec<String> = changes(&before, &after).into_iter().collect();
    assert_eq!(changed, ["/b/c/1", "/b/c/2", "/b/d~1e", "/gone", "/new"]);
    assert!(changes(&before, &before).is_empty());
}

#[test]
fn another_kind_of_value_is_a_change() {
    for (a, b) in [
        (json!({ "a": 1 }), json!({ "a": "1" })),
        (json!({ "a": [] }), json!({ "a": {} })),
        (json!({ "a": "x" }), json!({ "a": "х" })),
    ] {
        assert_eq!(changes(&a, &b).into_iter().collect::<Vec<_>>(), ["/a"]);
    }
}
