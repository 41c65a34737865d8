//! Tests of the policy decision point, with a small support desk.

mod decide;
mod escalate;
mod explanations;
mod features;
mod generators;
mod history;
mod load;
mod mistakes;
mod properties;
mod reach;
mod redact;
mod request_errors;

use serde_json::{Value, json};
use tollgate_model::{
    decision::{Approvers, Outcome, Requirement},
    entity::{Entity, Kind},
    provenance::ProvenanceFacts,
    request::{ActionContext, GuestCaller, PriorApproval, RunFacts},
    time::{LocalTime, Timestamp},
};

use super::*;
use crate::policy::PolicyFile;

/// Private data stays in.
const TRIFECTA: &str = r#"
@id("private-data-stays-in")
@owner("security")
@reason("This run has read private data and untrusted content; sending it out needs security's approval.")
@severity("high")
forbid (principal, action in Tollgate::Action::"call", resource in Tollgate::Label::"egress")
when { context.run.labels.containsAll([Tollgate::Label::"private", Tollgate::Label::"untrusted"]) }
unless { context.approval.roles.contains(Tollgate::Role::"security") };
"#;

const PERMIT: &str = r#"@id("permit") @owner("ops") permit (principal, action, resource);"#;

fn uid(kind: Kind, id: &str) -> Uid {
    Uid::new(kind, id)
}

/// Every role that tests name: enough for more than 64 probes, and for more subsets than a machine word has
/// bits.
fn roles() -> Vec<String> {
    let named = ["clerk", "finance", "operator", "security"].map(str::to_owned);
    named
        .into_iter()
        .chain((0..70).map(|i| format!("r{i}")))
        .collect()
}

fn entities() -> Vec<Entity> {
    let mut entities = vec![
        Entity::new(uid(Kind::Gate, "gate"), []),
        Entity::new(uid(Kind::Tenant, "acme"), []),
        Entity::new(uid(Kind::Component, "desk"), []),
        Entity::new(
            uid(Kind::Agent, "support"),
            [uid(Kind::Role, "clerk"), uid(Kind::Tenant, "acme")],
        ),
        Entity::new(uid(Kind::Agent, "other"), []),
        Entity::new(
            uid(Kind::User, "alice"),
            [uid(Kind::Role, "operator"), uid(Kind::Tenant, "acme")],
        ),
        Entity::new(uid(Kind::User, "carol"), [uid(Kind::Role, "finance")]),
    ];
    entities.extend(roles().iter().map(|r| Entity::new(uid(Kind::Role, r), [])));
    for label in ["destructive", "egress", "private", "untrusted"] {
        entities.push(Entity::new(uid(Kind::Label, label), []));
    }
    for (tool, label) in [
        ("read", "private"),
        ("send", "egress"),
        ("refund", "destructive"),
    ] {
        let parents = [uid(Kind::Component, "desk"), uid(Kind::Label, label)];
        entities.push(Entity::new(uid(Kind::Tool, tool), parents));
    }
    entities
}

fn tools() -> BTreeMap<String, ToolTypes> {
    let types = |input_schema| ToolTypes {
        input_schema,
        numbers: BTreeMap::new(),
    };
    let read = json!({
        "type": "object",
        "required": ["id"],
        "properties": { "id": { "type": "string" }, "limit": { "type": "integer", "default": 10 } },
    });
    let send = json!({
        "type": "object",
        "required": ["to"],
        "properties": {
            "to": { "type": "string" },
            "at": { "type": "string", "format": "date-time" },
            "headers": { "type": "object" },
            "lines": { "type": "array", "items": { "type": "string" } },
        },
    });
    let refund = json!({
        "type": "object",
        "required": ["amount"],
        "properties": {
            "amount": { "type": "integer" },
            "rate": { "type": "number" },
            "currency": { "enum": ["EUR", "USD"] },
            "note": { "type": ["string", "null"] },
        },
    });
    [("read", read), ("send", send), ("refund", refund)]
        .map(|(name, schema)| (name.to_owned(), types(schema)))
        .into()
}

fn bundle(policies: &str) -> Bundle {
    let file = PolicyFile {
        name: "test.cedar".into(),
        text: policies.into(),
    };
    Bundle::new(entities(), vec![file], tools())
}

fn pdp(policies: &str) -> Pdp {
    match Pdp::load(&bundle(policies)) {
        Ok(pdp) => pdp,
        Err(error) => panic!("{error:#?}"),
    }
}

/// A policy with its annotations, `id` among them.
fn policy(id: &str, policy: &str) -> String {
    format!("@id(\"{id}\") @owner(\"ops\") @reason(\"Because {id}.\")\n{policy}\n")
}

fn call(tool: &str, input: Value) -> Request {
    Request {
        action: Action::Call(tool.into()),
        context: ActionContext::Call {
            on_behalf_of: uid(Kind::User, "alice"),
            input,
            via: BTreeSet::new(),
        },
        principal: uid(Kind::Agent, "support"),
        resource: uid(Kind::Tool, tool),
    }
}

fn read() -> Request {
    call("read", json!({ "id": "t1", "limit": 10 }))
}

fn send() -> Request {
    call("send", json!({ "to": "x" }))
}

fn refund(amount: i64) -> Request {
    call("refund", json!({ "amount": amount }))
}

fn release() -> Request {
    Request {
        action: Action::ReturnResult,
        context: ActionContext::Result {
            on_behalf_of: uid(Kind::User, "alice"),
            error: false,
            size: 10,
        },
        principal: uid(Kind::Agent, "support"),
        resource: uid(Kind::Tool, "read"),
    }
}

/// The component reads `desk/data:/a.txt`, which `facts_with_file` makes known.
fn read_file() -> Request {
    Request {
        action: Action::ReadFile,
        context: ActionContext::Capability {
            guest: GuestCaller {
                agent: uid(Kind::Agent, "support"),
                on_behalf_of: uid(Kind::User, "alice"),
                tool: uid(Kind::Tool, "read"),
            },
            size: 0,
        },
        principal: uid(Kind::Component, "desk"),
        resource: uid(Kind::File, "desk/data:/a.txt"),
    }
}

fn facts() -> Facts {
    Facts {
        approval: None,
        entities: Vec::new(),
        environment: "test".into(),
        history: BTreeMap::new(),
        local: LocalTime {
            minute: 600,
            weekday: 2,
        },
        now: Timestamp(1_795_249_800_250_000),
        provenance: ProvenanceFacts::default(),
        run: RunFacts::default(),
    }
}

fn facts_with_file() -> Facts {
    let root = uid(Kind::Directory, "desk/data:/");
    let file = Entity::new(uid(Kind::File, "desk/data:/a.txt"), [root.clone()]);
    let root = Entity::new(root, [uid(Kind::Label, "private")]);
    Facts {
        entities: vec![root, file],
        ..facts()
    }
}

fn tainted() -> Facts {
    let labels = ["private", "untrusted"].map(str::to_owned).into();
    Facts {
        run: RunFacts {
            labels,
            ..RunFacts::default()
        },
        ..facts()
    }
}

fn names(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

/// The outcome and the determining policies, or the first error.
fn answer(decision: &Decision) -> String {
    let ids: Vec<&str> = decision.basis().ids().collect();
    match decision.basis().errors.first() {
        Some(error) => format!("{}: {error}", decision.outcome()),
        None => format!("{} by {}", decision.outcome(), ids.join(" ")),
    }
}

/// The approvals that an escalation asks for.
fn requirement(decision: &Decision) -> Requirement {
    match decision {
        Decision::Escalate(_, requirement) => requirement.clone(),
        other => panic!("no escalation: {other:?}"),
    }
}

/// The facts once the roles have approved what `requirement` asks for.
fn approved(facts: &Facts, requirement: &Requirement, roles: &[&str], count: u64) -> Facts {
    let granted = PriorApproval {
        count,
        lifts: requirement.lifts.clone(),
        roles: names(roles),
    };
    Facts {
        approval: Some(granted),
        ..facts.clone()
    }
}
