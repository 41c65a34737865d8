use serde_json::json;

use super::*;

#[test]
fn reported_attributes_cannot_pass_for_the_gates() {
    let given = json!({"tollgate.decision.outcome": "allow", "tollgate": 1, "a.tollgate.b": 2, "gen_ai.system": "x"});
    let serde_json::Value::Object(given) = given else {
        unreachable!()
    };
    let kept = serde_json::Value::Object(renamed(given));
    assert_eq!(
        kept,
        json!({"reported.tollgate.decision.outcome": "allow", "tollgate": 1, "a.tollgate.b": 2, "gen_ai.system": "x"})
    );
}
