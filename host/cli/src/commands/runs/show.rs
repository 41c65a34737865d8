//! `tollgate runs show`.

use clap::Args;
use serde::Serialize;
use tollgate::config::Config;
use tollgate_ledger::{LedgerReader, RunRow};
use tollgate_trace::{
    run::{CaseView, RunEvidence, RunSteps, findings},
    search::{self, RunSearch},
    store::{StoredLog, StoredSpan, Usage},
};

use crate::{
    commands::{
        reported,
        runs::{find, trace},
    },
    context::Context,
    error::Failure,
    exit_code::Exit,
    render::{
        case, run, spans,
        tree::{self, Reports, Style},
    },
    reply::{self, SpanView},
    style::{Tone, paint},
};

const SHOW: &str = "\
Examples:
  $ tollgate runs show
  $ tollgate runs show 019aa4c1
  $ tollgate runs show monday --full
  $ tollgate runs show monday --case

--case shows the run as an incident report: context, actions, signals, enforcement, and missing evidence.
A call without invoke_component below it did not run. Spans that the agent reported by OTLP are in the same
tree, marked as reported: they are not verified.

With --json: {run, spans, reported, logs, usage}. `run` is as in the list. `spans` are {span, parent, kind, name,
start, end, error, openinference, attributes}, with OpenTelemetry's names if it has one. `reported` and `logs`
are the reported spans and logs, with reporter and attributes. `usage` has the tokens and cost that the run's
own principal reported. With --case --json: {context, actions, signals, enforcement, missing}.";
/// The most other runs of a conversation that are named.
const TOGETHER: usize = 10;

/// The run and the form of output.
#[derive(Debug, Args)]
#[command(after_help = SHOW)]
pub(crate) struct Show {
    /// Its id, the beginning of it, or its key; unless given, the run in which something happened last.
    run: Option<String>,
    /// Show every span on its own line, and every log line of the components.
    #[arg(long)]
    full: bool,
    /// Show every span with its attributes.
    #[arg(long, conflicts_with = "full")]
    spans: bool,
    /// Show an incident report: context, actions, signals, enforcement, and missing evidence.
    #[arg(long, conflicts_with_all = ["full", "spans"])]
    case: bool,
}

/// A run as programs read it.
#[derive(Serialize)]
struct RunView<'a> {
    run: RunRow,
    spans: Vec<SpanView>,
    reported: &'a [StoredSpan],
    logs: &'a [StoredLog],
    usage: Usage,
}

/// The form of output.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Tree { full: bool },
    Spans,
    Case,
}

/// Other runs of the same conversation, oldest first, from the trace store. They show handoffs between agents.
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
    // If the trace store cannot be read, the run itself is still shown.
    let Ok(Some(store)) = trace::reader(config) else {
        return Vec::new();
    };
    let found = search::runs(&store, ledger, &search, |other| other.id != run.id);
    let mut runs = found.map(|(runs, _)| runs).unwrap_or_default();
    runs.reverse();
    runs
}

impl Show {
    /// The tree of a run, with the log lines of its components.
    pub(super) fn whole(run: Option<String>) -> Self {
        Self {
            run,
            full: true,
            spans: false,
            case: false,
        }
    }
}

/// Run `tollgate runs show`.
pub(super) async fn run(args: &Show, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = &cx.config_despite_errors()?;
    let shape = match (args.case, args.spans) {
        (true, _) => Shape::Case,
        (_, true) => Shape::Spans,
        _ => Shape::Tree { full: args.full },
    };
    let named = args.run.as_deref();
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
    let merged = reported::of_run(config, &row, &records)?;
    if cx.out.is_json() {
        cx.out.json(&RunView {
            run: row,
            spans: reply::views(&records),
            reported: merged.spans(),
            logs: merged.logs(),
            usage: merged.usage(),
        })?;
        return Ok(Exit::Ok);
    }
    let body = match shape {
        Shape::Tree { full } => {
            let whose = row.principal.to_string();
            let reports = Reports {
                merged: &merged,
                whose: &whose,
                currency: &config.prices.currency,
            };
            let width = cx.out.width();
            tree::tree(&records, reports, Style { width, full })
        }
        _ => spans::spans(&reply::views(&records), &merged),
    };
    if merged.is_cut() {
        cx.out.remark("more was reported than is shown here");
    }
    let conversation = steps.origin.conversation.as_deref();
    let together = together(config, reader, &row, conversation);
    cx.out.text(&format!(
        "{}{}{}{}\n{body}",
        run::header(&row, &steps.origin),
        run::together(&row, &together),
        run::usage(&merged.usage(), &config.prices.currency),
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
