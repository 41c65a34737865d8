//! Halts, cancelled runs, and who may operate.

use tollgate::{
    enforce::{Refusal, Verdict},
    gate::OperateError,
};
use tollgate_ledger::ApprovalFilter;
use tollgate_model::{
    life::ApprovalState,
    record::{HaltScope, RunOutcome, Status},
};
use tollgate_testkit::world::{MARK, REFUND, World, approve, call, is_released, pending, user};

const QUOTE: &str = r#"{"amount":1,"currency":"EUR"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_halt_stops_new_calls_and_survives_a_restart() {
    let world = World::new("");
    let gate = world.open().await;
    gate.halt(&user("alice"), HaltScope::Agent, "support", "it misbehaves")
        .await
        .unwrap();
    let stopped = call(&gate, "r", "payments__quote", QUOTE).await;
    match &stopped.verdict {
        Verdict::Refused(Refusal::Halted { reason }) => {
            assert!(reason.contains("it misbehaves"), "{reason}")
        }
        other => panic!("{other:?}"),
    }
    gate.close().await;

    let gate = world.open().await;
    let stopped = call(&gate, "r", "payments__quote", QUOTE).await;
    assert!(matches!(
        stopped.verdict,
        Verdict::Refused(Refusal::Halted { .. })
    ));
    gate.resume(&user("alice"), HaltScope::Agent, "support")
        .await
        .unwrap();
    assert!(is_released(
        &call(&gate, "r", "payments__quote", QUOTE).await
    ));
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halt_in_mid_call_ends_the_guest() {
    let world = World::new("");
    world.configure(
        "cpu = \"200ms\", time = \"5s\"",
        "cpu = \"60s\", time = \"60s\", fuel = 9000000000000",
    );
    let gate = world.open().await;
    let running = {
        let gate = gate.clone();
        tokio::spawn(async move { call(&gate, "r", "hostile__write_then_loop", MARK).await })
    };
    // The guest writes a marker once it is running.
    while !world
        .path("data")
        .read_dir()
        .unwrap()
        .any(|e| e.unwrap().file_name().to_string_lossy().contains("marker"))
    {
        assert!(!running.is_finished(), "the guest ended by itself");
        tokio::task::yield_now().await;
    }
    gate.halt(
        &user("alice"),
        HaltScope::Tool,
        "hostile__write_then_loop",
        "runaway",
    )
    .await
    .unwrap();
    let answer = running.await.unwrap();
    assert_eq!(
        answer.verdict,
        Verdict::Ended {
            status: Status::Halted,
            effects: true
        }
    );
    assert!(answer.message().unwrap().contains("may have happened"));
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halt_voids_what_waits() {
    let world = World::new("");
    let gate = world.open().await;
    let id = pending(&call(&gate, "r", "payments__refund", REFUND).await);
    approve(&gate, "dana", id).await.unwrap();
    gate.halt(
        &user("dana"),
        HaltScope::Component,
        "payments",
        "look at the books first",
    )
    .await
    .unwrap();
    gate.resume(&user("dana"), HaltScope::Component, "payments")
        .await
        .unwrap();
    assert_eq!(
        gate.ledger().reader().approval(id).unwrap().unwrap().state,
        ApprovalState::Cancelled
    );
    assert_ne!(
        pending(&call(&gate, "r", "payments__refund", REFUND).await),
        id
    );
    assert_eq!(world.refunds(), 0);
    gate.close().await;
}

/// Regardless of how many approvals are being used at that moment.
#[tokio::test(flavor = "multi_thread")]
async fn a_halt_does_not_fail_because_an_approval_is_used_meanwhile() {
    let world = World::new("");
    let gate = world.open().await;
    let refund = |n: u32| REFUND.replace("\"amount\":", &format!("\"amount\":{n}"));
    for n in 1..=8 {
        let run = format!("r{n}");
        let id = pending(&call(&gate, &run, "payments__refund", &refund(n)).await);
        approve(&gate, "dana", id).await.unwrap();
    }
    let used = tokio::spawn({
        let gate = gate.clone();
        async move {
            let calls = (1..=8).map(|n| {
                let (gate, arguments) = (gate.clone(), refund(n));
                tokio::spawn(async move {
                    call(&gate, &format!("r{n}"), "payments__refund", &arguments).await
                })
            });
            let mut made = 0;
            for answer in calls.collect::<Vec<_>>() {
                made += usize::from(is_released(&answer.await.unwrap()));
            }
            made
        }
    });
    gate.halt(&user("dana"), HaltScope::All, "", "incident")
        .await
        .unwrap();
    let made = used.await.unwrap();
    let open = gate.ledger().reader().approvals(&ApprovalFilter::open());
    assert_eq!(
        open.unwrap(),
        [],
        "none can be used once the halt is lifted"
    );
    assert!(world.refunds() >= made);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_big_red_button_is_policys() {
    let world = World::new("");
    let gate = world.open().await;
    let refused = gate.halt(&user("eve"), HaltScope::All, "", "for fun").await;
    assert!(
        matches!(&refused, Err(OperateError::Refused(refusal)) if matches!(**refusal, Refusal::Denied { .. })),
        "{refused:?}"
    );
    assert!(is_released(
        &call(&gate, "r", "payments__quote", QUOTE).await
    ));
    gate.halt(&user("dana"), HaltScope::All, "", "incident")
        .await
        .unwrap();
    assert!(!is_released(
        &call(&gate, "r", "payments__quote", QUOTE).await
    ));
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_is_over() {
    let world = World::new("");
    let gate = world.open().await;
    let asked = call(&gate, "r", "payments__refund", REFUND).await;
    let id = pending(&asked);
    let row = gate
        .ledger()
        .reader()
        .run(&asked.run.unwrap().to_string())
        .unwrap();
    gate.cancel_run(&user("alice"), &row, "wrong customer")
        .await
        .unwrap();
    assert!(matches!(
        call(&gate, "r", "payments__quote", QUOTE).await.verdict,
        Verdict::Refused(Refusal::RunEnded)
    ));
    assert_eq!(
        gate.ledger().reader().approval(id).unwrap().unwrap().state,
        ApprovalState::Cancelled
    );
    let row = gate.ledger().reader().run(&row.id.to_string()).unwrap();
    assert_eq!(row.outcome, Some(RunOutcome::Cancelled));
    gate.close().await;
}
