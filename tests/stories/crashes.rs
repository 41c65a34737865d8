//! kill -9, with a real process: before the start is durable, and between start and outcome.

use std::{
    fs,
    process::{Command, Stdio},
};

use tollgate_model::record::{Event, Status};
use tollgate_testkit::{
    binary,
    command::id,
    world::{MARK, World, call, denied_by, is_released, records, starts, user},
};

/// The command under test, as alice.
fn tollgate(world: &World) -> Command {
    let mut command = Command::new(binary());
    command
        .arg("--config")
        .arg(world.path("tollgate.toml"))
        .stdin(Stdio::null());
    command
}

fn world() -> World {
    let world = World::new("");
    let entry = format!("[users.alice]\nlogin = \"{}\"\n", id("-un"));
    world.configure("[users.alice]\n", &entry);
    world
}

/// Runs the command with one write, killed when one of its threads enters its N-th sync: of any file, or
/// only of the ledger's log. Returns whether it finished.
fn crash_at(world: &World, n: u32, log_only: bool) -> bool {
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-q", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"])
        .args([
            "-e",
            &format!("inject=fsync,fdatasync:signal=SIGKILL:when={n}"),
        ]);
    if log_only {
        strace.arg("-P").arg(world.path(".tollgate/ledger.db-wal"));
    }
    let status = strace
        .arg(binary())
        .arg("--config")
        .arg(world.path("tollgate.toml"))
        .args(["call", "files__write", "--agent", "support", "--run", "r"])
        .args(["--args", r#"{"path":"effect.txt","text":"once"}"#])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("strace runs (apt-get install strace)");
    status.success()
}

/// The state after a crash and the next start. Returns whether the call had been started.
async fn aftermath(world: &World, n: u32) -> bool {
    let happened = world.path("data/effect.txt").exists();
    let gate = world.open().await;
    let key = world.config().store.key;
    gate.ledger().reader().verify(Some(&key), |_| {}).unwrap();
    let run = gate
        .ledger()
        .reader()
        .run_by_key("default", &agent(), &user("alice"), "r")
        .unwrap();
    let started = run.as_ref().map_or(0, |run| starts(&gate, run.id));
    assert!(
        !happened || started == 1,
        "crash {n}: an effect without a durable start"
    );
    if let Some(run) = run {
        let outcomes = records(&gate, run.id)
            .iter()
            .filter(|r| matches!(r.event, Event::Outcome(_)))
            .count();
        assert_eq!(outcomes, started, "crash {n}: every start has one outcome");
    }
    gate.close().await;
    started == 1
}

/// Every state of the disk at a sync is a state that a crash can leave.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_sync_leaves_no_effect_without_its_record() {
    let (mut before, mut after) = (0, 0);
    for log_only in [false, true] {
        let mut crashes = 0;
        for n in 1..60 {
            let world = world();
            if log_only {
                // The store already exists, so the syncs are those of the call.
                world.open().await.close().await;
            }
            if crash_at(&world, n, log_only) {
                break;
            }
            crashes += 1;
            if aftermath(&world, n).await {
                after += 1;
            } else {
                before += 1;
            }
        }
        assert!((2..59).contains(&crashes), "{crashes} crashes");
    }
    assert!(
        before > 0 && after > 0,
        "crashes hit both sides of the start: {before}, {after}"
    );
}

/// A history fact is as durable as the calls that it counts.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_sync_neither_loses_nor_invents_a_count() {
    let (mut before, mut after) = (0, 0);
    for n in 1..60 {
        let world = counting_world();
        world.open().await.close().await;
        if crash_at(&world, n, true) {
            break;
        }
        let gate = world.open().await;
        let run = gate
            .ledger()
            .reader()
            .run_by_key("default", &agent(), &user("alice"), "r")
            .unwrap();
        let started = run.map_or(0, |run| starts(&gate, run.id));
        // Another run, of the same agent: the limit is one call.
        let arguments = r#"{"path":"again.txt","text":"twice"}"#;
        let answer = call(&gate, "other", "files__write", arguments).await;
        match started {
            0 => assert!(is_released(&answer), "crash {n}: {answer:?}"),
            _ => assert_eq!(denied_by(&answer), ["one-write"], "crash {n}"),
        }
        if started == 0 {
            before += 1;
        } else {
            after += 1;
        }
        gate.close().await;
    }
    assert!(
        before > 0 && after > 0,
        "crashes hit both sides of the start: {before}, {after}"
    );
}

/// A world in which the agent may write once a day.
fn counting_world() -> World {
    let world = World::new(
        r#"
@id("one-write") @owner("tests") @reason("One a day.")
forbid (principal, action == Tollgate::Action::"files__write", resource) when { context.facts.writes >= 1 };
"#,
    );
    let entry = format!(
        "[facts.writes]\nof = [\"files__write\"]\nby = [\"principal\"]\nwithin = \"24h\"\n\
         [users.alice]\nlogin = \"{}\"\n",
        id("-un")
    );
    world.configure("[users.alice]\n", &entry);
    world
}

fn agent() -> tollgate_model::entity::Uid {
    tollgate_model::entity::Uid::new(tollgate_model::entity::Kind::Agent, "support")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_start_and_outcome_is_indeterminate_and_not_repeated() {
    let world = world();
    world.configure(
        "cpu = \"200ms\", time = \"5s\"",
        "cpu = \"60s\", time = \"60s\", fuel = 9000000000000",
    );
    let mut child = tollgate(&world)
        .args([
            "call",
            "hostile__write_then_loop",
            "--args",
            MARK,
            "--agent",
            "support",
            "--run",
            "r",
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let marker = || {
        let entries = fs::read_dir(world.path("data")).unwrap();
        entries
            .filter(|e| {
                e.as_ref()
                    .unwrap()
                    .file_name()
                    .to_string_lossy()
                    .contains("marker")
            })
            .count()
    };
    while marker() == 0 {
        assert!(
            child.try_wait().unwrap().is_none(),
            "the guest ended by itself"
        );
        tokio::task::yield_now().await;
    }
    child.kill().unwrap();
    child.wait().unwrap();

    let gate = world.open().await;
    let run = gate
        .ledger()
        .reader()
        .run_by_key("default", &agent(), &user("alice"), "r")
        .unwrap()
        .unwrap();
    let statuses: Vec<Status> = records(&gate, run.id)
        .iter()
        .filter_map(|r| match &r.event {
            Event::Outcome(outcome) => Some(outcome.status),
            _ => None,
        })
        .collect();
    assert_eq!(statuses, [Status::Indeterminate]);
    assert_eq!(starts(&gate, run.id), 1, "the gate does not retry");
    assert_eq!(marker(), 1);
    gate.ledger()
        .reader()
        .verify(Some(&world.config().store.key), |_| {})
        .unwrap();
    gate.close().await;
}
