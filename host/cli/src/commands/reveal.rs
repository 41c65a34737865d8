//! `tollgate reveal`: the value behind a token of a trace.

use clap::Args;
use serde_json::json;
use tollgate::capture::RevealedValue;

use crate::{client::ApiRequest, context::Context, error::Failure, exit_code::Exit};

const HELP: &str = "\
Example:
  $ tollgate reveal tok:v1:3f9a0c1d2b4e5f60:AAAA…

This needs the permission `view_payload` on the run in which the token was made, and is recorded.

With --json: {run, value}.";

/// The arguments of `tollgate reveal`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Reveal {
    /// The token, as in a trace.
    token: String,
}

/// Run `tollgate reveal`.
pub(crate) async fn run(args: Reveal, cx: &Context<'_>) -> Result<Exit, Failure> {
    let request = ApiRequest::post("/v1/reveal", json!({ "token": args.token }));
    let revealed: RevealedValue = cx.execute(request).await?;
    cx.out.show(&revealed, || match &revealed.value {
        serde_json::Value::String(text) => tollgate::text::printable(text, usize::MAX),
        other => other.to_string(),
    })?;
    Ok(Exit::Ok)
}
