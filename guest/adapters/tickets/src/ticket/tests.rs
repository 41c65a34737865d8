use super::*;

const OPENED: &str = r#"{"event":"opened","from":"Erika","subject":"S","text":"T","at":"Monday"}"#;

#[test]
fn says_which_line_is_wrong() {
    let problem = |file: &str| Ticket::read("T-1", file).unwrap_err();
    assert_eq!(problem("").line, 1);
    assert!(
        problem(r#"{"event":"closed","resolution":"x"}"#)
            .why
            .contains("before `opened`")
    );
    assert_eq!(problem(&format!("{OPENED}\n\n{OPENED}")).line, 3);
    assert!(
        problem(&format!("{OPENED}\n{{\"event\":\"exploded\"}}"))
            .why
            .contains("unknown variant `exploded`")
    );
}

#[test]
fn events_of_the_same_instant_lose_nothing() {
    let events = [Event::closed("Done."), Event::reply("One more thing.")];
    let lines: Vec<String> = events
        .iter()
        .map(|event| serde_json::to_string(event).unwrap())
        .collect();
    let ticket = Ticket::read("T-1", &format!("{OPENED}\n{}", lines.join("\n"))).unwrap();
    assert_eq!(ticket.status, Status::Closed);
    assert_eq!(ticket.messages.len(), 2);
}
