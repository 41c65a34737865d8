//! Calls that are counted: facts compared with a list of all calls, limits under many callers, restarts.

mod examples;
mod limits;
mod oracle;

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use serde_json::Value;
use tempfile::TempDir;
use tollgate_ledger::Sync;
use tollgate_model::{
    history::FactValue,
    ids::RunId,
    record::{DecisionRecord, Event},
    request::{Facts, Request},
    time::Timestamp,
};

use crate::{
    Answer, CallOptions, CallRequest, Caller, Config, Gate, GateOptions, RunKey,
    gate::{AuthorizedCall, CallRef, ReportedOutcome},
    ids::Clock,
};

const TOOLS: &str = r#"[
{"name": "pay", "inputSchema": {"type": "object", "properties": {
    "customer": {"type": "string"}, "amount": {"type": "number"}, "deny": {"type": "boolean"},
    "ask": {"type": "boolean"}}}},
{"name": "send", "inputSchema": {"type": "object", "properties": {
    "to": {"type": "array", "items": {"type": "string"}}, "deny": {"type": "boolean"}}}},
{"name": "login", "inputSchema": {"type": "object", "properties": {"who": {"type": "string"}}}}
]"#;

const CONFIG: &str = r#"
[external.desk]
tools = "tools.json"
[tools.desk__pay]
labels = []
taints = []
[tools.desk__send]
labels = ["egress"]
taints = []
[tools.desk__login]
labels = []
taints = []
[users.alice]
roles = ["operator"]
[users.bob]
[agents.support]
operator = "alice"
"#;

const PERMIT: &str = r#"
@id("all") @owner("tests") permit (principal, action, resource);
"#;

/// A gate's folder, and the time in it.
struct Desk {
    dir: TempDir,
    now: Arc<AtomicI64>,
}

impl Desk {
    fn new(facts: &str, policies: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| fs::write(dir.path().join(path), text).unwrap();
        fs::create_dir(dir.path().join("policies")).unwrap();
        write("tollgate.toml", &format!("{CONFIG}{facts}"));
        write("tools.json", TOOLS);
        write("policies/all.cedar", &format!("{PERMIT}{policies}"));
        let now = Arc::new(AtomicI64::new(1_795_428_000_000_000));
        Self { dir, now }
    }

    async fn open(&self) -> Gate {
        self.open_with(Sync::Off).await
    }

    async fn open_with(&self, sync: Sync) -> Gate {
        let config = Config::read(&self.dir.path().join("tollgate.toml")).unwrap();
        let now = Arc::clone(&self.now);
        let options = GateOptions {
            clock: Clock::new(move || Timestamp(now.load(Ordering::Relaxed))),
            sync,
            ..GateOptions::default()
        };
        Gate::open(config, options).await.unwrap()
    }

    fn pass(&self, micros: i64) {
        self.now.fetch_add(micros, Ordering::Relaxed);
    }

    fn now(&self) -> i64 {
        self.now.load(Ordering::Relaxed)
    }
}

fn for_user(user: &str) -> Caller {
    Caller::Agent {
        name: "support".into(),
        on_behalf_of: Some(user.into()),
    }
}

async fn call(
    gate: &Gate,
    user: &str,
    run: &str,
    tool: &str,
    arguments: &Value,
) -> Result<AuthorizedCall, Answer> {
    let request = CallRequest {
        tool: tool.to_owned(),
        arguments: arguments.to_string(),
    };
    let (run, options) = (RunKey::Named(run.into()), CallOptions::default());
    gate.authorize(&for_user(user), &run, request, None, options)
        .await
}

async fn finish(gate: &Gate, user: &str, call: &AuthorizedCall, failed: bool, content: &str) {
    let outcome = ReportedOutcome {
        failed,
        content: content.into(),
    };
    gate.report_outcome(&for_user(user), &CallRef::Call(call.call), outcome)
        .await
        .unwrap();
}

/// The latest decision about a call, with the facts that it saw.
fn latest(gate: &Gate) -> (DecisionRecord, Facts) {
    let reader = gate.ledger().reader();
    let filter = tollgate_ledger::RecordFilter {
        order: tollgate_ledger::Order::NewestFirst,
        ..tollgate_ledger::RecordFilter::default()
    };
    let mut found = None;
    reader
        .records(&filter, |index, record| match record.event {
            Event::Decision(decision) if decision.action.is_call() => {
                found = Some((index, *decision));
                std::ops::ControlFlow::Break(())
            }
            _ => std::ops::ControlFlow::Continue(()),
        })
        .unwrap();
    let (index, decision) = found.unwrap();
    let digest = decision.facts_digest.unwrap();
    let payload = reader.payload(index, digest).unwrap().unwrap();
    let plain = gate.ledger().keys().open(&payload, "facts").unwrap();
    let (_, facts): (Request, Facts) = serde_json::from_slice(&plain).unwrap();
    (decision, facts)
}

fn run_of(gate: &Gate, run: &str) -> Option<RunId> {
    let rows = gate
        .ledger()
        .reader()
        .runs(&tollgate_ledger::RunFilter::default());
    let rows = rows.unwrap().into_iter();
    let mut named = rows.filter(|row| row.key.as_deref() == Some(run));
    named.next().map(|row| row.id)
}

fn long(n: usize) -> FactValue {
    FactValue::Long(i64::try_from(n).unwrap())
}
