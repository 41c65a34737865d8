//! `tollgate policy replay`: decides recorded requests again with other policies.

use std::{num::NonZero, path::PathBuf, thread};

use clap::Args;
use tollgate::{config::policy_files, ids::Clock, replay, replay::ReplayReport};
use tollgate_ledger::RecordFilter;

use crate::{
    commands::time_arg::TimeArg,
    context::Context,
    error::Failure,
    exit_code::Exit,
    style::{Tone, line, paint},
    units::count,
};

pub(super) const HELP: &str = "\
Examples:
  $ tollgate policy replay --candidate new-policies
  $ tollgate policy replay --candidate new-policies --since 7d --tool payments__refund --threshold 0.1%

Every recorded decision is made again with the facts sealed in its record, and with the schema and
entities of its time. Replay does not simulate how a different answer would have changed later calls. Reads the store and its key; writes nothing.
Ends with 1 if more decisions flip than --threshold: a number, or a share of those compared (0 if
left out).
With --json: {compared, flipped, flips [{from, to, policies, count, decisions, runs}],
not_comparable {WHY: COUNT}}.";

/// The requests and policies.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The directory of the other policies (.cedar files).
    #[arg(long, value_name = "DIR")]
    candidate: PathBuf,
    /// Only from this time on: 2h (ago), 2026-11-21, or 2026-11-21T08:30:00Z.
    #[arg(long, value_name = "TIME", value_parser = TimeArg::parse)]
    since: Option<TimeArg>,
    /// Only before this time, written like --since.
    #[arg(long, value_name = "TIME", value_parser = TimeArg::parse)]
    until: Option<TimeArg>,
    /// Only calls and results of this tool.
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// The most flips that are accepted, such as 10 or 0.5%.
    #[arg(long, value_name = "N", default_value = "0", value_parser = Threshold::parse)]
    threshold: Threshold,
}

/// The most accepted flips.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Threshold {
    Count(u64),
    Percent(f64),
}

impl Threshold {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is not a threshold: write a number, or a share such as 0.5%");
        match text.strip_suffix('%') {
            Some(share) => match share.parse() {
                Ok(share) if (0.0..=100.0).contains(&share) => Ok(Self::Percent(share)),
                _ => Err(wrong()),
            },
            None => text.parse().map(Self::Count).map_err(|_| wrong()),
        }
    }

    fn exceeded(self, replayed: &ReplayReport) -> bool {
        match self {
            Self::Count(most) => replayed.flipped > most,
            #[expect(
                clippy::cast_precision_loss,
                reason = "a share of less than 2^52 decisions"
            )]
            Self::Percent(share) => {
                replayed.flipped as f64 * 100.0 > share * replayed.compared as f64
            }
        }
    }
}

/// Run `tollgate policy replay`.
pub(super) fn run(args: Replay, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config()?;
    let mut candidate = policy_files(&args.candidate)?;
    // The configuration makes these policies, so they are in force with every directory of policies.
    candidate.extend(config.budgets.policies());
    let reader = cx.reader(&config)?;
    let keys = reader.keys(&config.store.key)?;
    let now = Clock::system().now();
    let at = |when: &Option<TimeArg>| {
        when.as_ref()
            .map(|when| when.at(now, &config.gate.timezone))
    };
    let replay = replay::Replay {
        reader: &reader,
        keys: &keys,
        candidate,
        filter: RecordFilter {
            since: at(&args.since),
            until: at(&args.until),
            ..RecordFilter::default()
        },
        tool: args.tool,
        threads: thread::available_parallelism().map_or(1, NonZero::get),
    };
    let step = cx.out.progress().map(|p| p.step("deciding again"));
    let replayed = replay.run(|done, of| {
        if let Some(step) = &step {
            step.detail(&format!("{done} of {of} records"));
        }
    });
    drop(step);
    let replayed = replayed?;
    cx.out.show(&replayed, || render(&replayed))?;
    Ok(if args.threshold.exceeded(&replayed) {
        Exit::Failure
    } else {
        Exit::Ok
    })
}

fn render(replayed: &ReplayReport) -> String {
    let mut text = String::new();
    for group in &replayed.flips {
        let policies = match group.policies.as_slice() {
            [] => "no policy".to_owned(),
            policies => policies.join(", "),
        };
        let tone = if group.to.allows() {
            Tone::Wait
        } else {
            Tone::Bad
        };
        let kind = paint(&format!("{} → {}", group.from, group.to), tone);
        text.push_str(&format!(
            "{kind}  {}  {}\n",
            group.count,
            line(&policies, 300)
        ));
        let decisions: Vec<String> = group.decisions.iter().map(ToString::to_string).collect();
        text.push_str(&format!("    {}", decisions.join(" ")));
        if group.count > group.decisions.len() as u64 {
            text.push_str(" …");
        }
        text.push('\n');
        for run in &group.runs {
            let shown = paint(&format!("tollgate runs show {run}"), Tone::Name);
            text.push_str(&format!("    {shown}\n"));
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let symbol = match replayed.flipped {
        0 => paint("✓", Tone::Good),
        _ => paint("✗", Tone::Bad),
    };
    text.push_str(&format!(
        "{symbol} {} compared, {} flipped\n",
        count(replayed.compared, "decision"),
        replayed.flipped
    ));
    for (why, many) in &replayed.not_comparable {
        text.push_str(&format!("  {many} not comparable: {}\n", line(why, 500)));
    }
    text
}

#[cfg(test)]
mod tests;
