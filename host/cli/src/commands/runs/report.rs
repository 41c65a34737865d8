//! `tollgate runs report`: self-reports of an agent about its run.

use clap::Args;
use serde_json::{Value, json};
use tollgate_model::ids::SpanId;

use crate::{
    client::ApiRequest,
    commands::runs::{annotate, run_id},
    context::Context,
    error::Failure,
    exit_code::Exit,
    style::line,
};

const REPORT: &str = "\
Example:
  $ tollgate runs report monday request='refund order 1042' model=m-1 prompt_version=7

Topics: request, context, start_state, end_state, result, summary, state_delta, task_type, agent_version,
workflow_version, prompt_version, model, environment, handoff_to, handoff_from. Self-reports are marked as
such, have at most 4 KiB each, and do not influence decisions.";
/// The arguments of `tollgate runs report`.
#[derive(Debug, Args)]
#[command(after_help = REPORT)]
pub(crate) struct Report {
    /// Its id, the beginning of it, or its key.
    run: String,
    /// The self-reports, each as TOPIC=TEXT.
    #[arg(required = true, value_name = "TOPIC=TEXT")]
    report: Vec<String>,
    /// The call that the report is about; default: the run as a whole.
    #[arg(long, value_name = "ID")]
    call: Option<SpanId>,
}

/// Run `tollgate runs report`.
pub(super) async fn run(args: Report, cx: &Context<'_>) -> Result<Exit, Failure> {
    let run = run_id(&args.run, cx)?;
    let mut report = serde_json::Map::new();
    for pair in &args.report {
        let Some((topic, text)) = pair.split_once('=') else {
            return Err(Failure::usage(format!(
                "`{}` is not TOPIC=TEXT, as in request='refund order 1042'",
                line(pair, 80)
            )));
        };
        match report.get_mut(topic) {
            None => drop(report.insert(topic.to_owned(), json!(text))),
            Some(Value::Array(all)) => all.push(json!(text)),
            Some(one) => *one = json!([one.take(), text]),
        }
    }
    let body = json!({ "call": args.call, "report": report });
    let request = ApiRequest::post(format!("/v1/runs/{run}/self-report"), body);
    annotate(request, "kept", cx).await
}
