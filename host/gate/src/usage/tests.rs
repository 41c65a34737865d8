use tollgate_model::entity::Kind;

use super::*;

fn agent() -> Uid {
    Uid::new(Kind::Agent, "support")
}

fn run(n: u64) -> RunId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    RunId::from_bytes(bytes)
}

fn of(tokens: u64, cost_nano: u64) -> RunUsage {
    RunUsage {
        tokens,
        cost_nano,
        complete: true,
    }
}

fn hour(n: i64) -> Timestamp {
    Timestamp(n * HOUR + 7)
}

#[test]
fn sums_are_those_of_the_window_and_rounded_up() {
    let usage = Usage::default();
    usage.set(&agent(), run(1), hour(1), of(100, 1));
    usage.set(&agent(), run(2), hour(2), of(7, 2_500_000_000));
    usage.set(&agent(), run(2), hour(2), of(8, 2_500_000_000));
    let (own, all) = usage.of(&agent(), run(2), Timestamp(0));
    assert_eq!((own.tokens, own.cost.as_str()), (8, "2.5000"));
    assert_eq!((all.tokens, all.cost.as_str()), (108, "2.5001"));
    assert_eq!(usage.of(&agent(), run(1), hour(2)).1.tokens, 8);
    let other = Uid::new(Kind::Agent, "x");
    assert_eq!(
        usage.of(&other, run(1), Timestamp(0)).0,
        SelfReport::default()
    );
}

#[test]
fn a_run_that_goes_on_counts_when_it_uses_something() {
    let usage = Usage::default();
    usage.set(&agent(), run(1), hour(0), of(1_000, 0));
    usage.set(&agent(), run(1), hour(30), of(1_050, 0));
    let (own, day) = usage.of(&agent(), run(1), hour(6));
    assert_eq!((own.tokens, day.tokens), (1_050, 50));
    usage.set(&agent(), run(1), hour(900), of(1_060, 0));
    let all = usage.of(&agent(), run(1), Timestamp(0)).1;
    assert_eq!(all.tokens, 10, "usage before every window is dropped");
}

#[test]
fn however_many_runs_there_are_all_of_them_count() {
    let usage = Usage::default();
    for n in 0..25_000 {
        usage.set(&agent(), run(n), hour(1), of(1, 0));
    }
    assert_eq!(usage.of(&agent(), run(0), hour(0)).1.tokens, 25_000);
    let (runs, hours) = usage.with(|all| {
        let known = &all[&agent()];
        let runs = known.runs.values().count();
        (runs, known.hours.len())
    });
    assert!(runs <= 2 * RUNS && hours == 1, "{runs} {hours}");
}

#[test]
fn what_is_recalled_is_not_counted_again() {
    let usage = Usage::default();
    let hours = [(hour(1), of(70, 0)), (hour(20), of(30, 0))];
    usage.recall(&agent(), [(run(1), of(100, 0))], hours);
    usage.set(&agent(), run(1), hour(21), of(100, 0));
    usage.set(&agent(), run(1), hour(21), of(105, 0));
    assert_eq!(usage.of(&agent(), run(1), hour(0)).1.tokens, 105);
    assert_eq!(usage.of(&agent(), run(1), hour(2)).1.tokens, 35);
}

#[test]
fn an_unpriced_call_makes_its_hours_incomplete() {
    let usage = Usage::default();
    let unpriced = RunUsage {
        complete: false,
        ..of(5, 0)
    };
    usage.set(&agent(), run(1), hour(1), unpriced);
    usage.set(&agent(), run(2), hour(3), of(5, 0));
    assert!(!usage.of(&agent(), run(2), hour(1)).1.complete);
    assert!(usage.of(&agent(), run(2), hour(2)).1.complete);
}
