//! `tollgate runs diff`: compares two runs step by step.

use clap::Args;
use serde::Serialize;
use tollgate_ledger::{LedgerReader, RunRow};
use tollgate_trace::run::{RunDiff, RunSteps, diff};

use crate::{commands::runs::find, context::Context, error::Failure, exit_code::Exit, render};

pub(super) const HELP: &str = "\
Examples:
  $ tollgate runs diff monday tuesday
  $ tollgate runs diff 019aa4c1 019aa4d7 --json

Steps are aligned by tool and by the digest of their arguments. Arguments and results are compared by
their digests and not shown. The exit code is 1 if the runs differ.

With --json: {a, b, diff {steps [{a, b, differs [{what, a, b}]}], first, first_decision, runs}}. The outer a
and b are {run, steps}; a and b of a diff step are indexes in these.";

/// The runs to compare.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Compare {
    /// The first run: its id, the beginning of it, or its key.
    a: String,
    /// The second run.
    b: String,
    /// Also show equal steps.
    #[arg(long)]
    full: bool,
}

#[derive(Serialize)]
struct ComparedRun {
    run: RunRow,
    #[serde(flatten)]
    steps: RunSteps,
}

#[derive(Serialize)]
struct ComparisonView {
    a: ComparedRun,
    b: ComparedRun,
    diff: RunDiff,
}

fn side(reader: &LedgerReader, name: &str) -> Result<ComparedRun, Failure> {
    let run = find(reader, Some(name))?;
    let steps = RunSteps::of(&reader.records_of_run(run.id)?);
    Ok(ComparedRun { run, steps })
}

/// Run `tollgate runs diff`.
pub(super) fn run(args: &Compare, cx: &Context<'_>) -> Result<Exit, Failure> {
    let reader = cx.reader(&cx.config_despite_errors()?)?;
    let (a, b) = (side(&reader, &args.a)?, side(&reader, &args.b)?);
    if a.run.tenant != b.run.tenant {
        return Err(Failure::plain("runs of different tenants are not compared"));
    }
    let compared = ComparisonView {
        diff: diff(&a.steps, &b.steps),
        a,
        b,
    };
    cx.out.show(&compared, || {
        let (a, b) = (&compared.a, &compared.b);
        format!(
            "{}{}",
            render::run::pair(&a.run, &b.run),
            render::diff::diff(
                &compared.diff,
                &a.steps,
                &b.steps,
                cx.out.width(),
                args.full
            )
        )
    })?;
    Ok(match compared.diff.is_same() {
        true => Exit::Ok,
        false => Exit::Failure,
    })
}
