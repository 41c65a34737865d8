use std::{future::poll_fn, pin::pin, task::Poll};

use serde_json::json;

use super::*;

/// Each definition is `allOf` the one before, twice: 2^`levels` evaluations.
fn doubling(levels: usize) -> Value {
    let mut defs = serde_json::Map::new();
    defs.insert("d0".into(), json!({"type": "object"}));
    for n in 1..=levels {
        let before = json!({"$ref": format!("#/$defs/d{}", n - 1)});
        defs.insert(format!("d{n}"), json!({"allOf": [before, before]}));
    }
    json!({"$defs": defs, "$ref": format!("#/$defs/d{levels}")})
}

#[tokio::test]
async fn a_schema_with_references_is_not_evaluated_on_the_worker() {
    let check = SchemaCheck::new(&doubling(10)).unwrap();
    let value = json!({});
    // Off the worker it needs a permit, and on the worker it does not.
    let turns = Arc::clone(&check.turns);
    let taken = turns.acquire_many_owned(u32::try_from(MAX_AT_ONCE).unwrap());
    let taken = taken.await.unwrap();
    let mut checking = pin!(check.check(&value, 2));
    let is_pending = poll_fn(|cx| Poll::Ready(checking.as_mut().poll(cx).is_pending()));
    assert!(is_pending.await, "it was evaluated at once");
    drop(taken);
    assert_eq!(checking.await, Ok(()));
}

#[test]
fn what_multiplies_the_work_is_found_wherever_it_is() {
    assert!(uses_unbounded(&doubling(1)));
    assert!(uses_unbounded(
        &json!({"properties": {"a": {"items": {"pattern": "x"}}}})
    ));
    assert!(!uses_unbounded(
        &json!({"properties": {"a": {"type": "string"}}})
    ));
}

#[tokio::test]
async fn problems_have_their_places() {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    let check = SchemaCheck::new(&schema).unwrap();
    let error = check.check(&json!({"n": "one"}), 11).await.unwrap_err();
    let SchemaError::Mismatch(problems) = &error else {
        panic!("{error}")
    };
    assert_eq!(problems[0].0, "/n");
    assert_eq!(check.check(&json!({"n": 1}), 7).await, Ok(()));
}
