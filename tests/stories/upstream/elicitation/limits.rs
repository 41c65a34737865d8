//! How many questions a call has, and what ends one.

use super::*;

/// A person takes long to answer. What was activated meanwhile counts for what their answer does.
#[tokio::test]
async fn a_policy_that_is_activated_while_a_person_is_asked_counts() {
    let story = Story::new("").await;
    let calling = story.call(agent("support"), "box__read", question("seats"));
    let asked = story.asked().await;
    let forbid = "@id(\"no-questions\") @owner(\"tests\")\n\
         forbid (principal, action == Tollgate::Action::\"elicit_input\", resource);\n";
    story.world.write("policies/more.cedar", forbid);
    story.gate.reload("tests").await.unwrap();
    let answered = story.answer("alice", asked.id, Accept, json!({"seats": 2}));
    answered.await.unwrap();
    calling.await.unwrap();
    assert_eq!(story.got(), [Ok(json!({"action": "cancel"}))]);
}

#[tokio::test]
async fn malformed_questions_count_as_well() {
    let story = Story::new("").await;
    story.scripted.script().asks = vec![json!({"message": 1}); 16];
    let answer = story
        .call(agent("support"), "box__read", question("denied"))
        .await
        .unwrap();
    assert!(story.decided(&answer).is_empty(), "it is too many");
    let got = story.got();
    assert!(got[..16].iter().all(Result::is_err), "{got:?}");
    assert_eq!(got[16], Ok(json!({"action": "cancel"})));
}

#[tokio::test]
async fn a_call_asks_no_more_than_its_share() {
    let story = Story::new("").await;
    let mut questions = vec![question("denied"); 20];
    let last = questions.pop().unwrap();
    story.scripted.script().asks = questions;
    let answer = story
        .call(agent("support"), "box__read", last)
        .await
        .unwrap();
    assert_eq!(story.decided(&answer).len(), 16);
    let got = story.got();
    assert_eq!(
        (got.len(), &got[19]),
        (20, &Ok(json!({"action": "cancel"})))
    );
}
