use crate::record::{AdminAction, Event, Record, Status};

fn read(leaf: &str) -> Event {
    Record::from_leaf(leaf.as_bytes()).unwrap().event
}

#[test]
fn old_names_are_read_as_the_new_ones() {
    let leaf = r#"{"call":"0202020202020202","captured":{"class":"private"},"effects":0,"fuel":9,"labels":[],
            "peak_memory":1,"size":0,"span":"0303030303030303","status":"fuel","tenant":"acme","time":1,
            "type":"outcome","run":"01010101010101010101010101010101","v":1}"#;
    let Event::Outcome(outcome) = read(leaf) else {
        panic!("an outcome")
    };
    assert_eq!(outcome.status, Status::FuelExhausted);
    assert!(outcome.capture.is_some());
    // Format 1 does not know the status names of format 2, so a mixture counts as neither.
    let newer = leaf.replace("\"v\":1", "\"v\":2");
    assert!(Record::from_leaf(newer.as_bytes()).is_err());
}

#[test]
fn every_action_that_was_written_is_known() {
    for action in [
        "arguments_shown",
        "decision_viewed",
        "facts_viewed",
        "payloads_forget",
        "payloads_forgotten",
        "reload_refused",
        "run_set_removed",
        "spoke_for_agent",
        "store_backup",
        "store_restore",
        "store_restored",
        "token_created",
        "token_revealed",
        "token_revoked",
        "upstream_accepted",
        "user_token_created",
        "user_token_removed",
        "webhook_given_up",
    ] {
        let leaf = format!(
            r#"{{"act":"{action}","by":"alice","target":"","tenant":"acme","time":1,"type":"administered","v":1}}"#
        );
        let Event::Administered(done) = read(&leaf) else {
            panic!("{action}")
        };
        assert_eq!(
            AdminAction::from_name(done.action.as_str()),
            Some(done.action)
        );
    }
}

#[test]
fn a_newer_format_is_refused() {
    let leaf = r#"{"from":"01010101010101010101010101010101","labels":[],"tenant":"a","time":1,"type":"labels_joined","v":3}"#;
    let error = Record::from_leaf(leaf.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("format 3"), "{error}");
}
