//! Calls of external tools through the whole pipeline, with a real ledger: which labels join which run, and
//! when.

mod facts;
mod provenance;

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use tempfile::TempDir;
use tollgate_model::{ids::RunId, record::HaltScope, time::Timestamp};

use crate::{
    CallOptions, CallRequest, Caller, Config, Gate, GateOptions, RunKey,
    gate::{AuthorizedCall, CallRef, OperateError, ReportedOutcome},
    ids::Clock,
};

const CONFIG: &str = r#"
[external.desk]
tools = "tools.json"
[tools.desk__read]
labels = ["private"]
taints = []
[tools.desk__send]
labels = ["egress"]
taints = []
[users.alice]
roles = ["operator"]
[users.bob]
[agents.support]
operator = "alice"
"#;

const TOOLS: &str = r#"[
{"name": "read", "inputSchema": {"type": "object"}},
{"name": "send", "inputSchema": {"type": "object"}}
]"#;

const POLICIES: &str = r#"
@id("all") @owner("tests")
permit (principal, action, resource);
@id("private-stays") @owner("tests") @reason("Private data stays in.")
forbid (principal, action in Tollgate::Action::"call", resource in Tollgate::Label::"egress")
when { context.run.labels.contains(Tollgate::Label::"private") };
"#;

const MINUTE: i64 = 60_000_000;

struct World {
    dir: TempDir,
    now: Arc<AtomicI64>,
}

impl World {
    fn new(memory: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| fs::write(dir.path().join(path), text).unwrap();
        fs::create_dir(dir.path().join("policies")).unwrap();
        write("tollgate.toml", &format!("{CONFIG}{memory}"));
        write("tools.json", TOOLS);
        write("policies/all.cedar", POLICIES);
        let now = Arc::new(AtomicI64::new(1_795_428_000_000_000));
        Self { dir, now }
    }

    async fn open(&self) -> Gate {
        let config = Config::read(&self.dir.path().join("tollgate.toml")).unwrap();
        let now = Arc::clone(&self.now);
        let options = GateOptions {
            clock: Clock::new(move || Timestamp(now.load(Ordering::Relaxed))),
            ..GateOptions::default()
        };
        Gate::open(config, options).await.unwrap()
    }

    fn pass(&self, minutes: i64) {
        self.now.fetch_add(minutes * MINUTE, Ordering::Relaxed);
    }
}

fn for_user(user: &str) -> Caller {
    Caller::Agent {
        name: "support".into(),
        on_behalf_of: Some(user.into()),
    }
}

/// Whether a call of `tool` in `run` may be executed.
async fn authorize(gate: &Gate, user: &str, run: &str, tool: &str) -> Option<AuthorizedCall> {
    let request = CallRequest {
        tool: format!("desk__{tool}"),
        arguments: "{}".into(),
    };
    let key = RunKey::Named(run.into());
    let options = CallOptions::default();
    gate.authorize(&for_user(user), &key, request, None, options)
        .await
        .ok()
}

async fn finish(gate: &Gate, user: &str, call: &AuthorizedCall) {
    let outcome = ReportedOutcome {
        failed: false,
        content: "done".into(),
    };
    gate.report_outcome(&for_user(user), &CallRef::Call(call.call), outcome)
        .await
        .unwrap();
}

fn labels(gate: &Gate, run: RunId) -> Vec<String> {
    let row = gate.ledger().reader().run(&run.to_string()).unwrap();
    row.labels.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_run_does_not_wash_labels_off() {
    let world = World::new("");
    let gate = world.open().await;
    let clean = authorize(&gate, "alice", "clean", "send").await.unwrap();
    finish(&gate, "alice", &clean).await;
    let read = authorize(&gate, "alice", "dirty", "read").await.unwrap();
    finish(&gate, "alice", &read).await;
    for run in ["dirty", "new", "clean"] {
        assert!(
            authorize(&gate, "alice", run, "send").await.is_none(),
            "{run}"
        );
    }
    assert!(labels(&gate, clean.run).contains(&"private".to_owned()));
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_for_one_user_taints_no_other() {
    let world = World::new("");
    let gate = world.open().await;
    let read = authorize(&gate, "alice", "r", "read").await.unwrap();
    finish(&gate, "alice", &read).await;
    assert!(authorize(&gate, "bob", "b", "send").await.is_some());
    gate.close().await;
    // The same holds after a restart, when memory is read from the ledger.
    let gate = world.open().await;
    assert!(authorize(&gate, "bob", "b2", "send").await.is_some());
    assert!(authorize(&gate, "alice", "a2", "send").await.is_none());
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_as_wide_as_the_operator_says() {
    for (memory, other_run, other_user) in [
        ("memory = \"run\"", true, true),
        ("memory = \"user\"", false, true),
        ("memory = \"agent\"", false, false),
    ] {
        let world = World::new(memory);
        let gate = world.open().await;
        let read = authorize(&gate, "alice", "r", "read").await.unwrap();
        finish(&gate, "alice", &read).await;
        let may = authorize(&gate, "alice", "other", "send").await.is_some();
        assert_eq!(may, other_run, "{memory}");
        let may = authorize(&gate, "bob", "b", "send").await.is_some();
        assert_eq!(may, other_user, "{memory}");
        gate.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_forgotten_after_the_window() {
    let world = World::new("");
    let gate = world.open().await;
    let read = authorize(&gate, "alice", "r", "read").await.unwrap();
    finish(&gate, "alice", &read).await;
    world.pass(61);
    assert!(authorize(&gate, "alice", "later", "send").await.is_some());
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_its_caller_executes_taints_from_its_start() {
    let world = World::new("");
    let gate = world.open().await;
    let read = authorize(&gate, "alice", "r", "read").await.unwrap();
    assert_eq!(labels(&gate, read.run), ["private"]);
    for run in ["r", "other"] {
        assert!(
            authorize(&gate, "alice", run, "send").await.is_none(),
            "{run}"
        );
    }
    gate.close().await;
    let gate = world.open().await;
    assert!(labels(&gate, read.run).contains(&"private".to_owned()));
    assert!(authorize(&gate, "alice", "after", "send").await.is_none());
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halt_of_something_unknown_is_an_error() {
    let world = World::new("");
    let gate = world.open().await;
    let alice = gate.user("alice").unwrap();
    for (scope, name) in [
        (HaltScope::Tool, "desk__raed"),
        (HaltScope::Tool, "desk__*"),
        (HaltScope::Agent, "suport"),
        (HaltScope::Component, "desc"),
        (HaltScope::Tenant, "acme"),
    ] {
        let refused = gate.halt(&alice, scope, name, "typo").await;
        let Err(OperateError::Unknown(problem)) = refused else {
            panic!("{name}: {refused:?}");
        };
        let near = ["desk__read", "support", "desk"];
        let is_near = near
            .iter()
            .any(|near| problem.contains(&format!("`{near}`")));
        assert!(is_near || name == "desk__*" || name == "acme", "{problem}");
    }
    assert!(gate.ledger().reader().halts().unwrap().is_empty());
    gate.halt(&alice, HaltScope::Tool, "desk__read", "stop")
        .await
        .unwrap();
    assert!(authorize(&gate, "alice", "r", "read").await.is_none());
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_is_no_longer_configured_stays_known() {
    let world = World::new("");
    let configuration = |labels: &str| {
        let text = CONFIG.replace("[\"private\"]", labels);
        fs::write(world.dir.path().join("tollgate.toml"), text).unwrap();
    };
    configuration("[\"payroll\"]");
    let gate = world.open().await;
    let read = authorize(&gate, "alice", "r", "read").await.unwrap();
    finish(&gate, "alice", &read).await;
    gate.close().await;
    configuration("[\"salaries\"]");
    let gate = world.open().await;
    assert!(authorize(&gate, "alice", "r", "send").await.is_some());
    assert!(authorize(&gate, "alice", "new", "send").await.is_some());
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_is_no_longer_offered_stays_known() {
    let world = World::new("");
    let gate = world.open().await;
    let read = authorize(&gate, "alice", "r", "read").await.unwrap();
    finish(&gate, "alice", &read).await;
    gate.close().await;
    let without = CONFIG.split("[tools.desk__read]").collect::<Vec<_>>();
    let (before, after) = (without[0], without[1].split_once("[tools.").unwrap().1);
    let text = format!("{before}[tools.{after}");
    fs::write(world.dir.path().join("tollgate.toml"), text).unwrap();
    let tools = r#"[{"name": "send", "inputSchema": {"type": "object"}}]"#;
    fs::write(world.dir.path().join("tools.json"), tools).unwrap();
    let policy = r#"@id("all") @owner("tests") permit (principal, action, resource);"#;
    fs::write(world.dir.path().join("policies/all.cedar"), policy).unwrap();
    let gate = world.open().await;
    assert!(authorize(&gate, "alice", "r", "send").await.is_some());
    assert!(authorize(&gate, "alice", "new", "send").await.is_some());
    gate.close().await;
}
