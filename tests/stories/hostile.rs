//! Hostile guests: each ends as expected, within its time and memory, and other calls are not affected.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tollgate::{
    enforce::Verdict,
    gate::Gate,
    tool::{Content, FailureKind},
};
use tollgate_model::record::{ComponentLog, Event, Status};

/// How a hostile call must end.
#[derive(Debug, Clone, Copy)]
enum Ends {
    /// Stopped by the sandbox, without any effect.
    With(Status),
    /// Stopped by the sandbox: its time or its fuel was used up, whichever happens first on this machine.
    Exhausted,
    /// It returned, and its result was cut to its limit.
    Cut,
    /// It returned something small: its request was limited.
    Bounded,
    /// It was denied.
    Refused,
}

use Ends::{Bounded, Cut, Exhausted, Refused, With};
use tollgate_testkit::world::{World, call, is_released, records};

const HOSTILE: &[(&str, &str, Ends)] = &[
    ("loop_forever", "{}", Exhausted),
    ("copy_storm", "{}", Exhausted),
    ("memory_bomb", "{}", With(Status::MemoryExhausted)),
    ("allocation_bomb", "{}", With(Status::MemoryExhausted)),
    ("recurse", "{}", With(Status::Trap)),
    ("trap", "{}", With(Status::Trap)),
    ("panic_with", r#"{"message":"loud"}"#, With(Status::Trap)),
    ("huge_output", r#"{"bytes":16777216}"#, Cut),
    ("log_flood", r#"{"times":2000}"#, Bounded),
    ("progress_flood", r#"{"times":500}"#, Bounded),
    ("odd_settings", "{}", Bounded),
    ("state_bomb", r#"{"run":true,"bytes":100000}"#, Bounded),
    (
        "read_path",
        r#"{"grant":"data","path":"../vault/customer.txt"}"#,
        Refused,
    ),
    (
        "read_path",
        r#"{"grant":"data","path":"/etc/passwd"}"#,
        Refused,
    ),
    ("claim_denied", r#"{"message":"\u001b[2Jforged"}"#, Refused),
];

/// Resident bytes of this process.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096
}

fn check(what: &str, verdict: &Verdict, ends: Ends) {
    match (ends, verdict) {
        (With(expected), Verdict::Ended { status, effects }) => {
            assert_eq!((*status, *effects), (expected, false), "{what}");
        }
        (Exhausted, Verdict::Ended { status, effects }) => {
            let out = matches!(status, Status::Timeout | Status::FuelExhausted);
            assert!(out && !effects, "{what}: {status:?}");
        }
        (Cut, Verdict::Released { content, .. }) => {
            let bytes: usize = content
                .iter()
                .map(|part| match part {
                    Content::Text { text } => text.len(),
                    _ => 0,
                })
                .sum();
            assert!(bytes <= (1 << 20) + 1024, "{what}: {bytes} bytes");
        }
        (Bounded, Verdict::Released { content, .. }) => {
            assert!(format!("{content:?}").len() < 10_000, "{what}");
        }
        (Bounded, Verdict::ToolError(_)) => {}
        (Refused, Verdict::ToolError(failure)) => {
            assert!(
                matches!(failure.kind, FailureKind::Failed | FailureKind::Denied),
                "{what}: {failure:?}"
            );
        }
        (_, verdict) => panic!("{what}: {verdict:?}"),
    }
}

/// Makes calls until told to stop; each must succeed.
fn neighbour(
    gate: &Gate,
) -> (
    Arc<AtomicBool>,
    Arc<AtomicUsize>,
    tokio::task::JoinHandle<()>,
) {
    let (over, calls) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let task = tokio::spawn({
        let (gate, over, calls) = (gate.clone(), Arc::clone(&over), Arc::clone(&calls));
        async move {
            while !over.load(Ordering::SeqCst) {
                let quote = r#"{"amount":1,"currency":"EUR"}"#;
                let answer = call(&gate, "neighbour", "payments__quote", quote).await;
                assert!(is_released(&answer), "{answer:?}");
                calls.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    (over, calls, task)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_hostile_guest_is_contained_while_a_neighbour_goes_on() {
    let world = World::new("");
    // Enough for each to reach its own limit on a busy machine; looping guests use all of it.
    world.configure(
        r#"cpu = "200ms", time = "5s""#,
        r#"cpu = "1s", time = "60s""#,
    );
    let mut config = world.read("tollgate.toml");
    for tool in HOSTILE
        .iter()
        .map(|(tool, ..)| tool)
        .collect::<BTreeSet<_>>()
    {
        let table = format!("[tools.hostile__{tool}]\n");
        if !config.contains(&table) {
            config.push_str(&format!("{table}labels = []\n"));
        }
    }
    world.write("tollgate.toml", &config);
    let gate = world.open().await;
    let (over, calls, task) = neighbour(&gate);
    let before = resident();
    for (tool, arguments, ends) in HOSTILE {
        let name = format!("hostile__{tool}");
        let run = format!("run-{tool}");
        let begun = calls.load(Ordering::SeqCst);
        let answer = tokio::time::timeout(
            Duration::from_secs(120),
            call(&gate, &run, &name, arguments),
        );
        let answer = answer.await.expect("it ends by itself");
        check(tool, &answer.verdict, *ends);
        // Other calls ran meanwhile, and still do.
        while calls.load(Ordering::SeqCst) < begun + 2 {
            assert!(!task.is_finished(), "the neighbour of {tool} failed");
            tokio::task::yield_now().await;
        }
        let grown = resident().saturating_sub(before);
        assert!(grown < 512 << 20, "{tool}: {} MiB more", grown >> 20);
    }
    over.store(true, Ordering::SeqCst);
    task.await.unwrap();
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_computes_leaves_turns_to_others() {
    let world = World::new("");
    world.configure(
        r#"cpu = "200ms", time = "5s""#,
        r#"cpu = "1s", time = "60s""#,
    );
    let gate = world.open().await;
    // More of them than there are threads.
    let loops: Vec<_> = (0..4)
        .map(|i| {
            let gate = gate.clone();
            tokio::spawn(async move {
                call(&gate, &format!("loop-{i}"), "hostile__loop_forever", "{}").await
            })
        })
        .collect();
    let quote = r#"{"amount":1,"currency":"EUR"}"#;
    let mut during = 0;
    while !loops.iter().any(tokio::task::JoinHandle::is_finished) {
        assert!(is_released(
            &call(&gate, "neighbour", "payments__quote", quote).await
        ));
        during += 1;
    }
    assert!(during > 3, "only {during} calls while four guests computed");
    for ended in loops {
        check("loop_forever", &ended.await.unwrap().verdict, Exhausted);
    }
    gate.close().await;
}

/// The log lines of the only call of a run.
fn logged(gate: &Gate, answer: &tollgate::enforce::Answer) -> Vec<ComponentLog> {
    let logs = records(gate, answer.run.unwrap()).into_iter();
    logs.filter_map(|record| match record.event {
        Event::ComponentLog(log) => Some(log),
        _ => None,
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_read_why_a_guest_was_stopped_and_agents_do_not() {
    let world = World::new("");
    let gate = world.open().await;
    for (tool, told, why) in [
        ("trap", "The tool crashed.", "wasm trap: wasm `unreachable`"),
        // Its own stack, within its memory.
        (
            "recurse",
            "The tool crashed.",
            "out of bounds memory access",
        ),
        (
            "memory_bomb",
            "The tool asked for more memory",
            "it asked for more memory than it may have",
        ),
    ] {
        let answer = call(&gate, tool, &format!("hostile__{tool}"), "{}").await;
        let message = answer.message().unwrap();
        assert!(message.starts_with(told), "{message}");
        assert!(!message.contains("wasm"), "{message}");
        let logs = logged(&gate, &answer);
        let stop = logs.last().unwrap();
        assert_eq!(stop.level, "error");
        assert!(stop.message.starts_with(told), "{}", stop.message);
        assert!(stop.message.contains(why), "{}", stop.message);
        assert!(stop.message.contains("wasm backtrace"), "{}", stop.message);
    }
    let answer = call(&gate, "flood", "hostile__log_flood", r#"{"times":2000}"#).await;
    let logs = logged(&gate, &answer);
    let bytes: usize = logs.iter().map(|log| log.message.len()).sum();
    assert!(logs.len() <= 101 && bytes < (64 << 10) + 100, "{bytes}");
    assert!(logs.last().unwrap().message.starts_with("[more lines"));
    gate.close().await;
}
