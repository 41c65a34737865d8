//! `tollgate runs`: what agents did, as trees; and how a run ends.

mod compare;
mod export;
mod review;
mod tail;
mod trace;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use tollgate::{config::Config, ids::Clock};
use tollgate_ledger::{LedgerError, LedgerReader, RunFilter, RunRow};
use tollgate_model::{ids::RunId, record::RunOutcome};
use tollgate_trace::{
    run::{CaseView, RunEvidence, RunSteps, findings},
    search::{self, RunSearch},
    store::{StoredLog, StoredSpan, Usage},
};

use super::{Context, reported, times::When};
use crate::{
    exit::Exit,
    failure::Failure,
    operation::Operation,
    reply::{self, SpanView},
    show::{
        self, case,
        paint::{Tone, paint},
        run,
        tree::{self, Reports, Style},
    },
};

const LIST: &str = "\
Examples:
  $ tollgate runs list
  $ tollgate runs list --open --json
  $ tollgate runs list --tool payments__refund --decision escalate --since 7d

With --json: [{id, opened, tenant, principal, on_behalf_of, key, root, started, last, ended, outcome,
stop_reason, calls, denials, errors, pending, labels}]. Times are microseconds since 1970.";
const SHOW: &str = "\
Examples:
  $ tollgate runs show
  $ tollgate runs show 019aa4c1
  $ tollgate runs show monday --full
  $ tollgate runs show monday --case

--case is for somebody who was not there: the context, the actions, the signals, what was enforced,
and what evidence is missing.
A denied call has no invoke_component below it: nothing ran. What the agent reported by OTLP stands in
the same tree and is marked as reported: nobody has checked it.
With --json: {run, spans, reported, logs, usage}: the run as in the list; every span {span, parent,
kind, name, start, end, error, openinference, attributes}, with OpenTelemetry's names where it has one;
spans and logs that were reported, with reporter and attributes; tokens and cost that the run's own
principal reported.
With --case --json: {context, actions, signals, enforcement, missing}.";
const END: &str = "\
Example:
  $ tollgate runs end monday --outcome success --reason 'all tickets answered'";
const CANCEL: &str = "\
Example:
  $ tollgate runs cancel 019aa4c1 --reason 'it goes in circles'

Nothing more of the run starts, its running tools end, its approvals are void.";

/// Other runs of a conversation that are named.
const TOGETHER: usize = 10;

/// What to do with runs.
#[derive(Debug, Subcommand)]
pub(crate) enum Runs {
    /// List runs, newest first.
    #[command(after_help = LIST)]
    List(Box<List>),
    /// Show a run as a tree.
    #[command(after_help = SHOW)]
    Show {
        /// Its id, the beginning of it, or its key; the latest run unless given.
        run: Option<String>,
        /// Every span on a line of its own, and every log line of the components.
        #[arg(long)]
        full: bool,
        /// Every span with its attributes.
        #[arg(long, conflicts_with = "full")]
        spans: bool,
        /// As a case: context, actions, signals, enforcement, and what evidence is missing.
        #[arg(long, conflicts_with_all = ["full", "spans"])]
        case: bool,
    },
    /// Follow what happens.
    Tail(tail::Tail),
    /// Compare two runs step by step, down to where they part.
    Diff(compare::Compare),
    /// Put notes and labels on a run or its spans, or see them.
    Annotate(review::Annotate),
    /// Say afterwards how good a run was.
    Feedback(review::Feedback),
    /// Tell what a run was for, what it knew, and what came of it.
    Tell(review::Tell),
    /// Keep named collections of runs.
    #[command(subcommand)]
    Sets(review::Sets),
    /// Write a run as spans, as cases for policy tests, or as an evaluation case.
    Export(export::Export),
    /// End a run of yours that is over.
    #[command(after_help = END)]
    End {
        /// Its id, the beginning of it, or its key; the latest run unless given.
        run: Option<String>,
        /// How it ended; unless given, denied or budget-exhausted if its last call was refused so, else
        /// success.
        #[arg(long, value_enum)]
        outcome: Option<EndedAs>,
        /// Why, in a few words.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Stop a run at once.
    #[command(after_help = CANCEL)]
    Cancel {
        /// Its id, the beginning of it, or its key.
        run: String,
        /// Why, in a few words.
        #[arg(
            long,
            value_name = "TEXT",
            default_value = "cancelled at the command line"
        )]
        reason: String,
    },
}

/// Which runs.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those that go on.
    #[arg(long)]
    open: bool,
    /// Only those that began since: 2h (ago), 2026-11-21, or 2026-11-21T08:30:00Z.
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    since: Option<When>,
    /// Only those that began before, written like --since.
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    until: Option<When>,
    /// Only those of this agent or user.
    #[arg(long, value_name = "NAME", visible_alias = "agent")]
    principal: Option<String>,
    /// Only those that ended like this.
    #[arg(long, value_enum)]
    outcome: Option<EndedHow>,
    /// Only those in which this tool was called.
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// Only those in which this policy determined a decision.
    #[arg(long, value_name = "ID")]
    policy: Option<String>,
    /// Only those in which something was decided so.
    #[arg(long, value_parser = ["allow", "deny", "escalate", "error"])]
    decision: Option<String>,
    /// Only this tenant's.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Only those of this conversation.
    #[arg(long, value_name = "ID")]
    conversation: Option<String>,
    /// Only those in whose words this occurs; three letters at least.
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Only those with a note of this label.
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// Only those of this version: prompt:3, workflow:2, agent:1.
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Only those in which this model was called, as the agent reports.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Only those of this set.
    #[arg(long, value_name = "NAME")]
    set: Option<String>,
    /// Only those before this one in the list: for the next page.
    #[arg(long, value_name = "N")]
    before: Option<u64>,
    /// At most so many; 0 for all.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

impl List {
    /// Whether it asks for what only the trace store knows.
    fn searches(&self) -> bool {
        let words = [
            &self.principal,
            &self.tool,
            &self.policy,
            &self.decision,
            &self.conversation,
            &self.text,
            &self.label,
            &self.version,
            &self.model,
            &self.set,
        ];
        words.iter().any(|word| word.is_some())
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EndedHow {
    /// It did what it was for.
    Success,
    /// It did not.
    Failed,
    /// A denial ended it.
    Denied,
    /// Nothing happened for too long.
    Abandoned,
    /// A budget was spent.
    BudgetExhausted,
    /// An operator ended it.
    Cancelled,
}

impl From<EndedHow> for RunOutcome {
    fn from(how: EndedHow) -> Self {
        match how {
            EndedHow::Success => Self::Success,
            EndedHow::Failed => Self::Failed,
            EndedHow::Denied => Self::Denied,
            EndedHow::Abandoned => Self::Abandoned,
            EndedHow::BudgetExhausted => Self::BudgetExhausted,
            EndedHow::Cancelled => Self::Cancelled,
        }
    }
}

/// How whoever ran it says that a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EndedAs {
    /// It did what it was for.
    Success,
    /// It did not.
    Failed,
    /// A denial ended it.
    Denied,
    /// A budget was spent.
    BudgetExhausted,
}

impl From<EndedAs> for RunOutcome {
    fn from(how: EndedAs) -> Self {
        match how {
            EndedAs::Success => Self::Success,
            EndedAs::Failed => Self::Failed,
            EndedAs::Denied => Self::Denied,
            EndedAs::BudgetExhausted => Self::BudgetExhausted,
        }
    }
}

/// Run `tollgate runs`.
pub(crate) async fn run(command: Runs, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config()?;
    match command {
        Runs::List(args) => list(&args, &config, cx).await,
        Runs::Show {
            run,
            full,
            spans,
            case,
        } => {
            let how = match (case, spans) {
                (true, _) => Shape::Case,
                (_, true) => Shape::Spans,
                _ => Shape::Tree { full },
            };
            show(run.as_deref(), how, &config, cx).await
        }
        Runs::Annotate(args) => review::annotate(args, cx).await,
        Runs::Feedback(args) => review::feedback(args, cx).await,
        Runs::Tell(args) => review::tell(args, cx).await,
        Runs::Sets(command) => review::sets(command, cx).await,
        Runs::Export(args) => export::run(&args, cx).await,
        Runs::Tail(args) => tail::run(&args, cx).await,
        Runs::Diff(args) => compare::run(&args, cx),
        Runs::End {
            run,
            outcome,
            reason,
        } => {
            let row = find(&cx.reader(&config)?, run.as_deref())?;
            let outcome = outcome.map(RunOutcome::from);
            stop(
                &row,
                Operation::EndRun {
                    run: row.id,
                    outcome,
                    reason,
                },
                config,
                "ended",
                cx,
            )
            .await
        }
        Runs::Cancel { run, reason } => {
            let row = find(&cx.reader(&config)?, Some(&run))?;
            stop(
                &row,
                Operation::CancelRun {
                    run: row.id,
                    reason,
                },
                config,
                "cancelled",
                cx,
            )
            .await
        }
    }
}

async fn list(args: &List, config: &Config, cx: &Context<'_>) -> Result<Exit, Failure> {
    let Some(ledger) = cx.reader_if_any(config)? else {
        return shown(&[], None, cx);
    };
    let most = if args.limit == 0 {
        usize::MAX
    } else {
        args.limit
    };
    let now = Clock::system().now();
    let at = |when: &Option<When>| {
        when.as_ref()
            .map(|when| when.at(now, &config.gate.timezone))
    };
    let (since, until) = (at(&args.since), at(&args.until));
    let outcome = args.outcome.map(RunOutcome::from);
    let open = args.open.then_some(true);
    if args.searches() {
        let search = RunSearch {
            tenant: args
                .tenant
                .clone()
                .unwrap_or_else(|| config.gate.tenant.clone()),
            open,
            outcome,
            principal: args.principal.clone(),
            tool: args.tool.clone(),
            policy: args.policy.clone(),
            decision: args.decision.clone(),
            label: args.label.clone(),
            version: args.version.clone(),
            model: args.model.clone(),
            conversation: args.conversation.clone(),
            text: args.text.clone(),
            set: args.set.clone(),
            since,
            until,
            before: args.before,
            limit: most,
        };
        let store = trace::caught_up(config, &ledger).await?;
        let found = search::runs(&store, &ledger, &search, |_| true);
        let (runs, next) = found.map_err(|e| Failure::plain(e.to_string()))?;
        return shown(&runs, next, cx);
    }
    let runs = ledger.runs(&RunFilter {
        tenant: args.tenant.clone(),
        open,
        outcome,
        since,
        until,
        before: args.before,
        limit: Some(i64::try_from(most).unwrap_or(i64::MAX).unsigned_abs()),
        ..RunFilter::default()
    })?;
    let next = runs.last().map(|run| run.opened);
    shown(&runs, next.filter(|_| runs.len() == most), cx)
}

fn shown(runs: &[RunRow], next: Option<u64>, cx: &Context<'_>) -> Result<Exit, Failure> {
    if runs.is_empty() && !cx.out.is_json() {
        cx.out.remark("no runs");
        return Ok(Exit::Ok);
    }
    cx.out.show(&runs, || run::list(runs))?;
    if let Some(next) = next {
        cx.out
            .remark(&format!("there may be more: --before {next}"));
    }
    Ok(Exit::Ok)
}

/// The run of this id, beginning of an id, or key; without one, the latest.
fn find(reader: &LedgerReader, named: Option<&str>) -> Result<RunRow, Failure> {
    let Some(name) = named else {
        let latest = reader.runs(&RunFilter {
            limit: Some(1),
            ..RunFilter::default()
        })?;
        return latest.into_iter().next().ok_or_else(|| {
            Failure::plain("there are no runs yet")
                .help("make a call: tollgate call TOOL --args '{…}'")
        });
    };
    // A whole id is one run, whatever agents call theirs.
    if name.parse::<RunId>().is_ok()
        && let Ok(row) = reader.run(name)
    {
        return Ok(row);
    }
    // A key is what somebody typed and the beginning of an id what nobody does, so a key of hexadecimal
    // digits wins.
    if let Some(row) = reader.run_named(name)? {
        return Ok(row);
    }
    reader.run(name).map_err(|error| match error {
        LedgerError::NotFound { .. } => Failure::plain(format!("{error}, and none has that key"))
            .help("list them with `tollgate runs list`"),
        other => other.into(),
    })
}

/// A run as programs read it.
#[derive(Serialize)]
struct Shown<'a> {
    run: RunRow,
    spans: Vec<SpanView>,
    reported: &'a [StoredSpan],
    logs: &'a [StoredLog],
    usage: Usage,
}

/// How a run is shown.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Tree { full: bool },
    Spans,
    Case,
}

/// Other runs of the same conversation, oldest first, as far as the trace store knows them: the agents
/// between which the work went.
fn together(
    config: &Config,
    ledger: &LedgerReader,
    run: &RunRow,
    conversation: Option<&str>,
) -> Vec<RunRow> {
    let Some(conversation) = conversation else {
        return Vec::new();
    };
    let search = RunSearch {
        tenant: run.tenant.clone(),
        conversation: Some(conversation.to_owned()),
        limit: TOGETHER,
        ..RunSearch::default()
    };
    // Where the trace store cannot be read, the run itself is shown all the same.
    let Ok(Some(store)) = trace::reader(config) else {
        return Vec::new();
    };
    let found = search::runs(&store, ledger, &search, |other| other.id != run.id);
    let mut runs = found.map(|(runs, _)| runs).unwrap_or_default();
    runs.reverse();
    runs
}

async fn show(
    named: Option<&str>,
    shape: Shape,
    config: &Config,
    cx: &Context<'_>,
) -> Result<Exit, Failure> {
    let reader = &cx.reader(config)?;
    let row = find(reader, named)?;
    let records = reader.records_of_run(row.id)?;
    let steps = RunSteps::of(&records);
    if let Shape::Case = shape {
        let known = match trace::reader(config)? {
            Some(store) => RunEvidence::of(&store, &row.tenant, row.id, &steps)?,
            None => RunEvidence::default(),
        };
        let view = CaseView::of(&steps, &known);
        cx.out.show(&view, || case::case(&view, cx.out.width()))?;
        return Ok(Exit::Ok);
    }
    let beside = reported::of_run(config, &row, &records)?;
    if cx.out.is_json() {
        cx.out.json(&Shown {
            run: row,
            spans: reply::views(&records),
            reported: beside.spans(),
            logs: beside.logs(),
            usage: beside.usage(),
        })?;
        return Ok(Exit::Ok);
    }
    let body = match shape {
        Shape::Tree { full } => {
            let whose = row.principal.to_string();
            let reports = Reports {
                beside: &beside,
                whose: &whose,
                currency: &config.prices.currency,
            };
            let width = cx.out.width();
            tree::tree(&records, reports, Style { width, full })
        }
        _ => show::spans::spans(&reply::views(&records), &beside),
    };
    if beside.is_cut() {
        cx.out.remark("more was reported than is shown here");
    }
    let conversation = steps.origin.conversation.as_deref();
    let together = together(config, reader, &row, conversation);
    cx.out.text(&format!(
        "{}{}{}{}\n{body}",
        run::header(&row, &steps.origin),
        run::together(&row, &together),
        run::usage(&beside.usage(), &config.prices.currency),
        run::findings(&findings(&steps)),
    ))?;
    if row.pending > 0 {
        cx.out.remark(&format!(
            "\n{}",
            paint("tollgate approvals list", Tone::Name)
        ));
    }
    Ok(Exit::Ok)
}

async fn stop(
    row: &RunRow,
    operation: Operation,
    config: Config,
    what: &str,
    cx: &Context<'_>,
) -> Result<Exit, Failure> {
    if row.ended.is_some() {
        let how = row.outcome.map_or("ended", RunOutcome::as_str);
        return Err(Failure::plain(format!(
            "run {} is over already: {how}",
            row.id
        )));
    }
    let mut access = cx.access(config)?;
    let done = access.execute(operation).await;
    access.close().await;
    done?;
    let value = serde_json::json!({ "run": row.id, "state": what });
    cx.out.show(&value, || {
        format!("{} run {} {what}", paint("✓", Tone::Good), row.id)
    })?;
    Ok(Exit::Ok)
}
