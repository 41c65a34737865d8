//! Prompts and resources of upstream servers, as policies see them.

use super::*;

const PERMIT_CALLS: &str = r#"permit (principal, action in Tollgate::Action::"call", resource);"#;

fn with_prompts(policies: &str) -> Bundle {
    let prompt = |properties: Value| ToolTypes {
        input_schema: json!({ "type": "object", "properties": properties }),
        numbers: BTreeMap::new(),
    };
    let text = json!({ "type": "string" });
    let mut bundle = bundle(policies);
    bundle.prompts = BTreeMap::from([
        (
            "desk__ask".to_owned(),
            prompt(json!({ "topic": text, "max-length": text })),
        ),
        ("desk__plan".to_owned(), prompt(json!({ "goal": text }))),
    ]);
    for name in bundle.prompts.keys() {
        let parents = [uid(Kind::Component, "desk"), uid(Kind::Label, "private")];
        bundle
            .entities
            .push(Entity::new(uid(Kind::Prompt, name), parents));
    }
    bundle
}

fn prompt(name: &str, input: Value) -> Request {
    Request {
        action: Action::GetPrompt,
        resource: uid(Kind::Prompt, name),
        ..call("read", input)
    }
}

fn resource(uri: &str) -> (Request, Facts) {
    let request = Request {
        action: Action::ReadResource,
        resource: uid(Kind::Resource, &format!("desk/{uri}")),
        ..call("read", json!({ "uri": uri }))
    };
    let parents = [uid(Kind::Component, "desk"), uid(Kind::Label, "egress")];
    let entities = vec![Entity::new(request.resource.clone(), parents)];
    (
        request,
        Facts {
            entities,
            ..facts()
        },
    )
}

fn outcome(policies: &str, request: &Request, facts: &Facts) -> Outcome {
    let text = format!("{}{}", policy("calls", PERMIT_CALLS), policy("p", policies));
    let pdp = Pdp::load(&with_prompts(&text)).unwrap();
    pdp.decide(request, facts).outcome()
}

#[test]
fn a_policy_about_calls_is_one_about_prompts_and_resources() {
    let (read, with_resource) = resource("file:///srv/a.md");
    let ask = prompt("desk__ask", json!({ "topic": "x" }));
    for (forbidden, of_prompt, of_resource) in [
        (
            r#"forbid (principal, action in Tollgate::Action::"call", resource in Tollgate::Component::"desk");"#,
            Outcome::Deny,
            Outcome::Deny,
        ),
        (
            r#"forbid (principal, action in Tollgate::Action::"call", resource in Tollgate::Label::"private");"#,
            Outcome::Deny,
            Outcome::Allow,
        ),
        (
            r#"forbid (principal, action in Tollgate::Action::"call", resource in Tollgate::Label::"egress");"#,
            Outcome::Allow,
            Outcome::Deny,
        ),
        (
            r#"forbid (principal, action == Tollgate::Action::"get_prompt", resource);"#,
            Outcome::Deny,
            Outcome::Allow,
        ),
        (
            r#"forbid (principal, action, resource == Tollgate::Prompt::"desk__plan");"#,
            Outcome::Allow,
            Outcome::Allow,
        ),
        (
            r#"forbid (principal, action in Tollgate::Action::"call", resource) unless { context.approval.roles.contains(Tollgate::Role::"finance") };"#,
            Outcome::Escalate,
            Outcome::Escalate,
        ),
    ] {
        assert_eq!(outcome(forbidden, &ask, &facts()), of_prompt, "{forbidden}");
        assert_eq!(
            outcome(forbidden, &read, &with_resource),
            of_resource,
            "{forbidden}"
        );
    }
}

#[test]
fn arguments_of_prompts_are_text_that_may_be_absent() {
    let forbidden = r#"forbid (principal, action == Tollgate::Action::"get_prompt", resource)
        when { (context.input has topic && context.input.topic like "*secret*")
            || (context.input has "max-length" && context.input["max-length"] == "9") };"#;
    for (input, expected) in [
        (json!({}), Outcome::Allow),
        (json!({ "topic": "a secret" }), Outcome::Deny),
        (json!({ "topic": "x", "max-length": "9" }), Outcome::Deny),
        (json!({ "goal": "x" }), Outcome::Allow),
        // No prompt has it, or it is not text: what policies do not see is not decided about.
        (json!({ "other": "x" }), Outcome::Error),
        (json!({ "topic": 7 }), Outcome::Error),
    ] {
        let asked = prompt("desk__ask", input.clone());
        assert_eq!(outcome(forbidden, &asked, &facts()), expected, "{input}");
    }
}

#[test]
fn a_resource_is_compared_by_its_uri_and_scheme() {
    let forbidden = r#"forbid (principal, action == Tollgate::Action::"read_resource", resource)
        when { context.scheme == "http" || context.uri like "file:///etc/*" };"#;
    for (uri, expected) in [
        ("file:///srv/a.md", Outcome::Allow),
        ("file:///etc/passwd", Outcome::Deny),
        ("http://example.com/", Outcome::Deny),
    ] {
        let (request, facts) = resource(uri);
        assert_eq!(outcome(forbidden, &request, &facts), expected, "{uri}");
    }
    let (request, _) = resource("file:///srv/a.md");
    assert_eq!(
        outcome(forbidden, &request, &facts()),
        Outcome::Error,
        "it is not known"
    );
    let (mut request, facts) = resource("file:///srv/a.md");
    let ActionContext::Call { input, .. } = &mut request.context else {
        panic!()
    };
    *input = json!({ "uri": 7 });
    assert_eq!(outcome(forbidden, &request, &facts), Outcome::Error);
}

/// A server's resources are represented by one without a URI.
#[test]
fn a_policy_about_resources_is_idle_until_a_server_has_some() {
    let policies = policy(
        "named",
        r#"forbid (principal, action in Tollgate::Action::"call", resource == Tollgate::Resource::"desk/note:a");"#,
    ) + &policy(
        "labelled",
        r#"forbid (principal, action == Tollgate::Action::"read_resource", resource in Tollgate::Label::"untrusted");"#,
    ) + &policy(
        "open",
        r#"forbid (principal, action == Tollgate::Action::"read_resource", resource);"#,
    ) + PERMIT;
    let found = |bundle: &Bundle| {
        let found = Pdp::load(bundle).unwrap().lint();
        let named = |id: &str| found.iter().any(|d| d.message.contains(&format!("`{id}`")));
        ["named", "labelled", "open"].map(named)
    };
    let mut bundle = with_prompts(&policies);
    assert_eq!(found(&bundle), [true, true, true]);
    let parents = [uid(Kind::Component, "desk"), uid(Kind::Label, "private")];
    let represented = Entity::new(uid(Kind::Resource, "desk/"), parents);
    bundle.entities.push(represented);
    assert_eq!(found(&bundle), [false, true, false]);
    let pdp = Pdp::load(&bundle).unwrap();
    assert_eq!(pdp.resource_labels("desk"), ["private"]);
    assert!(pdp.resource_labels("other").is_empty());
}

#[test]
fn a_prompt_that_is_not_loaded_is_found_by_its_name() {
    let named = r#"forbid (principal, action, resource == Tollgate::Prompt::"desk__askk");"#;
    let pdp = Pdp::load(&with_prompts(&policy("p", named))).unwrap();
    let found = pdp.warnings();
    assert!(
        found.iter().any(|d| d.to_string().contains("desk__ask")),
        "{found:?}"
    );
}
