use rmcp::transport::streamable_http_server::session::SessionManager as _;
use tollgate_model::entity::Kind;

use super::*;

#[tokio::test]
async fn one_agent_s_sessions_are_a_part_of_all() {
    let sessions = Sessions::new(Arc::default(), vec![0]);
    let (loud, calm) = (Uid::new(Kind::Agent, "loud"), Uid::new(Kind::Agent, "calm"));
    let mut kept = Vec::new();
    for _ in 0..MAX_OF_ONE {
        assert!(sessions.has_room(&loud).await);
        let (id, transport) = sessions.open.create_session().await.unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(SESSION, HeaderValue::from_str(&id).unwrap());
        sessions.began(loud.clone(), &headers);
        kept.push((id, transport));
    }
    assert!(!sessions.has_room(&loud).await);
    assert!(sessions.has_room(&calm).await);
    let (id, _) = kept.pop().unwrap();
    sessions.open.close_session(&id).await.unwrap();
    assert!(sessions.has_room(&loud).await, "one has ended");
}

#[test]
fn what_begins_a_session_is_the_message() {
    for (body, begins) in [
        (r#"{"method": "initialize", "id": 1}"#, true),
        (r#"{"method": "\u0069nitialize"}"#, true),
        (r#"{"m\u0065thod": "initialize"}"#, true),
        (r#"{"method": "ping", "method": "initialize"}"#, true),
        (r#"{"method": "tools/list"}"#, false),
        (r#"{"params": {"method": "initialize"}}"#, false),
        ("[]", false),
        ("", false),
    ] {
        assert_eq!(initializes(body.as_bytes()), begins, "{body}");
    }
}
