use super::*;

#[test]
fn an_agent_is_one_for_all_its_users() {
    let agent = |user: &str| Caller::Agent {
        name: "support".into(),
        on_behalf_of: Some(user.into()),
    };
    let calls = ConcurrencyLimit::new(2);
    let first = calls.enter(&agent("alice")).unwrap();
    let _second = calls.enter(&agent("bob")).unwrap();
    assert!(calls.enter(&agent("carol")).is_none());
    assert!(calls.enter(&Caller::User("carol".into())).is_some());
    drop(first);
    assert!(calls.enter(&agent("carol")).is_some());
    assert_eq!(
        calls.of.lock().unwrap().len(),
        1,
        "who has none is forgotten"
    );
}
