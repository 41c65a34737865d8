//! `tollgate runs annotate`, `feedback`, `tell` and `sets`: what people and agents say about runs.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use tollgate_model::ids::{RunId, SpanId};
use tollgate_server::review::Said;
use tollgate_trace::feedback::{FeedbackInput, FeedbackKind};

use super::{find, trace};
use crate::{
    commands::{Context, unexpected},
    exit::Exit,
    failure::Failure,
    operation::{Operation, Reply},
    show::{
        measure::moment,
        paint::{Tone, line, paint},
        table::{Cell, table},
    },
};

const ANNOTATE: &str = "\
Examples:
  $ tollgate runs annotate monday --label goal 'answer ticket 1042'
  $ tollgate runs annotate monday --span 0fb1c2d3e4f50617 --label decision 'it should have asked'
  $ tollgate runs annotate monday
  $ tollgate runs annotate monday --remove 3

Without a label: the notes on the run. Usual labels: goal, context, decision, guardrail, stop_reason.
With --json: [{id, time, run, span, label, note, by}].";
const FEEDBACK: &str = "\
Examples:
  $ tollgate runs feedback monday correction --comment 'the order was 1043'
  $ tollgate runs feedback monday edit-distance --value 0.2
  $ tollgate runs feedback monday wrong-tool --label crm__read --span 0fb1c2d3e4f50617

correction needs --comment; business-outcome --label (resolved, reopened, ..); edit-distance and
citation-correctness --value from 0 to 1.
With --json: {id, time, run, span, kind, value, label, comment, by}.";
const TELL: &str = "\
Example:
  $ tollgate runs tell monday request='refund order 1042' model=m-1 prompt_version=7

Topics: request, context, start_state, end_state, result, summary, state_delta, task_type, agent_version,
workflow_version, prompt_version, model, environment, handoff_to, handoff_from. What is told is shown
as told, kept at most 4 KiB each, and has no part in any decision.";
const SETS: &str = "\
Examples:
  $ tollgate runs sets add regressions --about 'to look at before a release'
  $ tollgate runs sets put regressions monday tuesday
  $ tollgate runs list --set regressions

With --json: [{name, about, by, created, runs}]; show: [run ids].";

/// A note on a run.
#[derive(Debug, Args)]
#[command(after_help = ANNOTATE)]
pub(crate) struct Annotate {
    /// Its id, the beginning of it, or its key.
    run: String,
    /// The note.
    #[arg(requires = "label")]
    note: Option<String>,
    /// Such as goal, context, decision, guardrail or stop_reason.
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// The span that it is about; the run as a whole unless given.
    #[arg(long, value_name = "ID", requires = "label")]
    span: Option<SpanId>,
    /// Take this note back.
    #[arg(long, value_name = "N", conflicts_with_all = ["label", "note"])]
    remove: Option<u64>,
}

/// Feedback on a run.
#[derive(Debug, Args)]
#[command(after_help = FEEDBACK)]
pub(crate) struct Feedback {
    /// Its id, the beginning of it, or its key.
    run: String,
    /// What kind.
    #[arg(value_enum)]
    kind: Kind,
    /// A number.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    value: Option<f64>,
    /// A word.
    #[arg(long, value_name = "WORD")]
    label: Option<String>,
    /// In words.
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// The span that it is about; the run as a whole unless given.
    #[arg(long, value_name = "ID")]
    span: Option<SpanId>,
}

/// A kind of feedback.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// What is right instead.
    Correction,
    /// What came of it outside.
    BusinessOutcome,
    /// How much a reviewer changed.
    EditDistance,
    /// How much of what was cited supports what was said.
    CitationCorrectness,
    /// It was answered without evidence.
    NoEvidenceAnswer,
    /// Another tool should have been called.
    WrongTool,
}

impl From<Kind> for FeedbackKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Correction => Self::Correction,
            Kind::BusinessOutcome => Self::BusinessOutcome,
            Kind::EditDistance => Self::EditDistance,
            Kind::CitationCorrectness => Self::CitationCorrectness,
            Kind::NoEvidenceAnswer => Self::NoEvidenceAnswer,
            Kind::WrongTool => Self::WrongTool,
        }
    }
}

/// What the agent tells about a run.
#[derive(Debug, Args)]
#[command(after_help = TELL)]
pub(crate) struct Tell {
    /// Its id, the beginning of it, or its key.
    run: String,
    /// What, each as TOPIC=TEXT.
    #[arg(required = true, value_name = "TOPIC=TEXT")]
    told: Vec<String>,
    /// The call that it is about; the run as a whole unless given.
    #[arg(long, value_name = "ID")]
    call: Option<SpanId>,
}

/// Named collections of runs.
#[derive(Debug, Subcommand)]
#[command(after_help = SETS)]
pub(crate) enum Sets {
    /// List sets.
    #[command(after_help = SETS)]
    List,
    /// List the runs of a set.
    #[command(after_help = SETS)]
    Show {
        /// Its name.
        set: String,
    },
    /// Make a set.
    #[command(after_help = SETS)]
    Add {
        /// Its name.
        set: String,
        /// What it is for.
        #[arg(long, value_name = "TEXT", default_value = "")]
        about: String,
    },
    /// Remove a set; its runs stay.
    #[command(after_help = SETS)]
    Remove {
        /// Its name.
        set: String,
    },
    /// Put runs into a set.
    #[command(after_help = SETS)]
    Put {
        /// Its name.
        set: String,
        /// Their ids, the beginnings of them, or their keys.
        #[arg(required = true)]
        runs: Vec<String>,
    },
    /// Take a run out of a set.
    #[command(after_help = SETS)]
    Take {
        /// Its name.
        set: String,
        /// Its id, the beginning of it, or its key.
        run: String,
    },
}

async fn say(said: Said, done: &str, cx: &Context<'_>) -> Result<Exit, Failure> {
    let value = match cx.execute(Operation::Say { said }).await? {
        Reply::Said(value) => value,
        other => return Err(unexpected(&other)),
    };
    cx.out
        .show(&value, || format!("{} {done}", paint("✓", Tone::Good)))?;
    Ok(Exit::Ok)
}

fn run_id(name: &str, cx: &Context<'_>) -> Result<RunId, Failure> {
    Ok(find(&cx.reader(&cx.config()?)?, Some(name))?.id)
}

/// Run `tollgate runs annotate`.
pub(super) async fn annotate(args: Annotate, cx: &Context<'_>) -> Result<Exit, Failure> {
    let run = run_id(&args.run, cx)?;
    if let Some(note) = args.remove {
        return say(Said::RemoveNote { run, note }, "note removed", cx).await;
    }
    let Some(label) = args.label else {
        return notes(run, cx);
    };
    let said = Said::Note {
        run,
        span: args.span,
        label,
        note: args.note.unwrap_or_default(),
    };
    say(said, "noted", cx).await
}

fn notes(run: RunId, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config()?;
    let notes = match trace::reader(&config)? {
        Some(reader) => reader.notes(&config.gate.tenant, run)?,
        None => Vec::new(),
    };
    if notes.is_empty() && !cx.out.is_json() {
        cx.out.remark("no notes");
        return Ok(Exit::Ok);
    }
    cx.out.show(&notes, || {
        let rows: Vec<[Cell; 6]> = notes
            .iter()
            .map(|note| {
                let said = &note.note;
                [
                    note.id.to_string().into(),
                    Cell::new(moment(note.time), Tone::Weak),
                    line(&said.by, 48).into(),
                    Cell::new(line(&said.label, 40), Tone::Strong),
                    match said.span {
                        Some(span) => Cell::new(span.to_string(), Tone::Name),
                        None => Cell::new("run", Tone::Weak),
                    },
                    line(&said.note, 400).into(),
                ]
            })
            .collect();
        table(["N", "WHEN", "BY", "LABEL", "ON", "NOTE"], &rows)
    })?;
    Ok(Exit::Ok)
}

/// Run `tollgate runs feedback`.
pub(super) async fn feedback(args: Feedback, cx: &Context<'_>) -> Result<Exit, Failure> {
    let run = run_id(&args.run, cx)?;
    let given = FeedbackInput {
        kind: args.kind.into(),
        span: args.span,
        value: args.value,
        label: args.label,
        comment: args.comment,
    };
    say(Said::Feedback { run, given }, "kept", cx).await
}

/// Run `tollgate runs tell`.
pub(super) async fn tell(args: Tell, cx: &Context<'_>) -> Result<Exit, Failure> {
    let run = run_id(&args.run, cx)?;
    let mut told = serde_json::Map::new();
    for pair in &args.told {
        let Some((topic, text)) = pair.split_once('=') else {
            return Err(Failure::usage(format!(
                "`{}` is not TOPIC=TEXT, as in request='refund order 1042'",
                line(pair, 80)
            )));
        };
        match told.get_mut(topic) {
            None => drop(told.insert(topic.to_owned(), json!(text))),
            Some(Value::Array(all)) => all.push(json!(text)),
            Some(one) => *one = json!([one.take(), text]),
        }
    }
    let said = Said::Told {
        run,
        call: args.call,
        told: Value::Object(told),
    };
    say(said, "kept", cx).await
}

/// Run `tollgate runs sets`.
pub(super) async fn sets(command: Sets, cx: &Context<'_>) -> Result<Exit, Failure> {
    match command {
        Sets::List => list(cx),
        Sets::Show { set } => show(&set, cx),
        Sets::Add { set, about } => {
            let done = format!("set {set} made");
            say(Said::MakeSet { set, about }, &done, cx).await
        }
        Sets::Remove { set } => {
            let done = format!("set {set} removed");
            say(Said::RemoveSet { set }, &done, cx).await
        }
        Sets::Put { set, runs } => {
            let runs = runs.iter().map(|run| run_id(run, cx));
            let runs = runs.collect::<Result<Vec<_>, _>>()?;
            let done = format!("in set {set}");
            say(Said::AddToSet { set, runs }, &done, cx).await
        }
        Sets::Take { set, run } => {
            let run = run_id(&run, cx)?;
            let done = format!("no longer in set {set}");
            say(Said::TakeFromSet { set, run }, &done, cx).await
        }
    }
}

fn list(cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config()?;
    let sets = match trace::reader(&config)? {
        Some(reader) => reader.sets(&config.gate.tenant)?,
        None => Vec::new(),
    };
    if sets.is_empty() && !cx.out.is_json() {
        cx.out.remark("no sets");
        return Ok(Exit::Ok);
    }
    cx.out.show(&sets, || {
        let rows: Vec<[Cell; 5]> = sets
            .iter()
            .map(|set| {
                [
                    Cell::new(line(&set.name, 64), Tone::Name),
                    set.runs.to_string().into(),
                    line(&set.by, 48).into(),
                    Cell::new(moment(set.created), Tone::Weak),
                    line(&set.about, 200).into(),
                ]
            })
            .collect();
        table(["SET", "RUNS", "BY", "MADE", "ABOUT"], &rows)
    })?;
    Ok(Exit::Ok)
}

fn show(set: &str, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config()?;
    let runs = match trace::reader(&config)? {
        Some(reader) => reader.set_runs(&config.gate.tenant, set)?,
        None => {
            return Err(Failure::plain("there are no sets yet")
                .help("make one: tollgate runs sets add NAME"));
        }
    };
    cx.out.show(&runs, || {
        let mut text = String::new();
        for run in &runs {
            text.push_str(&format!("{}\n", paint(&run.to_string(), Tone::Name)));
        }
        text
    })?;
    Ok(Exit::Ok)
}
