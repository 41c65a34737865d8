use serde_json::json;

use super::*;
use crate::{
    case::{Answer, Defaults, World},
    pdp::Pdp,
    policy::PolicyFile,
};
use tollgate_model::{
    record::{Event, Record},
    time::Timestamp,
};

const POLICIES: &str = r#"
        @id("small") @owner("o")
        permit (principal, action == Tollgate::Action::"pay__refund", resource)
        when { context.input.amount <= 5000 && context.run.calls < 9 };
        @id("large") @owner("o") @reason("Ask.")
        forbid (principal, action == Tollgate::Action::"pay__refund", resource)
        when { context.input.amount > 100 }
        unless { context.approval.roles.contains(Tollgate::Role::"finance") };
        @id("files") @owner("o")
        permit (principal, action == Tollgate::Action::"read_file", resource in Tollgate::Label::"private");
        @id("config") @owner("o")
        permit (principal, action == Tollgate::Action::"read_config", resource in Tollgate::Label::"private")
        when { resource in principal };
        @id("hosts") @owner("o")
        permit (principal, action == Tollgate::Action::"http_request", resource in Tollgate::Domain::"example.org")
        when { context.method == "POST" && context.path like "/v1/*" };
    "#;

/// A recorded decision of a case, turned into a case, gets the same answer again.
#[test]
fn what_was_decided_is_decided_so_again() {
    let world: World = serde_json::from_value(json!({
        "agents": {"support": []}, "users": {"alice": []}, "labels": ["private", "unlabelled"],
        "roles": ["finance"],
        "tools": {"pay__refund": {"input": {"type": "object", "properties": {
            "amount": {"type": "integer"}}, "required": ["amount"]}}}
    }))
    .unwrap();
    let file = PolicyFile {
        name: "p.cedar".into(),
        text: POLICIES.into(),
    };
    let pdp = Pdp::load(&world.bundle(vec![file])).unwrap();
    let cases: Vec<Case> = serde_json::from_value(json!([
        {"name": "small", "action": "pay__refund", "principal": "Agent::support", "on_behalf_of": "alice",
         "input": {"amount": 70}, "run": {"calls": 3, "labels": ["private"]}, "expect": "allow"},
        {"name": "large", "action": "pay__refund", "principal": "Agent::support", "on_behalf_of": "alice",
         "input": {"amount": 700}, "expect": "escalate"},
        {"name": "approved", "action": "pay__refund", "principal": "Agent::support", "on_behalf_of": "alice",
         "input": {"amount": 700}, "approved_by": ["finance"], "expect": "allow"},
        {"name": "file", "action": "read_file", "principal": "Component::pay", "on_behalf_of": "alice",
         "agent": "support", "tool": "pay__refund", "resource": "File::pay/book:/a/b.txt",
         "directory_labels": ["private"], "expect": "allow"},
        {"name": "config", "action": "read_config", "principal": "Component::pay", "on_behalf_of": "alice",
         "agent": "support", "tool": "pay__refund", "resource": "ConfigEntry::pay/customer",
         "directory_labels": ["private"], "expect": "allow"},
        {"name": "host", "action": "http_request", "principal": "Component::pay", "on_behalf_of": "alice",
         "agent": "support", "tool": "pay__refund", "resource": "Host::api.example.org", "method": "POST",
         "path": "/v1/x", "expect": "allow"},
        {"name": "view", "action": "view_run", "principal": "User::alice", "expect": "deny"},
    ]))
    .unwrap();
    for case in cases {
        let (decision, request, facts) = case.decide(&pdp, &Defaults::default()).unwrap();
        let answer = Answer::of(&decision);
        assert_eq!(answer.outcome, case.expect, "{}: {answer:?}", case.name);
        let again = Case::of(
            case.name.clone(),
            &request,
            &facts,
            &decided(&request, &decision),
        )
        .unwrap();
        let text = serde_json::to_string(&again).unwrap();
        let again: Case = serde_json::from_str(&text).unwrap();
        let played = again.play(&pdp, &Defaults::default());
        assert_eq!(played.wrong, Vec::<String>::new(), "{text}");
        assert_eq!(played.answer, answer);
    }
}

fn decided(request: &Request, decision: &tollgate_model::decision::Decision) -> DecisionRecord {
    let basis = decision.basis();
    let requirement = match decision {
        tollgate_model::decision::Decision::Escalate(_, requirement) => Some(requirement.clone()),
        _ => None,
    };
    let record = json!({
        "type": "decision", "v": 2, "tenant": "default", "time": 0, "action": request.action,
        "bundle": basis.bundle, "determining": basis.determining, "decide_micros": 1,
        "outcome": decision.outcome(), "principal": request.principal, "resource": request.resource,
        "requirement": requirement, "span": "0101010101010101",
    });
    let record: Record = Record::from_leaf(record.to_string().as_bytes()).unwrap();
    assert_eq!(record.time, Timestamp(0));
    match record.event {
        Event::Decision(decided) => *decided,
        other => panic!("{other:?}"),
    }
}
