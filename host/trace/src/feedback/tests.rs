use serde_json::{from_value, json, to_value};

use super::*;

fn given(value: serde_json::Value) -> Result<NewFeedback, String> {
    let given: FeedbackInput = from_value(value).map_err(|e| e.to_string())?;
    let run = RunId::from_bytes([1; 16]);
    given.of(run, "alice".into()).map_err(|e| e.to_string())
}

#[test]
fn each_kind_has_what_it_needs() {
    for (bad, why) in [
        (
            json!({"kind": "correction"}),
            "correction needs `comment`: what is right",
        ),
        (
            json!({"kind": "correction", "comment": " "}),
            "correction needs `comment`: what is right",
        ),
        (
            json!({"kind": "business_outcome"}),
            "business_outcome needs `label`: the outcome",
        ),
        (
            json!({"kind": "edit_distance"}),
            "edit_distance needs `value`: from 0 to 1",
        ),
        (
            json!({"kind": "edit_distance", "value": 1.5}),
            "`value` of edit_distance is a number from 0 to 1",
        ),
    ] {
        assert_eq!(given(bad).unwrap_err(), why);
    }
    assert!(given(json!({"kind": "applause"})).is_err());
    assert!(given(json!({"kind": "wrong_tool", "stars": 5})).is_err());
    for good in [
        json!({"kind": "correction", "comment": "it was order 7"}),
        json!({"kind": "business_outcome", "label": "resolved", "value": 60.0}),
        json!({"kind": "citation_correctness", "value": 0.5}),
        json!({"kind": "no_evidence_answer"}),
        json!({"kind": "wrong_tool", "label": "crm__read", "span": "0101010101010101"}),
    ] {
        given(good).unwrap();
    }
}

#[test]
fn kinds_are_spelled_as_they_are_stored() {
    for kind in FeedbackKind::ALL {
        assert_eq!(to_value(kind).unwrap(), kind.as_str());
    }
}
