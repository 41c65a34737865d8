use serde_json::json;

use super::*;

fn parse(result: Value) -> Result<RequiredInput, String> {
    RequiredInput::parse(&result)
}

#[test]
fn questions_are_read_with_their_keys_and_the_state() {
    let question = json!({"message": "Why?", "requestedSchema": {"type": "object"}});
    let result = json!({
        "resultType": "input_required",
        "inputRequests": {"a": {"method": "elicitation/create", "params": question}},
        "requestState": "opaque",
    });
    assert!(is_input_required(&result));
    let required = parse(result).unwrap();
    assert_eq!(required.questions, BTreeMap::from([("a".into(), question)]));
    assert_eq!(required.state.as_deref(), Some("opaque"));
}

#[test]
fn what_is_not_a_question_to_a_person_is_refused() {
    let result = |requests: Value| json!({"inputRequests": requests});
    let sampling = json!({"s": {"method": "sampling/createMessage", "params": {}}});
    assert!(parse(result(sampling)).unwrap_err().contains("sampling"));
    assert!(parse(result(json!({"r": {"method": "roots/list"}}))).is_err());
    assert!(parse(result(json!([]))).is_err());
    assert!(parse(json!({})).is_err(), "neither questions nor state");
    assert!(parse(json!({"requestState": 7})).is_err());
    let question = json!({"method": "elicitation/create"});
    let many: Map<String, Value> = (0..9).map(|n| (n.to_string(), question.clone())).collect();
    assert!(parse(result(many.into())).is_err());
    let long = "s".repeat(MAX_STATE + 1);
    assert!(parse(json!({"requestState": long})).is_err());
}
