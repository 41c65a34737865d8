//! `tollgate policy eval`: the value of a Cedar expression for one request.

use clap::Args;
use serde_json::json;

use super::explain::{self, Explain};
use crate::{
    context::Context,
    error::Failure,
    exit_code::Exit,
    style::{Tone, line, paint},
};

pub(super) const HELP: &str = "\
Examples:
  $ tollgate policy eval 'context.input.amount > 5000' dec-37
  $ tollgate policy eval 'principal in Tollgate::Role::\"clerk\"' --principal Agent::support \\
      --action payments__refund --args '{\"amount\":6000}'
  $ tollgate policy eval 'context.run' --principal Agent::support --action files__read

The request is a recorded decision, or a hypothetical one as for `tollgate policy explain`. Nothing is decided.
The value of a decision shows arguments, so it needs the permission `view_payload` and is recorded.

The exit code is 1 if the expression does not parse or cannot be evaluated.

With --json: {value} or {error}.";

/// The expression and its request.
#[derive(Debug, Args)]
pub(crate) struct Eval {
    /// A Cedar expression about principal, action, resource and context.
    expression: String,
    #[command(flatten)]
    of: Explain,
}

/// Run `tollgate policy eval`.
pub(super) async fn run(args: &Eval, cx: &Context<'_>) -> Result<Exit, Failure> {
    let (pdp, request, facts) = explain::subject(&args.of, cx).await?;
    match pdp.evaluate(&request, &facts, &args.expression) {
        Ok(value) => {
            cx.out.show(&json!({ "value": value }), || {
                format!("{}\n", line(&value, 100_000))
            })?;
            Ok(Exit::Ok)
        }
        Err(error) => {
            let shown = format!("{} {}\n", paint("✗", Tone::Bad), line(&error, 2000));
            cx.out.show(&json!({ "error": error }), || shown)?;
            Ok(Exit::Failure)
        }
    }
}
