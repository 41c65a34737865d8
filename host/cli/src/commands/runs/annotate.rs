//! `tollgate runs annotate`: notes and labels on a run or its spans.

use clap::Args;
use serde_json::json;
use tollgate_model::ids::{RunId, SpanId};

use crate::{
    client::ApiRequest,
    commands::runs::{annotate, run_id, trace},
    context::Context,
    error::Failure,
    exit_code::Exit,
    render::table::{Cell, table},
    style::{Tone, line},
    units::moment,
};

const ANNOTATE: &str = "\
Examples:
  $ tollgate runs annotate monday --label goal 'answer ticket 1042'
  $ tollgate runs annotate monday --span 0fb1c2d3e4f50617 --label decision 'it should have asked'
  $ tollgate runs annotate monday
  $ tollgate runs annotate monday --remove 3

Without NOTE and --label, lists the notes on the run. Usual labels: goal, context, decision, guardrail,
stop_reason.

With --json: [{id, time, run, span, label, note, by}].";
/// A note on a run.
#[derive(Debug, Args)]
#[command(after_help = ANNOTATE)]
pub(crate) struct Annotate {
    /// Its id, the beginning of it, or its key.
    run: String,
    /// The note.
    #[arg(requires = "label")]
    note: Option<String>,
    /// A label, such as goal, context, decision, guardrail or stop_reason.
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// The span that the note is about; default: the run as a whole.
    #[arg(long, value_name = "ID", requires = "label")]
    span: Option<SpanId>,
    /// Remove the note with this number.
    #[arg(long, value_name = "N", conflicts_with_all = ["label", "note"])]
    remove: Option<u64>,
}

/// Run `tollgate runs annotate`.
pub(super) async fn run(args: Annotate, cx: &Context<'_>) -> Result<Exit, Failure> {
    let run = run_id(&args.run, cx)?;
    if let Some(note) = args.remove {
        let request = ApiRequest::delete(format!("/v1/runs/{run}/notes/{note}"));
        return annotate(request, "note removed", cx).await;
    }
    let Some(label) = args.label else {
        return notes(run, cx);
    };
    let note = args.note.unwrap_or_default();
    let body = json!({ "span": args.span, "label": label, "note": note });
    let request = ApiRequest::post(format!("/v1/runs/{run}/notes"), body);
    annotate(request, "noted", cx).await
}

fn notes(run: RunId, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config_despite_errors()?;
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
