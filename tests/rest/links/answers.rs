//! What a link does.

use tollgate::enforce::{ApprovalError, ApprovalResponse, ApprovalResult, Vote};
use tollgate_model::entity::{Kind, Uid};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_link_lets_its_user_answer_once() {
    let mut links = Links::new("", USERS).await;
    let (id, sent) = links.waits("A-1").await;
    let users: Vec<&str> = sent.iter().map(|(user, _)| user.as_str()).collect();
    assert_eq!(
        users,
        ["frank", "dana"],
        "those who may answer: not the operator, not eve"
    );
    let (_, dana) = &sent[1];
    let first = page(links.get(&dana.path).await, 200);
    for part in [
        "payments__refund",
        "Large refunds need finance",
        "This link is for dana",
    ] {
        assert!(first.contains(part), "{part}: {first}");
    }
    assert!(
        !first.contains("EUR"),
        "no arguments before they are asked for"
    );
    let (second, proof) = links.show(dana).await;
    assert!(second.contains("&quot;amount&quot;:6000"), "{second}");
    let done = page(links.answer(dana, "approve", &proof).await, 200);
    assert!(done.contains("is approved by dana"), "{done}");
    let row = links.row(&id);
    let answer = &row.answers[0];
    assert_eq!(
        (
            answer.by.id.as_str(),
            answer.channel.as_str(),
            answer.note.as_deref()
        ),
        ("dana", "link", Some("seen"))
    );
    assert_eq!(answer.link.unwrap().to_string(), dana.id);
    let viewed = links.acts("administered").await;
    assert!(
        viewed
            .iter()
            .any(|act| act["action"] == "approval_arguments_viewed" && act["principal"] == "dana")
    );
    // It is used up, for every request.
    assert!(page(links.get(&dana.path).await, 410).contains("used before"));
    page(links.answer(dana, "reject", &proof).await, 410);
    assert_eq!(links.last_refusal().await, "used link, 1 request");
    assert_eq!(links.row(&id).answers.len(), 1);
    // A link of another user is of no help for what is resolved.
    assert!(page(links.get(&sent[0].1.path).await, 410).contains("approved by dana"));
    let agent = links.served.agent("support").await;
    let arguments =
        json!({ "order": "A-1", "amount": 6000, "currency": "EUR", "reason": "broken" });
    links
        .served
        .call(&agent, "payments__refund", arguments)
        .await
        .is(200);
    let ledger = links.served.gate.ledger();
    ledger.rebuild().await.unwrap();
    ledger.reader().verify(None, |_| {}).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_delivery_has_the_same_links() {
    let mut links = Links::new("", USERS).await;
    let (_, first) = links.waits("A-1").await;
    assert_eq!(links.acts("approval_link_issued").await.len(), 2);
    let gate = links.served.gate.clone();
    let size = gate.ledger().size();
    gate.ledger().set_cursor("webhook", 0).await.unwrap();
    let mut again = Webhook::new(gate);
    assert_eq!(again.deliver().await, Delivery::Sent);
    assert_eq!(links.sent(), first);
    assert_eq!(
        links.served.gate.ledger().size(),
        size,
        "and none is issued again"
    );
    // No record and no table holds the proof.
    let proof = first[0].1.path.split('.').next_back().unwrap();
    for file in std::fs::read_dir(links.served.world.path(".tollgate")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
        assert!(
            !bytes
                .windows(proof.len())
                .any(|window| window == proof.as_bytes())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_answers_at_once_one_counts() {
    let mut links = Links::new("", USERS).await;
    let (id, dana) = links.link("A-1", "dana").await;
    let (_, proof) = links.show(&dana).await;
    let fields = [
        ("step", "answer"),
        ("answer", "approve"),
        ("form", proof.as_str()),
    ];
    let all: Vec<_> = (0..12)
        .map(|_| tokio::spawn(links.form(&dana, &fields).send()))
        .collect();
    let mut statuses = Vec::new();
    for one in all {
        statuses.push(one.await.unwrap().unwrap().status().as_u16());
    }
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        1,
        "{statuses:?}"
    );
    assert!(
        statuses.iter().all(|status| [200, 410].contains(status)),
        "{statuses:?}"
    );
    assert_eq!(links.row(&id).answers.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_never_outlasts_its_approval() {
    let mut links = Links::new("", &format!("{USERS}\nexpires = \"90d\"")).await;
    let (id, _) = links.waits("A-1").await;
    let all = ApprovalLinkFilter::default();
    let issued = links
        .served
        .gate
        .ledger()
        .reader()
        .approval_links(&all)
        .unwrap();
    assert!(
        issued
            .iter()
            .all(|link| link.expires == links.row(&id).expires)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn links_alone_never_stand_for_two_people() {
    let mut links = Links::new(QUORUM, USERS).await;
    let (id, sent) = links.waits("A-1").await;
    let first = page(links.decide(&sent[1].1, "approve").await, 200);
    assert!(first.contains("It still needs"), "{first}");
    let second = page(links.decide(&sent[0].1, "approve").await, 409);
    assert!(second.contains("more than one person"), "{second}");
    assert_eq!(links.last_refusal().await, "second link, 1 request");
    assert_eq!(links.row(&id).approvers.len(), 1);
    // Frank proves who he is in another way. Without that he may still reject by his link.
    let frank = links.served.user("frank").await;
    let body = json!({ "digest": links.row(&id).arguments.as_str() });
    let path = format!("/v1/approvals/{id}/approve");
    let answered = links.served.post(&frank, &path, body).await.is(200);
    assert_eq!(answered["state"], "approved");
    let (id, sent) = links.waits("A-2").await;
    page(links.decide(&sent[1].1, "approve").await, 200);
    page(links.decide(&sent[0].1, "reject").await, 200);
    assert_eq!(links.row(&id).state.as_str(), "rejected");
}

async fn by_button(links: &Links, user: &str, id: &str) -> Result<ApprovalResult, ApprovalError> {
    let response = ApprovalResponse::new(Vote::Approve, "slack");
    let user = Uid::new(Kind::User, user);
    links
        .served
        .gate
        .answer(&user, id.parse().unwrap(), response)
        .await
}

/// Both prove only that a person reads the messages of the webhook.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_and_a_button_never_stand_for_two_people() {
    let mut links = Links::new(QUORUM, USERS).await;
    let (id, sent) = links.waits("A-1").await;
    by_button(&links, "frank", &id).await.unwrap();
    let second = page(links.decide(&sent[0].1, "approve").await, 409);
    assert!(second.contains("more than one person"), "{second}");
    let (id, sent) = links.waits("A-2").await;
    page(links.decide(&sent[0].1, "approve").await, 200);
    let second = by_button(&links, "frank", &id)
        .await
        .unwrap_err()
        .to_string();
    assert!(second.contains("more than one person"), "{second}");
    assert_eq!(links.row(&id).approvers.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_decides_who_gets_a_link_and_whether_it_answers() {
    let policy = r#"
@id("no-links") @owner("security") @reason("Dana answers at her desk.")
forbid (principal == Tollgate::User::"dana", action == Tollgate::Action::"approve", resource)
when { context.channel == "link" };
"#;
    let mut links = Links::new(policy, USERS).await;
    let (_, sent) = links.waits("A-1").await;
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].0, "frank");
    // Policies that change afterwards count as well.
    let other = policy.replace("dana", "frank");
    links.served.world.write("policies/story.cedar", &other);
    links.served.gate.reload("tests").await.unwrap();
    let refused = links
        .served
        .send(links.form(&sent[0].1, &[("step", "show")]))
        .await;
    assert!(!page(refused, 403).contains("EUR"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slack_channel_of_one_user_gets_the_link_of_that_user() {
    let mut links = Links::with("", "users = [\"dana\"]", "slack").await;
    let agent = links.served.agent("support").await;
    links.served.waits(&agent, "A-1").await;
    assert_eq!(links.webhook.deliver().await, Delivery::Sent);
    let message = links.posted.lock().unwrap().last().unwrap().clone();
    let text = message["text"].as_str().unwrap();
    assert!(text.contains(&format!("<{BASE}/v1/answer/lnk-")), "{text}");
    assert!(text.ends_with("|Answer as dana>"), "{text}");
    assert_eq!(message["unfurl_links"], false);
}
