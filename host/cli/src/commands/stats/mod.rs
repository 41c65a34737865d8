//! `tollgate stats`: statistics across runs, and their drift.

mod policies;
mod reported;

use std::{collections::BTreeMap, ops::ControlFlow};

use clap::{Args, ValueEnum};
use serde::Serialize;
use tollgate::{
    config::Config,
    ids::Clock,
    stats::{
        Approvals, CostFilter, Quantiles, StatEvent, StatScope, Summary, ToolSummary, Watcher,
        ratio,
    },
};
use tollgate_ledger::{LedgerReader, Order, RecordFilter};
use tollgate_model::{decision::Outcome, time::Timestamp};

use crate::{
    commands::{
        stats::reported::{ReportReader, ReportSummary},
        time_arg::TimeArg,
    },
    context::Context,
    error::Failure,
    exit_code::Exit,
    render::table::{Cell, table},
    style::{Tone, paint},
    units::duration,
};

const HELP: &str = "\
Examples:
  $ tollgate stats
  $ tollgate stats --since 7d --by tool
  $ tollgate stats --by version --compare
  $ tollgate stats --by policy --since 30d

Percentiles are exact. A silent recovery is a success of a tool that had failed in the same run. An unsafe
attempt is one that a policy denied without asking for an approval. --compare shows the newest two of each
kind side by side. --by policy shows what each policy cost people: questions (calls of a run that wait for the same
reason are one), how they were answered and how long they waited, and calls that were approved in advance. If a
process serves the gate, it counts the runs that you may read.

With --json: {since, until, groups: [{name, family, first, runs, succeeded, calls,
failed, denied, repeated, retried, recovered, unsafe_attempts, exhausted, approvals, decisions, time,
tools, reported}]}. With --by policy: {since, until, policies: [{policy, questions, calls, answers, approved,
edited, rejected, expired, cancelled, approved_ratio, in_advance, wait}]}. Times are in microseconds.";

/// Filters and grouping.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Stats {
    /// Only from this time on: 2h (ago), 2026-11-21, or 2026-11-21T08:30:00Z.
    #[arg(long, value_name = "TIME", value_parser = TimeArg::parse)]
    since: Option<TimeArg>,
    /// Only before this time, written like --since.
    #[arg(long, value_name = "TIME", value_parser = TimeArg::parse)]
    until: Option<TimeArg>,
    /// Only calls of this tool.
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// Group by this.
    #[arg(long, value_enum)]
    by: Option<Dimension>,
    /// Show the newest two of each kind side by side.
    #[arg(long, requires = "by")]
    compare: bool,
}

/// The property by which to group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dimension {
    /// The component's file.
    Version,
    /// The tool.
    Tool,
    /// The model, as agents report it.
    Model,
    /// The prompt's version, as agents report it.
    Prompt,
    /// The tenant.
    Tenant,
    /// The policy: what it asked people, and how they answered.
    Policy,
}

/// The statistics of one group.
#[derive(Debug, Serialize)]
struct Group {
    name: String,
    /// Only groups of the same family are compared.
    family: String,
    first: Option<Timestamp>,
    runs: usize,
    succeeded: usize,
    calls: u64,
    failed: u64,
    denied: u64,
    repeated: u64,
    retried: u64,
    recovered: u64,
    unsafe_attempts: u64,
    exhausted: u64,
    approvals: Approvals,
    decisions: BTreeMap<Outcome, Quantiles>,
    time: Quantiles,
    tools: Vec<ToolSummary>,
    reported: ReportSummary,
}

impl Group {
    fn new((family, name): (String, String), summary: &Summary, reported: ReportSummary) -> Self {
        let (calls, failed) = summary.calls();
        let decisions = summary.decisions();
        Self {
            name,
            family,
            first: summary.first,
            runs: summary.runs().len(),
            succeeded: summary.succeeded.len(),
            calls,
            failed,
            denied: decisions.get(&Outcome::Deny).map_or(0, |deny| deny.count),
            repeated: summary.repeated,
            retried: summary.retried,
            recovered: summary.recovered,
            unsafe_attempts: summary.unsafe_attempts,
            exhausted: summary.exhausted,
            approvals: summary.approvals(),
            decisions,
            time: summary.times(),
            tools: summary.tools(),
            reported,
        }
    }
}

#[derive(Serialize)]
struct GroupCounts {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    groups: Vec<Group>,
}

/// Run `tollgate stats`.
pub(crate) async fn run(args: &Stats, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config()?;
    let zone = config.gate.timezone.clone();
    let now = Clock::system().now();
    let at = |when: &Option<TimeArg>| when.as_ref().map(|when| when.at(now, &zone));
    let (since, until) = (at(&args.since), at(&args.until));
    if args.by == Some(Dimension::Policy) {
        let filter = CostFilter {
            since,
            until,
            tool: args.tool.clone(),
            most: None,
        };
        return policies::run(&filter, cx).await;
    }
    let step = cx.out.progress().map(|p| p.step("reading the ledger"));
    let groups = count(args, &config, since, until, cx);
    drop(step);
    let groups = groups?;
    if groups.is_empty() && !cx.out.is_json() {
        cx.out.remark("nothing happened in that time");
        return Ok(Exit::Ok);
    }
    let counted = GroupCounts {
        since,
        until,
        groups,
    };
    cx.out.show(&counted, || match (args.by, args.compare) {
        (None, _) => counted.groups.iter().map(whole).collect(),
        (Some(_), false) => listed(&counted.groups),
        (Some(_), true) => compared(&counted.groups),
    })?;
    Ok(Exit::Ok)
}

fn count(
    args: &Stats,
    config: &Config,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    cx: &Context<'_>,
) -> Result<Vec<Group>, Failure> {
    let Some(reader) = cx.reader_if_any(config)? else {
        return Ok(Vec::new());
    };
    let mut reports = ReportReader::open(config)?;
    let mut summaries: BTreeMap<(String, String), Summary> = BTreeMap::new();
    let mut observe = |at: StatScope<'_>, fact: StatEvent<'_>| {
        let other = args.tool.as_deref().is_some_and(|tool| tool != at.tool);
        if !other && let Some(key) = key(args.by, at, &mut reports) {
            summaries.entry(key).or_default().add(at, &fact);
        }
    };
    read(&reader, since, until, &mut observe)?;
    let runs = summaries.values().flat_map(|summary| summary.runs().iter());
    reports.read(&runs.copied().collect(), since)?;
    let mut groups = Vec::new();
    for (key, summary) in summaries {
        let reported = reports.about(summary.runs(), summary.succeeded.len());
        groups.push(Group::new(key, &summary, reported));
    }
    groups.sort_by(|a, b| (&a.family, a.first).cmp(&(&b.family, b.first)));
    Ok(groups)
}

/// The group to which a fact belongs: its family and its name.
fn key(
    by: Option<Dimension>,
    at: StatScope<'_>,
    reports: &mut ReportReader,
) -> Option<(String, String)> {
    let alone = |name: &str| (!name.is_empty()).then(|| (String::new(), name.to_owned()));
    match by {
        // What policies cost is counted apart.
        None | Some(Dimension::Policy) => Some((String::new(), "all".into())),
        Some(Dimension::Tool) => alone(at.tool),
        Some(Dimension::Tenant) => alone(at.tenant),
        Some(Dimension::Version) => {
            let (tool, _) = at.version.split_once('@')?;
            Some((tool.to_owned(), at.version.to_owned()))
        }
        Some(Dimension::Model) => alone(&reports.model(at.run?)?),
        Some(Dimension::Prompt) => alone(&reports.version(at.run?, "prompt:")?),
    }
}

fn read(
    reader: &LedgerReader,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    observe: &mut impl FnMut(StatScope<'_>, StatEvent<'_>),
) -> Result<(), Failure> {
    let mut watcher = Watcher::default();
    let filter = RecordFilter {
        since,
        until,
        order: Order::OldestFirst,
        ..RecordFilter::default()
    };
    reader.records(&filter, |_, record| {
        watcher.watch(&record, &mut *observe);
        ControlFlow::Continue(())
    })?;
    Ok(())
}

fn percent(ratio: Option<f64>) -> String {
    ratio.map_or("–".into(), |ratio| format!("{:.0} %", ratio * 100.0))
}

fn share(part: u64, all: u64) -> String {
    percent(ratio(part, all.saturating_sub(part)))
}

/// The statistics of one group, as tables and a list.
fn whole(group: &Group) -> String {
    let times = |of: &Quantiles| {
        [of.p50, of.p95, of.p99].map(|micros| match of.count {
            0 => Cell::from("–"),
            _ => Cell::from(duration(micros)),
        })
    };
    let tools: Vec<[Cell; 7]> = group
        .tools
        .iter()
        .map(|tool| {
            let [p50, p95, p99] = times(&tool.time);
            let name = if tool.tool.is_empty() {
                "(no such tool)"
            } else {
                &tool.tool
            };
            let failed = if tool.failed > 0 {
                Tone::Bad
            } else {
                Tone::Plain
            };
            [
                Cell::from(name),
                Cell::from(tool.calls.to_string()),
                Cell::new(tool.failed.to_string(), failed),
                Cell::from(tool.denied.to_string()),
                p50,
                p95,
                p99,
            ]
        })
        .collect();
    let decisions: Vec<[Cell; 5]> = group
        .decisions
        .iter()
        .map(|(outcome, times_of)| {
            let [p50, p95, p99] = times(times_of);
            [
                Cell::from(outcome.as_str()),
                Cell::from(times_of.count.to_string()),
                p50,
                p95,
                p99,
            ]
        })
        .collect();
    let signals: Vec<[Cell; 2]> = signals(group)
        .into_iter()
        .map(|(name, value)| [Cell::new(name, Tone::Weak), Cell::from(value)])
        .collect();
    format!(
        "{}\n{}\n{}",
        table(
            ["TOOL", "CALLS", "FAILED", "DENIED", "P50", "P95", "P99"],
            &tools
        ),
        table(["DECISION", "COUNT", "P50", "P95", "P99"], &decisions),
        table(["SIGNAL", ""], &signals)
    )
}

/// The most important values.
fn signals(group: &Group) -> Vec<(String, String)> {
    let wait = group.approvals.wait;
    let waited = match wait.count {
        0 => "–".to_owned(),
        _ => format!("{} (p95 {})", duration(wait.p50), duration(wait.p95)),
    };
    let cost = |nano: Option<u64>| nano.map_or_else(|| "–".to_owned(), money);
    let mut signals = vec![
        ("runs".to_owned(), group.runs.to_string()),
        ("ended with success".to_owned(), group.succeeded.to_string()),
        ("calls".to_owned(), group.calls.to_string()),
        (
            "failed calls".to_owned(),
            format!("{} ({})", group.failed, share(group.failed, group.calls)),
        ),
        ("repeated calls".to_owned(), group.repeated.to_string()),
        ("silent recoveries".to_owned(), group.recovered.to_string()),
        (
            "unsafe attempts".to_owned(),
            group.unsafe_attempts.to_string(),
        ),
        ("budgets exhausted".to_owned(), group.exhausted.to_string()),
        ("retries".to_owned(), group.retried.to_string()),
        (
            "approvals asked".to_owned(),
            group.approvals.asked.to_string(),
        ),
        (
            "approvals rejected".to_owned(),
            percent(group.approvals.rejection_ratio),
        ),
        ("approval wait".to_owned(), waited),
        (
            "reported tokens".to_owned(),
            group.reported.tokens.to_string(),
        ),
        ("reported cost".to_owned(), cost(group.reported.cost_nano)),
        (
            "cost per successful run".to_owned(),
            cost(group.reported.cost_nano_per_success),
        ),
    ];
    signals.extend(group.reported.feedback.iter().map(|(kind, said)| {
        let mean = said
            .mean
            .map_or(String::new(), |mean| format!(", mean {mean:.2}"));
        let kind = tollgate::text::printable(kind, 40);
        (format!("feedback: {kind}"), format!("{}{mean}", said.count))
    }));
    signals
}

/// Billionths of a currency, to the tenth of a thousandth.
fn money(nano: u64) -> String {
    let parts = nano.div_ceil(100_000);
    format!("{}.{:04}", parts / 10_000, parts % 10_000)
}

/// One line per group.
fn listed(groups: &[Group]) -> String {
    let rows: Vec<[Cell; 9]> = groups
        .iter()
        .map(|group| {
            [
                Cell::from(group.name.as_str()),
                Cell::from(group.runs.to_string()),
                Cell::from(group.calls.to_string()),
                Cell::from(share(group.failed, group.calls)),
                Cell::from(group.denied.to_string()),
                Cell::from(group.unsafe_attempts.to_string()),
                Cell::from(group.repeated.to_string()),
                Cell::from(duration(group.time.p50)),
                Cell::from(duration(group.time.p95)),
            ]
        })
        .collect();
    let header = [
        "GROUP", "RUNS", "CALLS", "FAILED", "DENIED", "UNSAFE", "REPEATED", "P50", "P95",
    ];
    table(header, &rows)
}

/// The newest two of each family, side by side.
fn compared(groups: &[Group]) -> String {
    let mut families: BTreeMap<&str, Vec<&Group>> = BTreeMap::new();
    for group in groups {
        families.entry(&group.family).or_default().push(group);
    }
    let mut text = String::new();
    for of in families.into_values() {
        let [.., before, now] = of.as_slice() else {
            continue;
        };
        let mut later: BTreeMap<String, String> =
            signals(now).into_iter().chain(timing(now)).collect();
        let rows: Vec<[Cell; 3]> = signals(before)
            .into_iter()
            .chain(timing(before))
            .map(|(name, before)| {
                let now = later.remove(&name).unwrap_or_default();
                let tone = if before == now {
                    Tone::Plain
                } else {
                    Tone::Wait
                };
                [
                    Cell::new(name, Tone::Weak),
                    Cell::from(before),
                    Cell::new(now, tone),
                ]
            })
            .collect();
        text.push_str(&table(["", &before.name, &now.name], &rows));
        text.push('\n');
    }
    if text.is_empty() {
        text = paint("there are no two of a kind to compare\n", Tone::Weak);
    }
    text
}

fn timing(group: &Group) -> Vec<(String, String)> {
    let Quantiles { p50, p95, p99, .. } = group.time;
    vec![
        ("execution p50".to_owned(), duration(p50)),
        ("execution p95".to_owned(), duration(p95)),
        ("execution p99".to_owned(), duration(p99)),
    ]
}
