//! `tollgate runs`: list, show, compare, annotate, export, end and cancel runs.

mod annotate;
mod compare;
mod end;
mod export;
mod feedback;
mod list;
mod report;
mod sets;
mod show;
mod tail;
mod trace;

use std::ops::ControlFlow;

use clap::Subcommand;
use serde_json::Value;
use tollgate_ledger::{LedgerError, LedgerReader, RecordFilter, RunRow};
use tollgate_model::ids::RunId;

use crate::{
    client::ApiRequest,
    context::Context,
    error::Failure,
    exit_code::Exit,
    style::{Tone, line, paint},
};

/// What to do with runs.
#[derive(Debug, Subcommand)]
pub(crate) enum Runs {
    /// List runs, newest first.
    List(Box<list::List>),
    /// Show a run as a tree.
    Show(show::Show),
    /// Follow runs as they happen.
    Tail(tail::Tail),
    /// Compare two runs step by step.
    Diff(compare::Compare),
    /// Add, list or remove notes and labels on a run or its spans.
    Annotate(annotate::Annotate),
    /// Rate a run afterwards.
    Feedback(feedback::Feedback),
    /// Report goal, context and outcome of a run.
    Report(report::Report),
    /// Manage named sets of runs.
    #[command(subcommand)]
    Sets(sets::Sets),
    /// Write a run as spans, as cases for policy tests, or as an evaluation case.
    Export(export::Export),
    /// End one of your runs.
    End(end::End),
    /// Stop a run immediately.
    Cancel(end::Cancel),
}

/// Shows the tree of a run, with the log lines of its components.
pub(super) async fn show_run(run: Option<String>, cx: &Context<'_>) -> Result<Exit, Failure> {
    show::run(&show::Show::whole(run), cx).await
}

/// Run `tollgate runs`.
pub(crate) async fn run(command: Runs, cx: &Context<'_>) -> Result<Exit, Failure> {
    match command {
        Runs::List(args) => list::run(&args, cx).await,
        Runs::Show(args) => show::run(&args, cx).await,
        Runs::Tail(args) => tail::run(&args, cx).await,
        Runs::Diff(args) => compare::run(&args, cx),
        Runs::Annotate(args) => annotate::run(args, cx).await,
        Runs::Feedback(args) => feedback::run(args, cx).await,
        Runs::Report(args) => report::run(args, cx).await,
        Runs::Sets(command) => sets::run(command, cx).await,
        Runs::Export(args) => export::run(&args, cx).await,
        Runs::End(args) => end::end(args, cx).await,
        Runs::Cancel(args) => end::cancel(args, cx).await,
    }
}

/// The run of this id, beginning of an id, or key; without one, the run in which something happened last.
fn find(reader: &LedgerReader, named: Option<&str>) -> Result<RunRow, Failure> {
    let Some(name) = named else {
        return latest(reader)?.ok_or_else(|| {
            Failure::plain("there are no runs yet")
                .help("make a call: tollgate call TOOL --args '{…}'")
        });
    };
    // A complete run id names that run, even if an agent named another run like it.
    if name.parse::<RunId>().is_ok()
        && let Ok(row) = reader.run(name)
    {
        return Ok(row);
    }
    // A key wins over a prefix of an id, because keys are chosen and ids are not.
    let mut named = reader.runs_named(name)?;
    if named.len() > 1 {
        return Err(ambiguous(name, &named));
    }
    if let Some(row) = named.pop() {
        return Ok(row);
    }
    reader.run(name).map_err(|error| match error {
        LedgerError::NotFound { .. } => Failure::plain(format!("{error}, and none has that key"))
            .help("list them with `tollgate runs list`"),
        other => other.into(),
    })
}

/// Agents choose keys, so none of these runs stands for the others.
fn ambiguous(name: &str, runs: &[RunRow]) -> Failure {
    const SHOWN: usize = 10;
    let described = runs.iter().take(SHOWN).map(|run| {
        format!(
            "{} of {} {} for {}",
            run.id,
            run.principal.kind.name().to_lowercase(),
            line(&run.principal.id, 64),
            line(&run.on_behalf_of.id, 64)
        )
    });
    let described: Vec<String> = described.collect();
    let more = match runs.len() > SHOWN {
        true => ", and others",
        false => "",
    };
    Failure::plain(format!(
        "several runs have the key `{}`: {}{more}",
        line(name, 64),
        described.join(", ")
    ))
    .help("name the one that you mean by its id, or by the beginning of it")
}

/// The run in which something happened last. What people did about a run afterwards is not of the run.
fn latest(reader: &LedgerReader) -> Result<Option<RunRow>, Failure> {
    let mut latest = None;
    reader.records(&RecordFilter::default(), |_, record| match record.run {
        Some(run) if record.event.is_activity() => {
            latest = Some(run);
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    })?;
    let row = latest.map(|run| reader.run(&run.to_string()));
    Ok(row.transpose()?)
}

/// The id of the run of this id, beginning of an id, or key.
fn run_id(name: &str, cx: &Context<'_>) -> Result<RunId, Failure> {
    Ok(find(&cx.reader(&cx.config_despite_errors()?)?, Some(name))?.id)
}

/// Store an annotation of runs, and show it.
async fn annotate(request: ApiRequest, done: &str, cx: &Context<'_>) -> Result<Exit, Failure> {
    let value: Value = cx.execute_despite_errors(request).await?;
    cx.out
        .show(&value, || format!("{} {done}", paint("✓", Tone::Good)))?;
    Ok(Exit::Ok)
}
