//! Servers that mean harm, and what they do not get.

use serde_json::{Value, json};

use super::{
    stub::{Reply, Request, Stub, authority, mcp, metadata},
    *,
};

fn good() -> Value {
    json!({"access_token": "access-token-1", "token_type": "Bearer", "expires_in": 3600})
}

/// Why a server with this authorization server offers nothing.
async fn refused(issuer: &Stub) -> String {
    let server = mcp(&issuer.origin, |_| Some("gate".into()));
    let world = world(&format!("{}/mcp", server.origin), &registered_at(issuer));
    let why = offer(&world).await.unwrap_err();
    assert!(
        server
            .seen()
            .iter()
            .all(|request| request.bearer().is_none()),
        "it was sent a token"
    );
    assert!(
        !why.contains(SECRET) && !why.contains("access-token"),
        "{why}"
    );
    why
}

/// Why alice cannot log in at this server.
async fn no_login(server: &Stub) -> String {
    let world = world(&format!("{}/mcp", server.origin), &personal(""));
    let gate = Gate::open(world.config(), options(&world)).await.unwrap();
    let redirect = "http://127.0.0.1/callback".parse().unwrap();
    let begun = gate.begin_login(&user("alice"), "wiki", &redirect).await;
    gate.close().await;
    begun.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_no_token_is_not_sent_anywhere() {
    let answers: [(Value, &str); 6] = [
        (
            json!({"access_token": "access-token-1\r\nX-Evil: 1"}),
            "visible ASCII",
        ),
        (json!({"expires_in": -1}), "expires_in"),
        (json!({"expires_in": 0}), "expires_in"),
        (json!({"token_type": "mac"}), "token_type"),
        (
            json!({"access_token": "x".repeat(5 << 20)}),
            "more than 65536 bytes",
        ),
        (json!({"access_token": null}), "access_token"),
    ];
    for (change, why) in answers {
        let mut answer = good();
        for (member, value) in change.as_object().unwrap() {
            answer[member] = value.clone();
        }
        let issuer = authority(move |_| Reply::json(&answer));
        let said = refused(&issuer).await;
        assert!(said.contains(why), "{change:.80}: {said}");
        assert!(said.contains("[upstream.wiki.oauth]"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_the_key_to_look_at_and_repeats_no_words() {
    for (code, key) in [
        ("invalid_client", "`client_secret`"),
        ("invalid_scope", "`scopes`"),
        ("invalid_target", "`resource`"),
        ("unauthorized_client", "`grant`"),
        ("made_up", "token endpoint"),
    ] {
        let issuer = authority(move |_| Reply::refusal(code));
        let said = refused(&issuer).await;
        assert!(said.contains(key), "{code}: {said}");
        assert!(
            !said.contains("secret words") && !said.contains("made_up"),
            "{said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_counts_only_for_its_issuer_and_secrets_stay_at_its_origin() {
    let elsewhere = Stub::silent();
    for (member, value, why) in [
        ("issuer", elsewhere.origin.clone(), "another issuer"),
        ("issuer", "http://127.0.0.1".into(), "another issuer"),
        (
            "token_endpoint",
            format!("{}/token", elsewhere.origin),
            "another origin",
        ),
        ("token_endpoint", "token".into(), "not a URL"),
    ] {
        let issuer = Stub::serve(move |origin, _| {
            let mut document = metadata(origin);
            document[member] = value.clone().into();
            Some(Reply::json(&document))
        });
        let said = refused(&issuer).await;
        assert!(said.contains(why), "{member}: {said}");
        assert!(issuer.tokens().is_empty());
    }
    let to = format!("{}/token", elsewhere.origin);
    let issuer = authority(move |_| Reply::redirect(&to));
    assert!(refused(&issuer).await.contains("redirects"));
    assert!(elsewhere.seen().is_empty(), "{:?}", elsewhere.seen());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_does_not_speak_for_another_one() {
    let issuer = authority(|_| Reply::json(&good()));
    let other = mcp(&issuer.origin, |_| Some("gate".into()));
    let documents: [fn(&str, &str) -> Value; 3] = [
        // Tokens for the other one would be sent to this one.
        |_, other| json!({"resource": format!("{other}/mcp")}),
        |own, _| json!({"resource": format!("{own}/other")}),
        |own, _| json!({"resource": format!("{own}/mcp"), "authorization_servers": []}),
    ];
    for document in documents {
        let (servers, target) = (issuer.origin.clone(), other.origin.clone());
        let server = Stub::serve(move |origin, request: &Request| {
            if !request
                .path
                .starts_with("/.well-known/oauth-protected-resource")
            {
                return Some(Reply::status("401 Unauthorized", ""));
            }
            let mut said = document(origin, &target);
            if said.get("authorization_servers").is_none() {
                said["authorization_servers"] = json!([servers]);
            }
            Some(Reply::json(&said))
        });
        let why = no_login(&server).await;
        assert!(why.contains("RFC 9728"), "{why}");
    }
    assert!(issuer.tokens().is_empty());
    // Its challenge leads to metadata elsewhere.
    let target = format!("{}/.well-known/oauth-protected-resource/mcp", other.origin);
    let server = Stub::serve(move |_, request: &Request| {
        (request.path == "/mcp").then(|| {
            let challenge = format!("WWW-Authenticate: Bearer resource_metadata=\"{target}\"\r\n");
            Reply::status("401 Unauthorized", challenge)
        })
    });
    let why = no_login(&server).await;
    assert!(why.contains("another origin"), "{why}");
    assert!(other.seen().is_empty() && issuer.tokens().is_empty());
}

/// Whoever redirects the browser to another authorization server gets that server's code, unless the answer names the
/// server that was asked (RFC 9207). So a server that the upstream server names must promise to.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_where_the_upstream_server_names_the_issuer_needs_its_name_in_the_answer() {
    let silent = Stub::serve(|origin, request| {
        let mut document = metadata(origin);
        document
            .as_object_mut()
            .unwrap()
            .remove("authorization_response_iss_parameter_supported");
        let is_metadata = request.path == "/.well-known/oauth-authorization-server";
        is_metadata.then(|| Reply::json(&document))
    });
    let server = mcp(&silent.origin, |_| None);
    let why = no_login(&server).await;
    assert!(
        why.contains("RFC 9207") && why.contains("`issuer`"),
        "{why}"
    );
    assert!(silent.tokens().is_empty());
    // The operator vouches for it.
    let issuer = format!("issuer = \"{}\"", silent.origin);
    let world = world(&format!("{}/mcp", server.origin), &personal(&issuer));
    let gate = Gate::open(world.config(), options(&world)).await.unwrap();
    let redirect = "http://127.0.0.1/callback".parse().unwrap();
    let begun = gate.begin_login(&user("alice"), "wiki", &redirect).await;
    assert_eq!(begun.unwrap().issuer, silent.origin);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_redirects_does_not_pass_the_token_on() {
    let issuer = authority(|_| Reply::json(&good()));
    let elsewhere = Stub::silent();
    let (trusted, to) = (issuer.origin.clone(), format!("{}/mcp", elsewhere.origin));
    let server = Stub::serve(
        move |origin, request: &Request| match request.path.as_str() {
            "/.well-known/oauth-protected-resource/mcp" => Some(Reply::json(
                &json!({"resource": origin, "authorization_servers": [trusted]}),
            )),
            _ => Some(Reply::redirect(&to)),
        },
    );
    let world = world(&format!("{}/mcp", server.origin), &registered_at(&issuer));
    let why = offer(&world).await.unwrap_err();
    assert!(why.contains("another origin"), "{why}");
    assert!(elsewhere.seen().is_empty());
    let sent = server.seen();
    assert!(
        sent.iter()
            .any(|request| request.bearer() == Some("access-token-1"))
    );
}
