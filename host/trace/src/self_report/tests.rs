use serde_json::json;

use super::*;

const AT: Timestamp = Timestamp(1);

#[test]
fn self_reports_are_read_cut_and_cleaned() {
    let reports = read(
        &json!({
            "request": "refund\u{202e} me",
            "context": ["a", {"doc": 7}],
            "end_state": {"open": 0},
            "model": "m-1",
            "result": null,
            "summary": "x".repeat(10_000),
        }),
        None,
        AT,
    )
    .unwrap();
    let texts: Vec<_> = reports.iter().map(|t| (t.topic, t.text.as_str())).collect();
    assert!(texts.contains(&(SelfReportTopic::Request, "refund\\u{202e} me")));
    assert!(texts.contains(&(SelfReportTopic::Context, "a")));
    assert!(texts.contains(&(SelfReportTopic::Context, "{\"doc\":7}")));
    assert!(texts.contains(&(SelfReportTopic::EndState, "{\"open\":0}")));
    assert_eq!(texts.len(), 6, "null tells nothing");
    assert!(reports.iter().all(|t| t.cut().len() <= MAX_TEXT));
}

#[test]
fn what_has_no_meaning_is_named() {
    let error = |value| read(&value, None, AT).unwrap_err();
    assert_eq!(error(json!([])), SelfReportError::NoObject);
    assert_eq!(
        error(json!({"reqest": "x"})).to_string(),
        "`/reqest` is not a topic of self-reports; did you mean `request`?"
    );
    assert_eq!(
        error(json!({"model": 7})),
        SelfReportError::NoText {
            key: "model".into()
        }
    );
    let many: Vec<_> = (0..=MAX_REPORTS).collect();
    assert_eq!(error(json!({"context": many})), SelfReportError::TooMuch);
}

#[test]
fn every_topic_is_named_once() {
    for topic in SelfReportTopic::ALL {
        assert_eq!(SelfReportTopic::from_name(topic.as_str()), Some(*topic));
        assert_eq!(serde_json::to_value(topic).unwrap(), topic.as_str());
    }
}
