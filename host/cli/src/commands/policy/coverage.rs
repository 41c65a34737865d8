//! `tollgate policy coverage`: decisions of each policy in live traffic.

use clap::Args;
use tollgate::{
    coverage::{self, PolicyCoverage},
    ids::Clock,
    load,
};
use tollgate_policy::policy::Mode;

use crate::{
    commands::time_arg::TimeArg,
    component::compiler,
    context::Context,
    error::Failure,
    exit_code::Exit,
    render::table::{Cell, table},
    style::{Tone, paint},
    units::moment,
};

pub(super) const HELP: &str = "\
Examples:
  $ tollgate policy coverage
  $ tollgate policy coverage --never --since 30d

Counts the decisions that each policy determined with its present contents; for a policy in shadow mode,
the decisions that it would have changed. Policies that never determined a decision come first, with the
time since when they are in force.

With --json: [{id, file, mode, decisions, last, last_time, since}].";

/// Filters.
#[derive(Debug, Args)]
pub(crate) struct Coverage {
    /// Only policies that never determined a decision.
    #[arg(long)]
    never: bool,
    /// Only decisions since: 2h (ago), 2026-11-21, or 2026-11-21T08:30:00Z.
    #[arg(long, value_name = "TIME", value_parser = TimeArg::parse)]
    since: Option<TimeArg>,
}

/// Run `tollgate policy coverage`.
pub(super) async fn run(args: &Coverage, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config()?;
    let reader = cx.reader(&config)?;
    let zone = config.gate.timezone.clone();
    let step = cx.out.progress().map(|p| p.step("reading the ledger"));
    let ruleset = load::check(config, Some(compiler())).await?.ruleset;
    let now = Clock::system().now();
    let since = args.since.as_ref().map(|since| since.at(now, &zone));
    let covered = coverage::coverage(&reader, &ruleset.pdp, since);
    drop(step);
    let mut covered = covered?;
    let all = covered.len();
    covered.retain(|policy| !args.never || policy.decisions == 0);
    cx.out.show(&covered, || render(&covered, all))?;
    Ok(Exit::Ok)
}

fn render(covered: &[PolicyCoverage], all: usize) -> String {
    let rows: Vec<[Cell; 5]> = covered
        .iter()
        .map(|policy| {
            let decisions = match policy.decisions {
                0 => Cell::new("never", Tone::Wait),
                n => Cell::new(n.to_string(), Tone::Good),
            };
            let last = match (policy.last, policy.last_time) {
                (Some(id), Some(time)) => format!("{id} {}", moment(time)),
                _ => String::new(),
            };
            let since = policy.since.map_or("not yet".into(), moment);
            let mode = match policy.mode {
                Mode::Shadow => " (shadow)",
                Mode::Enforce => "",
            };
            [
                Cell::new(format!("{}{mode}", policy.id), Tone::Plain),
                decisions,
                Cell::new(last, Tone::Plain),
                Cell::new(since, Tone::Plain),
                Cell::new(&policy.file, Tone::Weak),
            ]
        })
        .collect();
    let never = covered.iter().filter(|p| p.decisions == 0).count();
    format!(
        "{}\n{}\n",
        table(
            ["POLICY", "DECISIONS", "LAST", "IN FORCE SINCE", "FILE"],
            &rows
        ),
        paint(
            &format!("{never} of {all} never determined a decision"),
            Tone::Weak
        )
    )
}
