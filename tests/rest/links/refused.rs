//! Links and forms that answer nothing.

use super::*;

/// Names and values of a form.
type Fields<'a> = &'a [(&'a str, &'a str)];

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_follow_links_change_nothing() {
    let mut links = Links::new("", USERS).await;
    let (id, dana) = links.link("A-1", "dana").await;
    let before = links.served.gate.ledger().size();
    for method in [Method::GET, Method::HEAD, Method::GET, Method::HEAD] {
        for path in [
            dana.path.clone(),
            format!("{}?step=answer&answer=approve", dana.path),
        ] {
            let request = links.served.request(method.clone(), &path);
            let request = request.header("user-agent", "scanner");
            let response = links.served.send(request).await;
            assert_eq!(response.status, 200);
            assert_eq!(response.headers["cache-control"], "no-store");
        }
    }
    let odd = links.served.request(Method::PUT, &dana.path);
    links.served.send(odd).await.is(405);
    assert_eq!(links.served.gate.ledger().size(), before);
    let row = links.row(&id);
    assert_eq!((row.version, row.answers.len()), (0, 0));
    page(links.decide(&dana, "reject").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_expires_and_so_does_its_approval() {
    let mut links = Links::new("", &format!("{USERS}\nexpires = \"10m\"")).await;
    let (id, dana) = links.link("A-1", "dana").await;
    let (_, proof) = links.show(&dana).await;
    links.served.world.pass(600);
    assert!(page(links.get(&dana.path).await, 410).contains("expired"));
    page(links.answer(&dana, "approve", &proof).await, 410);
    assert_eq!(links.last_refusal().await, "expired link, 1 request");
    assert_eq!(links.row(&id).answers, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_revoked_by_their_users_and_by_administrators() {
    let mut links = Links::new("", USERS).await;
    let (id, sent) = links.waits("A-1").await;
    let (frank, dana) = (&sent[0].1, &sent[1].1);
    let (_, proof) = links.show(dana).await;
    let served = &links.served;
    let (alice, eve) = (served.user("alice").await, served.user("eve").await);
    let own = served.user("frank").await;
    let revoke = async |token: &str, id: &str| {
        let request = served.request(Method::DELETE, &format!("/v1/approval-links/{id}"));
        served.send(request.bearer_auth(token)).await
    };
    let agent = served.agent("support").await;
    revoke(&agent, &dana.id).await.fails(403, "people_only");
    revoke(&eve, &dana.id).await.fails(403, "forbidden");
    revoke(&own, &dana.id).await.fails(403, "forbidden");
    revoke(&alice, "lnk-0000000000000000")
        .await
        .fails(404, "not_found");
    let seen = async |token: &str| {
        let list = served.get(token, "/v1/approval-links").await.is(200);
        list.as_array().unwrap().len()
    };
    assert_eq!(
        (seen(&alice).await, seen(&own).await, seen(&eve).await),
        (2, 1, 0)
    );
    revoke(&own, &frank.id).await.is(204);
    revoke(&own, &frank.id).await.fails(404, "not_found");
    revoke(&alice, &dana.id).await.is(204);
    assert_eq!(seen(&alice).await, 0);
    for link in [frank, dana] {
        assert!(page(links.get(&link.path).await, 410).contains("revoked"));
    }
    page(links.answer(dana, "approve", &proof).await, 410);
    assert_eq!(links.last_refusal().await, "revoked link, 1 request");
    assert_eq!(links.row(&id).answers, []);
    // A repeated delivery brings no new link.
    let gate = links.served.gate.clone();
    gate.ledger().set_cursor("webhook", 0).await.unwrap();
    assert_eq!(Webhook::new(gate).deliver().await, Delivery::Sent);
    assert_eq!(links.sent(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_have_no_links_any_more_has_none() {
    let mut links = Links::new("", USERS).await;
    let (id, dana) = links.link("A-1", "dana").await;
    let (_, proof) = links.show(&dana).await;
    links.served.world.configure(USERS, "users = [\"frank\"]");
    links.served.gate.reload("tests").await.unwrap();
    page(links.answer(&dana, "approve", &proof).await, 410);
    assert_eq!(links.last_refusal().await, "revoked link, 1 request");
    assert_eq!(links.row(&id).answers, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_link_is_none() {
    let mut links = Links::new("", USERS).await;
    let (_, first) = links.waits("A-1").await;
    let other_agent = links.served.agent("other").await;
    let other_id = links.served.waits(&other_agent, "A-2").await;
    assert_eq!(links.webhook.deliver().await, Delivery::Sent);
    let second = links.sent();
    let (dana, frank) = (&first[1].1, &first[0].1);
    let proof = |link: &Link| link.path.split('.').next_back().unwrap().to_owned();
    let at = |id: &str, proof: &str| format!("/v1/answer/{id}.{proof}");
    let mut paths = vec![
        at(&dana.id, &proof(frank)),
        at(&dana.id, &proof(&second[0].1)),
        at(&other_id, &proof(dana)),
        at(&dana.id, &proof(dana).to_uppercase()),
        at(&dana.id, ""),
        format!("/v1/answer/{}", dana.id),
        format!("{}0", dana.path),
        at("lnk-0000000000000000", &proof(dana)),
    ];
    let begin = "/v1/answer/".len();
    for place in begin..dana.path.len() {
        let mut bytes = dana.path.clone().into_bytes();
        bytes[place] = if bytes[place] == b'0' { b'1' } else { b'0' };
        paths.push(String::from_utf8(bytes).unwrap());
    }
    for path in paths {
        page(links.get(&path).await, 404);
        let request = form(
            links.served.request(Method::POST, &path),
            &[("step", "show")],
        );
        page(links.served.send(request).await, 404);
    }
    let refused = links.acts("approval_answer_refused").await;
    assert!(
        refused
            .iter()
            .all(|act| act["reason"].as_str().unwrap().starts_with("unknown link"))
    );
    assert!(
        refused
            .iter()
            .all(|act| act["principal"] == "" && act["approval"].is_null())
    );
    page(links.decide(dana, "reject").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_form_of_the_page_answers() {
    let mut links = Links::new("", USERS).await;
    let (id, sent) = links.waits("A-1").await;
    let (frank, dana) = (&sent[0].1, &sent[1].1);
    let (_, of_frank) = links.show(frank).await;
    let (_, proof) = links.show(dana).await;
    let yes = ("answer", "approve");
    let step = ("step", "answer");
    let later = proof.replacen(&proof[..4], "9999", 1);
    let cases: [(Fields, u16, &str); 9] = [
        (&[step, yes], 400, "malformed"),
        (&[step, yes, ("form", "")], 403, "unknown form"),
        (&[step, yes, ("form", &of_frank)], 403, "unknown form"),
        (&[step, yes, ("form", &later)], 403, "unknown form"),
        (&[step, ("form", &proof)], 400, "malformed"),
        (&[step, yes, yes, ("form", &proof)], 400, "malformed"),
        (
            &[step, ("answer", "maybe"), ("form", &proof)],
            400,
            "malformed",
        ),
        (
            &[step, yes, ("form", &proof), ("user", "alice")],
            400,
            "malformed",
        ),
        (&[("step", "all")], 400, "malformed"),
    ];
    for (fields, status, reason) in cases {
        page(links.served.send(links.form(dana, fields)).await, status);
        assert_eq!(
            links.last_refusal().await,
            format!("{reason}, 1 request"),
            "{fields:?}"
        );
    }
    assert_eq!(links.row(&id).answers, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_another_kind_site_or_time_answers_nothing() {
    let mut links = Links::new("", USERS).await;
    let (id, dana) = links.link("A-1", "dana").await;
    let dana = &dana;
    let (_, proof) = links.show(dana).await;
    let (step, yes) = (("step", "answer"), ("answer", "approve"));
    let good = [step, yes, ("form", proof.as_str())];
    let bare = || links.served.request(Method::POST, &dana.path);
    let text = "step=answer&answer=approve";
    let large = "x".repeat(17 << 10);
    for (request, status) in [
        (bare().body(text), 400),
        (bare().header("content-type", "text/plain").body(text), 400),
        (bare().json(&json!({ "step": "show" })), 400),
        (form(bare(), &[("note", &large)]), 413),
        (
            links
                .form(dana, &good)
                .header("sec-fetch-site", "cross-site"),
            403,
        ),
        (
            links
                .form(dana, &good)
                .header("origin", "https://evil.example"),
            403,
        ),
        (links.form(dana, &good).header("origin", "null"), 403),
    ] {
        links.served.send(request).await.is(status);
    }
    assert_eq!(links.row(&id).answers, []);
    // A page that stood open too long is shown again.
    links.served.world.pass(15 * 60 + 1);
    let stale = page(links.answer(dana, "approve", &proof).await, 409);
    assert!(stale.contains("value=\"show\""), "{stale}");
    assert_eq!(links.last_refusal().await, "stale form, 1 request");
    let own = format!("http://{}", links.served.address);
    let (_, proof) = links.show(dana).await;
    let good = [step, yes, ("form", proof.as_str())];
    let browser = links
        .form(dana, &good)
        .header("sec-fetch-site", "same-origin");
    page(links.served.send(browser.header("origin", own)).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_configuration_there_are_no_links() {
    let served = HttpGate::new("").await;
    let before = served.gate.ledger().size();
    let path = format!("/v1/answer/lnk-0000000000000000.{}", "0".repeat(64));
    let request = form(served.request(Method::POST, &path), &[("step", "show")]);
    page(served.send(request).await, 404);
    page(served.send(served.request(Method::GET, &path)).await, 404);
    assert_eq!(served.gate.ledger().size(), before);
}
