//! Deciding, loading and replaying, compared with Cedar's own authorizer over the whole set in the same
//! run.
//!
//! Prints JSON lines `{name, value, unit, floor, ratio}`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that cannot be set up ends, and prints what it found"
)]

use std::{collections::BTreeMap, hint::black_box, time::Instant};

use cedar_policy::{Authorizer, Context, Entities, PolicySet, Request as CedarRequest};
use serde_json::json;
use tollgate::{
    config::policy_files, enforce::CallRequest, gate::Gate, gate::GateOptions, identity::Caller,
    identity::RunKey, ids::Clock, replay::Replay,
};
use tollgate_ledger::{RecordFilter, Sync};
use tollgate_model::{
    entity::{Entity, Kind, Uid},
    provenance::ProvenanceFacts,
    request::{Action, ActionContext, Facts, Request, RunFacts},
    time::{LocalTime, Timestamp},
};
use tollgate_policy::{
    pdp::{Bundle, Pdp, ToolTypes},
    policy::PolicyFile,
};
use tollgate_testkit::measure::{configured_with, line, runtime};

const TOOLS: usize = 10;
/// Policies that can match the request, for any size of the set.
const MATCHING: usize = 10;

fn main() {
    let decided = [10, 10_000, 100_000].map(decide);
    let [ten, many, most] = decided;
    line("policy.decide.10000", many.ours, "us", Some(many.whole));
    // Two digits are not enough for such a small share.
    println!(
        "{}",
        json!({ "name": "policy.decide.10000.ratio", "value": many.ours / many.whole, "unit": "ratio" })
    );
    line("policy.flat", most.ours, "us", Some(ten.ours));
    line("policy.decide.p50", ten.ours, "us", None);
    load_many();
    check(20_000);
    check(100_000);
    replay();
}

/// Median microseconds.
struct Decided {
    ours: f64,
    whole: f64,
}

fn agent(n: usize) -> Uid {
    Uid::new(Kind::Agent, format!("agent{n}"))
}

fn tool(n: usize) -> String {
    format!("desk__tool{n}")
}

/// `count` policies, of which ten can match a call of tool 0 by agent 0.
fn policies(count: usize) -> Vec<PolicyFile> {
    let mut files: Vec<PolicyFile> = Vec::new();
    for first in (0..count).step_by(1000) {
        let mut text = String::new();
        for n in first..(first + 1000).min(count) {
            let effect = if n == 0 { "permit" } else { "forbid" };
            let (who, what) = if n < MATCHING {
                (0, 0)
            } else {
                (1 + n % (count / TOOLS), n % TOOLS)
            };
            text.push_str(&format!(
                "@id(\"p{n}\")\n@owner(\"bench\")\n@reason(\"Policy {n}.\")\n{effect} (principal == \
                 Tollgate::Agent::\"agent{who}\", action == Tollgate::Action::\"{}\", resource)\nwhen {{ \
                 context.run.calls {} {n} && context.input.amount < 10000 }};\n",
                tool(what),
                if n == 0 { ">=" } else { "> 1000 +" },
            ));
        }
        files.push(PolicyFile {
            name: format!("{first}.cedar"),
            text,
        });
    }
    files
}

fn bundle(count: usize) -> Bundle {
    let component = Uid::new(Kind::Component, "desk");
    let clerk = Uid::new(Kind::Role, "clerk");
    let label = Uid::new(Kind::Label, "private");
    let mut entities = vec![
        Entity::new(component.clone(), []),
        Entity::new(clerk.clone(), []),
        Entity::new(label.clone(), []),
        Entity::new(Uid::new(Kind::User, "alice"), [clerk.clone()]),
    ];
    let agents = 0..=(count / TOOLS).max(1);
    entities.extend(agents.map(|n| Entity::new(agent(n), [clerk.clone()])));
    let mut tools = BTreeMap::new();
    for n in 0..TOOLS {
        let parents = [component.clone(), label.clone()];
        entities.push(Entity::new(Uid::new(Kind::Tool, tool(n)), parents));
        let types = ToolTypes {
            input_schema: json!({
                "type": "object",
                "required": ["amount"],
                "properties": { "amount": { "type": "integer" }, "note": { "type": "string" } },
            }),
            numbers: BTreeMap::new(),
        };
        tools.insert(tool(n), types);
    }
    Bundle::new(entities, policies(count), tools)
}

fn request() -> (Request, Facts) {
    let request = Request {
        action: Action::Call(tool(0)),
        context: ActionContext::Call {
            on_behalf_of: Uid::new(Kind::User, "alice"),
            input: json!({ "amount": 42, "note": "as agreed" }),
            via: Default::default(),
        },
        principal: agent(0),
        resource: Uid::new(Kind::Tool, tool(0)),
    };
    let facts = Facts {
        approval: None,
        entities: Vec::new(),
        environment: "bench".into(),
        history: BTreeMap::new(),
        local: LocalTime {
            minute: 600,
            weekday: 2,
        },
        now: Timestamp(1_795_249_800_250_000),
        provenance: ProvenanceFacts::default(),
        run: RunFacts {
            calls: 3,
            labels: ["private".to_owned()].into(),
            ..RunFacts::default()
        },
    };
    (request, facts)
}

fn median(mut work: impl FnMut(), times: usize) -> f64 {
    let mut took: Vec<f64> = (0..times)
        .map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    took.sort_by(f64::total_cmp);
    took.get(took.len() / 2).copied().unwrap()
}

fn decide(count: usize) -> Decided {
    let bundle = bundle(count);
    let pdp = Pdp::load(&bundle).unwrap();
    let (request, facts) = request();
    assert!(pdp.decide(&request, &facts).outcome().allows());
    let ours = median(|| drop(black_box(pdp.decide(&request, &facts))), 5_000);
    let whole = if count > 10_000 {
        0.0
    } else {
        whole(&bundle, &facts)
    };
    Decided { ours, whole }
}

/// Cedar's authorizer over the whole set, with a prepared request.
fn whole(bundle: &Bundle, facts: &Facts) -> f64 {
    let mut set = PolicySet::new();
    for (file, text) in bundle.policies.iter().map(|f| (&f.name, &f.text)) {
        let parsed: PolicySet = text.parse().unwrap();
        for (n, policy) in parsed.policies().enumerate() {
            let id = cedar_policy::PolicyId::new(format!("{file}-{n}"));
            set.add(policy.new_id(id)).unwrap();
        }
    }
    let uid = |uid: &str| uid.parse::<cedar_policy::EntityUid>().unwrap();
    let json = json!({
        "input": { "amount": 42, "note": "as agreed" },
        "run": { "calls": facts.run.calls },
    });
    let cedar = CedarRequest::new(
        uid("Tollgate::Agent::\"agent0\""),
        uid("Tollgate::Action::\"desk__tool0\""),
        uid("Tollgate::Tool::\"desk__tool0\""),
        Context::from_json_value(json, None).unwrap(),
        None,
    )
    .unwrap();
    let (authorizer, entities) = (Authorizer::new(), Entities::empty());
    let answer = authorizer.is_authorized(&cedar, &set, &entities);
    assert_eq!(answer.decision(), cedar_policy::Decision::Allow);
    median(
        || drop(black_box(authorizer.is_authorized(&cedar, &set, &entities))),
        51,
    )
}

/// 100,000 policies parsed, validated and indexed.
fn load_many() {
    let bundle = bundle(100_000);
    let begun = Instant::now();
    let pdp = Pdp::load(&bundle).unwrap();
    line(
        "policy.load.100000",
        begun.elapsed().as_secs_f64(),
        "s",
        None,
    );
    assert_eq!(pdp.policies().len(), 100_000);
}

/// `count` forbids of one action with different conditions, loaded and searched for policies that make no difference.
fn check(count: usize) {
    let forbid = |n: usize| {
        format!(
            "@id(\"p{n}\")\n@owner(\"bench\")\n@reason(\"Policy {n}.\")\nforbid (principal, action == \
             Tollgate::Action::\"{}\", resource)\nwhen {{ context.run.calls > 3 && context.input.amount == {n} }};\n",
            tool(0)
        )
    };
    let files = (0..count).step_by(1000).map(|first| PolicyFile {
        name: format!("{first}.cedar"),
        text: (first..first + 1000).map(forbid).collect(),
    });
    let bundle = Bundle {
        policies: files.collect(),
        ..bundle(10)
    };
    let begun = Instant::now();
    let found = Pdp::load(&bundle).unwrap().lint();
    let name = format!("policy.check.{count}");
    line(&name, begun.elapsed().as_secs_f64(), "s", None);
    assert!(found.is_empty(), "{:?}", found.first());
}

const CONFIG: &str = r#"
[policies]
dir = "policies"
[components.payments]
path = "payments.wasm"
grants.book = { path = "book", mode = "rw" }
[tools.payments__quote]
labels = []
taints = []
[users.alice]
roles = ["operator", "security"]
[agents.support]
operator = "alice"
roles = ["clerk"]
"#;

/// Recorded calls, decided again on two processors.
fn replay() {
    let starters = ["least-privilege", "results", "lethal-trifecta", "operators"];
    let config = configured_with("replay", CONFIG, &starters);
    let runtime = runtime();
    let calls = 5_000;
    runtime.block_on(async {
        let options = GateOptions {
            clock: Clock::system(),
            sync: Sync::Off,
            by: "bench".into(),
            ..GateOptions::default()
        };
        let gate = Gate::open(config.clone(), options).await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for worker in 0..8 {
            let gate = gate.clone();
            tasks.spawn(async move {
                let caller = Caller::Agent {
                    name: "support".into(),
                    on_behalf_of: None,
                };
                for n in 0..calls / 8 {
                    let request = CallRequest {
                        tool: "payments__quote".into(),
                        arguments: format!(r#"{{"amount":{n},"currency":"EUR"}}"#),
                    };
                    let run = RunKey::Named(format!("run-{worker}-{}", n / 100));
                    gate.call(&caller, &run, request).await;
                }
            });
        }
        tasks.join_all().await;
        gate.close().await;
    });
    let reader = tollgate_ledger::LedgerReader::open(&config.store.path).unwrap();
    let keys = reader.keys(&config.store.key).unwrap();
    let replay = Replay {
        reader: &reader,
        keys: &keys,
        candidate: policy_files(&config.policies).unwrap(),
        filter: RecordFilter::default(),
        tool: None,
        threads: 2,
    };
    let begun = Instant::now();
    let replayed = replay.run(|_, _| {}).unwrap();
    assert_eq!(replayed.flipped, 0);
    assert!(replayed.compared >= calls);
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let per_second = replayed.compared as f64 / begun.elapsed().as_secs_f64();
    line("policy.replay", per_second, "decisions/s", None);
}
