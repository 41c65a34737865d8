use std::collections::BTreeMap;

use super::*;

#[test]
fn reports_are_bounded() {
    let secrets = Vault::new(&BTreeMap::new());
    let report = |token| {
        let token = ProgressToken(token);
        let mut report = ProgressNotificationParam::new(token, 1.0);
        report.message = Some("é".repeat(2 * MAX_MESSAGE));
        report.meta = Some(Default::default());
        bounded(report, &secrets)
    };
    let cut = report(NumberOrString::Number(1)).unwrap();
    assert_eq!(cut.message.unwrap().chars().count(), MAX_MESSAGE);
    assert_eq!(cut.meta, None);
    assert_eq!(report(NumberOrString::String("long".into())), None);
}

#[tokio::test]
async fn reports_reach_their_call_alone_also_those_that_came_early() {
    let heard = Arc::new(ServerMessages::default());
    let token = |n| ProgressToken(NumberOrString::Number(n));
    let report = |n, progress| ProgressNotificationParam::new(token(n), progress);
    for n in 10..100 {
        heard.report(report(n, 0.0));
    }
    heard.report(report(1, 1.0));
    let mut reports = heard.reports(token(1));
    heard.report(report(2, 5.0));
    heard.report(report(1, 2.0));
    assert_eq!(reports.next().await.unwrap().progress, 1.0);
    assert_eq!(reports.next().await.unwrap().progress, 2.0);
    drop(reports);
    heard.calls(|calls| {
        assert!(calls.listening.is_empty() && calls.early.len() <= MAX_EARLY);
    });
}
