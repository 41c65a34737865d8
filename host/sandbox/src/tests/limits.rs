//! Every way in which a guest can end, each with its status, and no state left behind.

use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tollgate_model::{
    record::Status,
    tool::{Content, FailureKind, Limits, Size},
};

use crate::{
    deadline::{DeadlineOutcome, with_deadline},
    test_support::{built, call, calling, guest, load, sandbox, tight},
};

const LOOP: &str = "(loop br 0) unreachable";

async fn status(core: &str) -> Status {
    let execution = call(&load(core), &tight()).await;
    assert_eq!(execution.content.unwrap_err().kind, FailureKind::Ended);
    execution.status
}

/// A `$call` that returns parts: the case of each (0 text, 3 structured), where its text is, how long.
fn returning(parts: &[(u32, u32, u32)], data: &str) -> String {
    let bytes = |words: &[u32]| -> String {
        words
            .iter()
            .flat_map(|w| w.to_le_bytes())
            .map(|b| format!("\\{b:02x}"))
            .collect()
    };
    let list: String = parts
        .iter()
        .map(|(case, at, len)| bytes(&[*case, *at, *len, 0, 0, 0, 0, 0, 0]))
        .collect();
    format!(
        r#"(memory (export "memory") 1024)
    (data (i32.const 0) "{}")
    (data (i32.const 64) "{list}")
    (data (i32.const 60000) "{data}")
    (func $list (result i32) i32.const 0)
    (func $call (param i32 i32 i32 i32) (result i32) i32.const 0)"#,
        bytes(&[0, 64, parts.len() as u32]),
    )
}

#[tokio::test]
async fn an_endless_loop_runs_out_of_time() {
    let execution = call(&load(&calling(LOOP)), &tight()).await;
    assert_eq!(execution.status, Status::Timeout);
    assert!(
        execution.fuel > 0 && execution.peak_memory == 65_536,
        "{execution:?}"
    );
    let wall = Limits {
        wall: Duration::from_millis(30),
        ..Limits::default()
    };
    assert_eq!(
        call(&load(&calling(LOOP)), &wall).await.status,
        Status::Timeout
    );
}

#[tokio::test]
async fn copying_memory_for_ever_runs_out_of_time() {
    let body =
        "(loop (memory.copy (i32.const 0) (i32.const 1) (i32.const 65000)) br 0) unreachable";
    assert_eq!(status(&calling(body)).await, Status::Timeout);
}

#[tokio::test]
async fn fuel_ends_it_at_the_same_place_every_time() {
    let component = load(&calling(LOOP));
    let limits = Limits {
        fuel: 100_000,
        ..Limits::default()
    };
    let (first, mut second) = (
        call(&component, &limits).await,
        call(&component, &limits).await,
    );
    // Everything except the time that it takes.
    second.cpu = first.cpu;
    assert_eq!((first.status, first.fuel), (Status::FuelExhausted, 100_000));
    assert_eq!(first, second);
}

#[tokio::test]
async fn memory_and_tables_end_it_where_they_would_grow_too_far() {
    let grow = "(loop (drop (memory.grow (i32.const 16))) br 0) unreachable";
    let execution = call(&load(&calling(grow)), &Limits::default()).await;
    assert_eq!(execution.status, Status::MemoryExhausted);
    assert!(
        execution.peak_memory <= Size::Standard.max_memory() && execution.peak_memory > 60 << 20
    );

    let small = Limits {
        memory: 17 << 16,
        ..Limits::default()
    };
    let execution = call(&load(&calling(grow)), &small).await;
    assert_eq!(
        (execution.status, execution.peak_memory),
        (Status::MemoryExhausted, 17 << 16)
    );

    assert_eq!(
        status(&calling(
            "(drop (memory.grow (i32.const 60000))) unreachable"
        ))
        .await,
        Status::MemoryExhausted
    );
    let table = "(drop (table.grow (ref.null func) (i32.const 10001))) unreachable";
    assert_eq!(
        status(&format!("(table 0 funcref) {}", calling(table))).await,
        Status::MemoryExhausted
    );
    // Before the call: its initial memory already exceeds the limit.
    let tiny = Limits {
        memory: 65_535,
        ..Limits::default()
    };
    assert_eq!(
        call(&load(&calling(LOOP)), &tiny).await.status,
        Status::MemoryExhausted
    );
}

#[tokio::test]
async fn crashes_are_traps_and_operators_learn_why() {
    let cause = async |core: &str| {
        let execution = call(&load(core), &tight()).await;
        assert_eq!(execution.status, Status::Trap, "{execution:?}");
        assert_eq!(execution.content.unwrap_err().message, "The tool crashed.");
        execution.cause.unwrap()
    };
    assert!(cause(&calling("unreachable")).await.contains("unreachable"));
    let recursion = "(call $call (local.get 0) (local.get 1) (local.get 2) (local.get 3))";
    assert!(cause(&calling(recursion)).await.contains("stack"));
    // Results that violate the canonical ABI.
    cause(&calling("i32.const 65535")).await;
    cause(&calling("i32.const 2")).await;
    cause(&returning(&[(0, 1 << 30, 1)], "")).await;
    cause(&returning(&[(9, 0, 0)], "")).await;
    cause(&returning(&[(0, 60_000, 1)], "\\ff")).await;
}

#[tokio::test]
async fn a_start_function_runs_in_the_call_and_under_its_limits() {
    let endless = format!(
        "{} (func $s (loop br 0)) (start $s)",
        calling("unreachable")
    );
    assert_eq!(status(&endless).await, Status::Timeout);
    let traps = format!("{} (func $s unreachable) (start $s)", calling(LOOP));
    assert_eq!(status(&traps).await, Status::Trap);
}

#[tokio::test]
async fn nothing_of_one_call_is_left_for_the_next() {
    // The text's length is a counter in memory that each call raises.
    let core = returning(&[(0, 60_000, 0)], "aaaa").replace(
        "(result i32) i32.const 0)\n    (func $call (param i32 i32 i32 i32) (result i32) i32.const 0)",
        "(result i32) i32.const 0)\n    (func $call (param i32 i32 i32 i32) (result i32)
           (i32.store (i32.const 72) (i32.add (i32.load (i32.const 72)) (i32.const 1))) i32.const 0)",
    );
    let component = load(&core);
    for _ in 0..20 {
        let content = call(&component, &Limits::default()).await.content;
        assert_eq!(content, Ok(vec![Content::Text { text: "a".into() }]));
    }
}

#[tokio::test]
async fn results_are_cut_to_their_cap_and_counted_whole() {
    let limits = Limits {
        output: 5,
        ..Limits::default()
    };
    let run = async |parts: &[(u32, u32, u32)], data: &str| {
        call(&load(&returning(parts, data)), &limits).await
    };
    let text = |text: &str| Content::Text { text: text.into() };
    // `ü` is two bytes: cut before it, not within.
    let execution = run(
        &[(0, 60_000, 3), (0, 60_000, 3), (0, 60_000, 2)],
        "xx\\c3\\bc",
    )
    .await;
    assert_eq!(
        execution.status,
        Status::Trap,
        "three bytes end within a character"
    );
    let execution = run(&[(0, 60_000, 4), (0, 60_000, 4)], "xx\\c3\\bc").await;
    assert_eq!(execution.content, Ok(vec![text("xxü"), text("x")]));
    assert_eq!(
        (execution.size, execution.cut, execution.status),
        (8, true, Status::Ok)
    );
    let execution = run(&[(0, 60_000, 5)], "aaaaa").await;
    assert_eq!((execution.size, execution.cut), (5, false));
    // Structured data cannot be cut, so it is dropped.
    let execution = run(&[(3, 60_000, 7), (3, 60_000, 2)], "{\\22a\\22:1}").await;
    assert_eq!(execution.status, Status::ToolError, "`{{\"` is not JSON");
    assert!(execution.unusable, "and not the tool's own word");
    let execution = run(&[(3, 60_000, 7)], "{\\22a\\22:1}").await;
    assert_eq!(
        (execution.content, execution.size, execution.cut),
        (Ok(vec![]), 7, true)
    );
    let wide = call(
        &load(&returning(&[(3, 60_000, 7)], "{\\22a\\22:1}")),
        &Limits::default(),
    )
    .await;
    assert_eq!(wide.content, Ok(vec![Content::Structured(json!({"a": 1}))]));
}

#[tokio::test]
async fn a_huge_result_costs_no_more_than_the_guests_own_memory() {
    let most = (1024 << 16) - 60_000;
    let huge = call(
        &load(&returning(&[(0, 60_000, most)], "")),
        &Limits::default(),
    )
    .await;
    assert_eq!(
        (huge.status, huge.size, huge.cut),
        (Status::Ok, u64::from(most), true)
    );
    let Ok([Content::Text { text }]) = huge.content.as_deref() else {
        panic!("{:?}", huge.status)
    };
    assert_eq!(text.len(), 1 << 20);
    // Many parts that share one text: refused because of their total size.
    let parts = vec![(0, 1_000_000, 10_000_000); 100];
    assert_eq!(
        call(&load(&returning(&parts, "")), &Limits::default())
            .await
            .status,
        Status::Trap
    );
}

#[tokio::test(flavor = "current_thread")]
async fn a_busy_guest_gives_way_and_a_halt_ends_it() {
    let limits = Limits {
        cpu: Duration::from_secs(600),
        wall: Duration::from_secs(600),
        ..Limits::default()
    };
    let component = load(&calling(LOOP));
    let (sender, halted) = watch::channel(false);
    let guest = guest(&component, &limits).await;
    // Both share one thread: the halt only happens if the guest yields.
    let (execution, ()) = tokio::join!(guest.call("tool", "{}", halted), async {
        tokio::task::yield_now().await;
        sender.send_replace(true);
    });
    assert_eq!(execution.status, Status::Halted);
    assert!(execution.fuel > 0);
}

#[tokio::test(flavor = "current_thread")]
async fn a_guest_that_keeps_calling_its_host_gives_way_too() {
    let Some(hostile) = built("hostile") else {
        return;
    };
    let (sender, halted) = watch::channel(false);
    let limits = Limits {
        fuel: u64::MAX,
        cpu: Duration::from_secs(600),
        ..Limits::default()
    };
    let guest = guest(&hostile, &limits).await;
    let endless = r#"{"times":4000000000}"#;
    let (execution, ()) = tokio::join!(guest.call("log_flood", endless, halted), async {
        tokio::task::yield_now().await;
        sender.send_replace(true);
    });
    assert_eq!(execution.status, Status::Halted);
}

#[tokio::test]
async fn what_was_halted_before_does_not_begin() {
    let component = load(&calling(LOOP));
    let (_sender, halted) = watch::channel(true);
    let execution = guest(&component, &tight())
        .await
        .call("tool", "{}", halted)
        .await;
    assert_eq!((execution.status, execution.fuel), (Status::Halted, 0));
    // If the sender is gone, no halt comes.
    let (sender, halted) = watch::channel(false);
    drop(sender);
    let execution = guest(&component, &tight())
        .await
        .call("tool", "{}", halted)
        .await;
    assert_eq!(execution.status, Status::Timeout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_calls_than_places_wait_and_all_end() {
    let component = load(&returning(&[(0, 60_000, 2)], "ok"));
    let calls: Vec<_> = (0..64)
        .map(|_| {
            let component = component.clone();
            tokio::spawn(async move { call(&component, &Limits::default()).await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().status, Status::Ok);
    }
    assert_eq!(sandbox().pool(Size::Standard).unwrap().pool.free_slots(), 4);
}

#[tokio::test]
async fn a_call_that_is_dropped_gives_its_place_back() {
    let component = load(&calling(LOOP));
    for _ in 0..20 {
        let (_sender, never) = watch::channel(false);
        let running = guest(&component, &Limits::default())
            .await
            .call("tool", "{}", never);
        let dropped = tokio::time::timeout(Duration::from_millis(5), running).await;
        assert!(dropped.is_err());
    }
}

#[tokio::test]
async fn a_panic_of_the_host_is_an_end_like_others() {
    let (_sender, never) = watch::channel(false);
    let broken = async { panic!("on purpose") };
    let raced: DeadlineOutcome<()> = with_deadline(broken, Duration::from_secs(1), never).await;
    assert!(matches!(raced, DeadlineOutcome::Panicked));
}

#[tokio::test]
async fn the_hostile_component_is_survived() {
    let Some(hostile) = built("hostile") else {
        return;
    };
    let limits = Limits {
        fuel: u64::MAX,
        cpu: Duration::from_millis(300),
        ..Limits::default()
    };
    let run = async |tool: &str, arguments: &str| {
        let (_sender, never) = watch::channel(false);
        guest(&hostile, &limits)
            .await
            .call(tool, arguments, never)
            .await
    };
    for (tool, arguments, expected) in [
        ("echo", r#"{"text":"hello"}"#, Status::Ok),
        ("fail", "{}", Status::ToolError),
        ("claim_denied", "{}", Status::ToolError),
        ("trap", "{}", Status::Trap),
        ("panic_with", "{}", Status::Trap),
        ("loop_forever", "{}", Status::Timeout),
        ("memory_bomb", "{}", Status::MemoryExhausted),
        ("allocation_bomb", "{}", Status::MemoryExhausted),
        ("recurse", "{}", Status::Trap),
        ("log_flood", r#"{"times":1000}"#, Status::Ok),
        (
            "read_path",
            r#"{"grant":"a","path":"../b"}"#,
            Status::ToolError,
        ),
    ] {
        let execution = run(tool, arguments).await;
        assert_eq!(execution.status, expected, "{tool}: {execution:?}");
        assert!(!execution.unusable, "{tool}: {execution:?}");
    }
    let execution = run("huge_output", r#"{"bytes":20000000}"#).await;
    assert_eq!(
        (execution.status, execution.size, execution.cut),
        (Status::Ok, 20_000_000, true)
    );
    let denied = run("claim_denied", r#"{"message":"no"}"#)
        .await
        .content
        .unwrap_err();
    assert_eq!(
        (denied.kind, denied.message.as_str()),
        (FailureKind::Denied, "no")
    );
}
