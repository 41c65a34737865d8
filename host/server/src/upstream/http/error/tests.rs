use std::collections::BTreeMap;

use tollgate::secrets::{SecretConfig, SecretSource};

use super::*;

fn refused(status: u16, body: &str, in_session: bool, headers: &HeaderMap) -> HttpError {
    let secrets = Vault::new(&BTreeMap::new());
    let refusal = Refusal {
        status: StatusCode::from_u16(status).unwrap(),
        headers,
        body,
        in_session,
        credentials: "look at the secret `key`",
        secrets: &secrets,
    };
    refusal.error()
}

#[test]
fn a_session_is_lost_in_each_form_that_servers_have_for_it() {
    let none = HeaderMap::new();
    for (status, body, delivery) in [
        (404, "", Delivery::NotTaken),
        (410, "Gone", Delivery::NotTaken),
        (
            400,
            "Bad Request: No valid session ID provided",
            Delivery::NotTaken,
        ),
        (
            400,
            r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: Server not initialized for session"}}"#,
            Delivery::NotTaken,
        ),
        (400, "Missing session ID", Delivery::NotTaken),
        (422, "session expired", Delivery::NotTaken),
        (500, "Session not found", Delivery::Unknown),
    ] {
        let error = refused(status, body, true, &none);
        assert!(error.session_lost, "{status} {body}");
        assert_eq!(error.delivery, delivery, "{status} {body}");
        assert!(!refused(status, body, false, &none).session_lost);
    }
    assert!(!refused(400, "the id is not valid", true, &none).session_lost);
    assert!(is_session_error(-32001, "Session not found"));
    assert!(!is_session_error(
        -32603,
        "the browser session was not found"
    ));
}

#[tokio::test]
async fn a_servers_words_hold_no_secret_also_where_they_are_cut() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let secret = "S3cr3tValue-0123456789";
    std::fs::write(file.path(), secret).unwrap();
    let config = SecretConfig {
        source: SecretSource::File(file.path().into()),
        labels: None,
    };
    let secrets = Vault::new(&BTreeMap::from([("token".to_owned(), config)]));
    secrets.secret("token").await.unwrap();
    let body = format!("{}{secret}", "x".repeat(MAX_WORDS - 10));
    let refusal = Refusal {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        headers: &HeaderMap::new(),
        body: &body,
        in_session: false,
        credentials: "",
        secrets: &secrets,
    };
    let said = refusal.error().said.unwrap();
    assert!(!said.contains("S3c"), "{said}");
}

#[test]
fn what_a_status_means_is_said() {
    let mut headers = HeaderMap::new();
    headers.insert(header::RETRY_AFTER, "7".parse().unwrap());
    for (status, words, delivery) in [
        (401, "look at the secret `key`", Delivery::NotTaken),
        (429, "again in 7 s", Delivery::NotTaken),
        (503, "again in 7 s", Delivery::Unknown),
        (500, "HTTP 500", Delivery::Unknown),
        (404, "no MCP endpoint", Delivery::NotTaken),
    ] {
        let error = refused(status, "secret words", false, &headers);
        assert!(error.why.contains(words), "{error:?}");
        assert!(!error.why.contains("secret words"));
        assert_eq!(error.delivery, delivery);
    }
    let none = HeaderMap::new();
    assert_eq!(refused(503, "", false, &none).delivery, Delivery::Unknown);
    assert!(refused(429, "", false, &none).why.contains("again later"));
    headers.insert(
        header::RETRY_AFTER,
        "Wed, 21 Oct 2015 07:28:00 GMT".parse().unwrap(),
    );
    assert!(
        refused(429, "", false, &headers)
            .why
            .contains("again in 0 s")
    );
    headers.insert(header::RETRY_AFTER, "soon".parse().unwrap());
    assert!(
        refused(429, "", false, &headers)
            .why
            .contains("again later")
    );
}
