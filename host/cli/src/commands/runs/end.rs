//! `tollgate runs end` and `tollgate runs cancel`.

use clap::{Args, ValueEnum};
use serde_json::json;
use tollgate_ledger::RunRow;
use tollgate_model::record::RunOutcome;

use crate::{
    client::ApiRequest,
    commands::runs::find,
    context::Context,
    error::Failure,
    exit_code::Exit,
    style::{Tone, paint},
};

const END: &str = "\
Example:
  $ tollgate runs end monday --outcome success --reason 'all tickets answered'";
const CANCEL: &str = "\
Example:
  $ tollgate runs cancel 019aa4c1 --reason 'it goes in circles'

No further call of the run starts, its running components are ended, and its pending approvals are voided.";

/// The arguments of `tollgate runs end`.
#[derive(Debug, Args)]
#[command(after_help = END)]
pub(crate) struct End {
    /// Its id, the beginning of it, or its key; unless given, the run in which something happened last.
    run: Option<String>,
    /// The outcome. By default it follows from the last call: budget-exhausted or denied if that was refused
    /// for it, else success.
    #[arg(long, value_enum)]
    outcome: Option<OutcomeArg>,
    /// The reason, in a few words.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// The arguments of `tollgate runs cancel`.
#[derive(Debug, Args)]
#[command(after_help = CANCEL)]
pub(crate) struct Cancel {
    /// Its id, the beginning of it, or its key.
    run: String,
    /// The reason, in a few words.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "cancelled at the command line"
    )]
    reason: String,
}

/// An outcome that the caller may give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutcomeArg {
    /// It reached its goal.
    Success,
    /// It did not reach its goal.
    Failed,
    /// A denial ended it.
    Denied,
    /// A budget was used up.
    BudgetExhausted,
}

impl From<OutcomeArg> for RunOutcome {
    fn from(how: OutcomeArg) -> Self {
        match how {
            OutcomeArg::Success => Self::Success,
            OutcomeArg::Failed => Self::Failed,
            OutcomeArg::Denied => Self::Denied,
            OutcomeArg::BudgetExhausted => Self::BudgetExhausted,
        }
    }
}

/// Run `tollgate runs end`.
pub(super) async fn end(args: End, cx: &Context<'_>) -> Result<Exit, Failure> {
    let row = find(
        &cx.reader(&cx.config_despite_errors()?)?,
        args.run.as_deref(),
    )?;
    let outcome = args.outcome.map(RunOutcome::from);
    let body = json!({ "outcome": outcome, "reason": args.reason });
    let request = ApiRequest::post(format!("/v1/runs/{}/end", row.id), body);
    let ended = stop(&row, request, "ended", cx).await;
    ended.map_err(|failure| match row.ended {
        None => failure.help(format!(
            "stop it, if you may: tollgate runs cancel {}",
            row.id
        )),
        Some(_) => failure,
    })
}

/// Run `tollgate runs cancel`.
pub(super) async fn cancel(args: Cancel, cx: &Context<'_>) -> Result<Exit, Failure> {
    let row = find(&cx.reader(&cx.config_despite_errors()?)?, Some(&args.run))?;
    let body = json!({ "reason": args.reason });
    let request = ApiRequest::post(format!("/v1/runs/{}/cancel", row.id), body);
    stop(&row, request, "cancelled", cx).await
}

async fn stop(
    row: &RunRow,
    request: ApiRequest,
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
    cx.execute_despite_errors::<()>(request).await?;
    let value = serde_json::json!({ "run": row.id, "state": what });
    cx.out.show(&value, || {
        format!("{} run {} {what}", paint("✓", Tone::Good), row.id)
    })?;
    Ok(Exit::Ok)
}
