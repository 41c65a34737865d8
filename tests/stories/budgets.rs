//! Budgets: limits of a run, and of an agent in all its runs, which a new run does not reset.

use tollgate::{enforce::Answer, gate::Gate, usage::RunUsage};
use tollgate_model::{
    entity::{Kind, Uid},
    record::{Event, RunOutcome},
};
use tollgate_testkit::world::{World, agent, call, denied_by, is_released, named, records};

const QUOTE: &str = r#"{"amount":1,"currency":"EUR"}"#;

fn world(budgets: &str) -> World {
    let world = World::new("");
    world.configure(
        "[tools.files__read]",
        &format!("{budgets}\n[tools.files__read]"),
    );
    world
}

async fn quote(gate: &Gate, run: &str) -> Answer {
    call(gate, run, "payments__quote", QUOTE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_where_its_budget_does() {
    let world = world("[budgets.run]\ncalls = 2");
    let gate = world.open().await;
    assert!(is_released(&quote(&gate, "r").await));
    assert!(is_released(&quote(&gate, "r").await));
    let denied = quote(&gate, "r").await;
    assert_eq!(denied_by(&denied), ["budget/run/calls"]);
    assert!(
        denied.message().unwrap().contains("the budget of 2 calls"),
        "{:?}",
        denied.message()
    );
    let exhausted = records(&gate, denied.run.unwrap()).iter().any(
        |record| matches!(&record.event, Event::Decision(d) if d.exhausted() == Some("calls")),
    );
    assert!(exhausted);
    let row = gate
        .ledger()
        .reader()
        .run(&denied.run.unwrap().to_string())
        .unwrap();
    gate.end_own_run(
        &agent("support"),
        &row,
        Some(RunOutcome::Failed),
        "no more calls",
    )
    .await
    .unwrap();
    let row = gate
        .ledger()
        .reader()
        .run(&denied.run.unwrap().to_string())
        .unwrap();
    assert_eq!(row.outcome, Some(RunOutcome::BudgetExhausted));
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_run_does_not_reset_an_agents_budget_and_nor_does_a_restart() {
    let world = world("[budgets]\nwindow = \"2h\"\n[budgets.agents.support]\ncalls = 3");
    let gate = world.open().await;
    for run in ["a", "b", "c"] {
        assert!(is_released(&quote(&gate, run).await));
    }
    assert_eq!(
        denied_by(&quote(&gate, "d").await),
        ["budget/agent-support/calls"]
    );
    let request = tollgate::enforce::CallRequest {
        tool: "payments__quote".into(),
        arguments: QUOTE.into(),
    };
    let other = gate.call(&agent("other"), &named("x"), request).await;
    assert!(
        is_released(&other),
        "others have budgets of their own: {:?}",
        other.verdict
    );
    gate.ledger().rebuild().await.unwrap();
    gate.close().await;
    let gate = world.open().await;
    assert_eq!(
        denied_by(&quote(&gate, "e").await),
        ["budget/agent-support/calls"]
    );
    world.pass(4 * 3600);
    assert!(
        is_released(&quote(&gate, "f").await),
        "the window has passed"
    );
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_at_once_do_not_all_pass() {
    let world = world("[budgets.agents.support]\ncalls = 5");
    let gate = world.open().await;
    let calls: Vec<_> = (0..12)
        .map(|n| {
            let gate = gate.clone();
            tokio::spawn(async move { quote(&gate, &format!("run-{n}")).await })
        })
        .collect();
    let mut released = 0;
    for one in calls {
        released += usize::from(is_released(&one.await.unwrap()));
    }
    assert_eq!(released, 5);
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_agents_report_counts_as_far_as_they_report_it() {
    let world = world(
        "[budgets.run]\ntokens = 1000\n[budgets.agents.support]\ncost = \"2.50\"\n[runs]\nidle_timeout = \"30m\"",
    );
    let gate = world.open().await;
    let support = Uid::new(Kind::Agent, "support");
    let first = quote(&gate, "r").await;
    let usage = |tokens, cost_nano| RunUsage {
        tokens,
        cost_nano,
        complete: true,
    };
    gate.usage().set(
        &support,
        first.run.unwrap(),
        gate.now(),
        usage(999, 1_000_000_000),
    );
    assert!(is_released(&quote(&gate, "r").await));
    gate.usage().set(
        &support,
        first.run.unwrap(),
        gate.now(),
        usage(1000, 1_000_000_000),
    );
    assert_eq!(denied_by(&quote(&gate, "r").await), ["budget/run/tokens"]);
    let second = quote(&gate, "s").await;
    assert!(is_released(&second));
    gate.usage().set(
        &support,
        second.run.unwrap(),
        gate.now(),
        usage(0, 1_500_000_000),
    );
    assert_eq!(
        denied_by(&quote(&gate, "s").await),
        ["budget/agent-support/cost"]
    );
    gate.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_a_name_is_over_when_its_budget_is() {
    let world = world("[budgets.run]\nelapsed = \"10m\"");
    let gate = world.open().await;
    let request = || tollgate::enforce::CallRequest {
        tool: "payments__quote".into(),
        arguments: QUOTE.into(),
    };
    let ambient = tollgate::identity::RunKey::Ambient;
    let first = gate.call(&agent("support"), &ambient, request()).await;
    assert!(is_released(&first));
    world.pass(11 * 60);
    let late = gate.call(&agent("support"), &ambient, request()).await;
    assert_eq!(late.run, first.run);
    assert_eq!(denied_by(&late), ["budget/run/elapsed"]);
    world.pass(31 * 60);
    gate.pass_time().await.unwrap();
    let row = gate
        .ledger()
        .reader()
        .run(&first.run.unwrap().to_string())
        .unwrap();
    assert_eq!(row.outcome, Some(RunOutcome::BudgetExhausted));
    assert_eq!(
        row.stop_reason.as_deref(),
        Some("the budget of elapsed was used up")
    );
    gate.close().await;
}
