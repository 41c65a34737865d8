use serde_json::json;

use super::*;

fn topics(meta: Value) -> Vec<(SelfReportTopic, String, bool)> {
    let meta: RequestMetaObject = serde_json::from_value(meta).unwrap();
    let call = SpanId::from_bytes([1; 8]);
    let reports = of_meta(&meta, call, Timestamp(1)).into_iter();
    reports
        .map(|t| (t.topic, t.text, t.call == Some(call)))
        .collect()
}

#[test]
fn what_is_reported_with_a_call_is_read() {
    let reports = topics(json!({
        SUMMARY: "look the customer up",
        STATE_DELTA: {"customer": 7},
        SELF_REPORT: {"request": "refund me", "model": "m-1"},
    }));
    assert_eq!(
        reports,
        [
            (
                SelfReportTopic::Summary,
                "look the customer up".into(),
                true
            ),
            (SelfReportTopic::StateDelta, "{\"customer\":7}".into(), true),
            (SelfReportTopic::Request, "refund me".into(), false),
            (SelfReportTopic::Model, "m-1".into(), false),
        ]
    );
}

#[test]
fn what_makes_no_sense_is_left_out() {
    assert_eq!(
        topics(json!({SUMMARY: null, SELF_REPORT: "x", "other": 1})),
        []
    );
    assert_eq!(topics(json!({SELF_REPORT: {"nonsense": 1}})), []);
}
