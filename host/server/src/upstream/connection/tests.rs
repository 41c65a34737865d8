use rmcp::model::{NumberOrString, ProgressToken};
use serde_json::json;

use super::*;

#[test]
fn what_is_the_callers_connections_or_the_gates_own_is_not_passed_on() {
    let given = json!({"progressToken": 1, "io.modelcontextprotocol/clientInfo": {},
        "dev.tollgate/self_report": {"request": "Dear Ada"}, "dev.tollgate/run": "monday",
        "example.com/x": 2, "traceparent": "00-.."});
    let passed = meta(given.as_object().unwrap().clone()).unwrap().0.0;
    let keys: Vec<&String> = passed.keys().collect();
    assert_eq!(keys, ["example.com/x", "traceparent"]);
}

#[tokio::test]
async fn an_answer_comes_before_the_reports_that_wait() {
    let heard = Arc::new(ServerMessages::default());
    let token = ProgressToken(NumberOrString::Number(1));
    heard.report(ProgressNotificationParam::new(token.clone(), 1.0));
    let mut reports = heard.reports(token);
    let stopped = std::future::pending;
    let answered = next(stopped(), std::future::ready(7), &mut reports).await;
    assert!(matches!(answered, CallProgress::Answer(7)), "{answered:?}");
    let waits = next(stopped(), std::future::pending::<u8>(), &mut reports).await;
    assert!(matches!(waits, CallProgress::Report(_)), "{waits:?}");
}

#[test]
fn meta_is_bounded_and_what_is_taken_out_does_not_count() {
    let of = |key: &str, length: usize| {
        let given = json!({ key: "x".repeat(length) });
        meta(given.as_object().unwrap().clone()).is_some()
    };
    assert!(of("example.com/x", MAX_META - 64) && !of("example.com/x", MAX_META));
    assert!(of("dev.tollgate/self_report", 2 * MAX_META));
}
