//! What a pressed button does.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_button_answers_as_the_mapped_user() {
    let mut slack = Slack::new("", "").await;
    let (id, message) = slack.waits("A-1").await;
    assert!(
        message["text"]
            .as_str()
            .unwrap()
            .contains("support for alice asks for")
    );
    assert!(
        !message.to_string().contains("EUR"),
        "no arguments: {message}"
    );
    let reply = slack.press("U1", &button(&message, "approve")).await;
    assert_eq!(reply["replace_original"], true);
    let text = reply["text"].as_str().unwrap();
    assert!(text.contains("*approved* by dana"), "{text}");
    assert!(!has_buttons(&reply));
    let row = slack.row(&id);
    assert_eq!(row.answers.len(), 1);
    let answer = &row.answers[0];
    assert_eq!(
        (
            answer.by.id.as_str(),
            answer.channel.as_str(),
            answer.took_effect
        ),
        ("dana", "slack", true)
    );
    // The decision knows the channel, and is recorded as any other.
    let alice = slack.served.user("alice").await;
    let run = slack
        .served
        .get(&alice, &format!("/v1/runs/{}", row.run))
        .await;
    assert!(run.is(200).to_string().contains("role-holders-answer"));
    let agent = slack.served.agent("support").await;
    let arguments =
        json!({ "order": "A-1", "amount": 6000, "currency": "EUR", "reason": "broken" });
    slack
        .served
        .call(&agent, "payments__refund", arguments)
        .await
        .is(200);
    assert_eq!(slack.served.world.refunds(), 1);
    // Pressed again, the message says so, and nothing changes.
    let again = slack.press("U2", &button(&message, "reject")).await;
    assert!(
        again["text"].as_str().unwrap().contains("by dana"),
        "{again}"
    );
    assert!(!has_buttons(&again));
    slack
        .served
        .gate
        .ledger()
        .reader()
        .verify(None, |_| {})
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_says_who_rejected_and_a_late_answer_who_was_first() {
    let mut slack = Slack::new("", "").await;
    let (id, message) = slack.waits("A-1").await;
    let reply = slack.press("U2", &button(&message, "reject")).await;
    let text = reply["text"].as_str().unwrap();
    assert!(text.contains("*rejected* by frank"), "{text}");
    let late = slack.press("U1", &button(&message, "approve")).await;
    assert!(
        late["text"]
            .as_str()
            .unwrap()
            .contains("*rejected* by frank")
    );
    let row = slack.row(&id);
    let effects: Vec<bool> = row
        .answers
        .iter()
        .map(|answer| answer.took_effect)
        .collect();
    assert_eq!(
        effects,
        [true, false],
        "the late one is recorded, and does not count"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_decides_about_the_user_and_the_channel() {
    let policy = r#"
@id("not-from-slack") @owner("security") @reason("Frank answers at his desk.")
forbid (principal == Tollgate::User::"frank", action == Tollgate::Action::"approve", resource)
when { context.channel == "slack" };
"#;
    let mut slack = Slack::new(policy, "").await;
    let (id, message) = slack.waits("A-1").await;
    // Alice operates the agent: four eyes.
    for (person, reason) in [("U3", "another person must approve"), ("U2", "at his desk")] {
        let reply = slack.press(person, &button(&message, "approve")).await;
        assert_eq!(reply["response_type"], "ephemeral", "for this person alone");
        assert_eq!(reply["replace_original"], false);
        assert!(reply["text"].as_str().unwrap().contains(reason), "{reply}");
    }
    assert_eq!(slack.row(&id).answers, [], "nothing was answered");
    let reply = slack.press("U2", &button(&message, "reject")).await;
    assert!(
        reply["text"]
            .as_str()
            .unwrap()
            .contains("*rejected* by frank")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_answer_one_message() {
    let mut slack = Slack::new(QUORUM, "").await;
    let (id, message) = slack.waits("A-1").await;
    let first = slack.press("U1", &button(&message, "approve")).await;
    let text = first["text"].as_str().unwrap();
    assert!(text.contains("Approved by dana; it still needs"), "{text}");
    let twice = slack.press("U1", &button(&first, "approve")).await;
    assert_eq!(
        twice["response_type"], "ephemeral",
        "one person counts once: {twice}"
    );
    let second = slack.press("U2", &button(&first, "approve")).await;
    assert!(
        second["text"]
            .as_str()
            .unwrap()
            .contains("*approved* by dana, frank")
    );
    assert_eq!(slack.row(&id).approvers.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_are_shown_to_the_person_alone_and_the_view_is_recorded() {
    let mut slack = Slack::new("", "show_arguments = true").await;
    let (id, message) = slack.waits("A-1").await;
    assert!(
        !message.to_string().contains("tollgate_approve"),
        "not before they are shown"
    );
    let refused = slack.press("U3", &button(&message, "show")).await;
    assert!(!refused.to_string().contains("EUR"), "{refused}");
    assert_eq!(refused["response_type"], "ephemeral");
    let shown = slack.press("U1", &button(&message, "show")).await;
    assert_eq!(shown["response_type"], "ephemeral");
    assert_eq!(shown["replace_original"], false);
    let text = shown["blocks"][0]["elements"][0]["elements"][0]["text"]
        .as_str()
        .unwrap();
    let arguments: Value = serde_json::from_str(text).unwrap();
    assert_eq!(arguments["amount"], 6000);
    let alice = slack.served.user("alice").await;
    let acts = slack
        .served
        .get(&alice, "/v1/decisions?limit=1000")
        .await
        .is(200);
    let viewed = acts["decisions"].as_array().unwrap().iter();
    let viewed: Vec<&Value> = viewed
        .filter(|act| act["action"] == "approval_arguments_viewed")
        .map(|act| &act["principal"])
        .collect();
    assert_eq!(viewed, ["dana"]);
    // The button was made for dana, and is hers.
    let value = button(&shown, "approve");
    let sent = slack.signed(&slack.payload("U2", &value));
    slack.send(&sent).await.fails(403, "answer_refused");
    assert_eq!(slack.row(&id).answers, []);
    slack.press("U1", &value).await;
    assert_eq!(slack.row(&id).answers.len(), 1);
}

/// Who answers in Slack has a way in: a token of that user is made by two people.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_in_slack_can_sign_in_already() {
    let slack = Slack::new("", "").await;
    let alice = slack.served.user("alice").await;
    for (user, is_first) in [("frank", false), ("eve", true)] {
        let body = json!({ "user": user, "name": "cli" });
        let made = slack.served.post(&alice, "/v1/tokens", body).await.is(200);
        assert_eq!(made["token"]["confirmed"], is_first, "{user}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_one_message_and_its_buttons_answer_what_it_lists() {
    let mut slack = Slack::new("", "").await;
    let (first, alone) = slack.waits("A-1").await;
    let (second, both) = slack.waits("A-2").await;
    let text = both["text"].as_str().unwrap();
    assert!(text.contains("asks for 2 calls"), "{text}");
    assert!(text.contains(&first) && text.contains(&second), "{text}");
    assert!(!both.to_string().contains("EUR"), "no arguments: {both}");
    let (third, _) = slack.waits("A-3").await;
    // The third joined later: the buttons of the message about two answer nothing.
    for verb in ["approve_all", "reject_all"] {
        let reply = slack.press("U1", &button(&both, verb)).await;
        let text = reply["text"].as_str().unwrap();
        assert!(
            text.contains("Nothing was answered") && text.contains(&third),
            "{text}"
        );
        assert_eq!(slack.row(&first).answers, []);
        assert_eq!(slack.row(&third).answers, []);
    }
    // The button of the first message is for its one call.
    let reply = slack.press("U1", &button(&alone, "approve")).await;
    assert!(
        reply["text"]
            .as_str()
            .unwrap()
            .contains("*approved* by dana")
    );
    assert_eq!(slack.row(&second).answers, []);
    // The message that takes the place of an outdated one has buttons for what waits by then.
    let renewed = slack.press("U1", &button(&both, "approve_all")).await;
    let renewed = slack.press("U3", &button(&renewed, "approve_all")).await;
    let text = renewed["text"].as_str().unwrap();
    assert!(
        text.contains("another person must approve"),
        "four eyes: {text}"
    );
    assert_eq!(slack.row(&second).answers, [], "all, or none");
    let renewed = slack.press("U1", &button(&both, "approve_all")).await;
    let done = slack.press("U1", &button(&renewed, "approve_all")).await;
    assert!(!has_buttons(&done));
    for id in [&second, &third] {
        assert!(
            done["text"].as_str().unwrap().contains(id.as_str()),
            "{done}"
        );
        let answer = &slack.row(id).answers[0];
        assert_eq!(
            (answer.by.id.as_str(), answer.channel.as_str()),
            ("dana", "slack")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_arguments_of_a_question_are_shown_before_it_is_approved() {
    let mut slack = Slack::new("", "show_arguments = true").await;
    slack.waits("A-1").await;
    let (second, both) = slack.waits("A-2").await;
    assert!(!both.to_string().contains("tollgate_approve"), "{both}");
    let refused = slack.press("U3", &button(&both, "show_all")).await;
    assert!(!refused.to_string().contains("EUR"), "{refused}");
    let shown = slack.press("U1", &button(&both, "show_all")).await;
    assert_eq!(shown["response_type"], "ephemeral");
    let text = shown.to_string();
    assert!(text.contains("A-1") && text.contains("A-2"), "{text}");
    // A call that joins now was not shown.
    let (third, _) = slack.waits("A-3").await;
    let value = button(&shown, "approve_all");
    let stale = slack.press("U1", &value).await;
    assert!(
        stale["text"]
            .as_str()
            .unwrap()
            .contains("Nothing was answered")
    );
    assert_eq!(slack.row(&third).answers, []);
    let outdated = slack.press("U1", &button(&both, "show_all")).await;
    assert!(!outdated.to_string().contains("EUR"), "{outdated}");
    let shown = slack.press("U1", &button(&stale, "show_all")).await;
    // The button was made for dana alone.
    let value = button(&shown, "approve_all");
    let sent = slack.signed(&slack.payload("U2", &value));
    slack.send(&sent).await.fails(403, "answer_refused");
    slack.press("U1", &value).await;
    for id in [&second, &third] {
        assert_eq!(slack.row(id).answers.len(), 1);
    }
}
