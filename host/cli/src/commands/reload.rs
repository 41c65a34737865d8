//! `tollgate reload`: puts changed files into force.

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use crate::{client::ApiRequest, context::Context, error::Failure, exit_code::Exit};

const EXAMPLES: &str = "\
Example:
  $ tollgate reload

The process that serves the gate loads configuration, policies and components again. If anything is wrong,
nothing changes. Calls in flight keep the configuration that they began with. This needs the permission
`activate_policies`.

With --json: {bundle}, the digest of the policies in force.";

/// The arguments of `tollgate reload`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Reload {}

/// The part of the reply that is shown.
#[derive(Deserialize)]
pub(super) struct BundleReply {
    bundle: String,
}

/// Run `tollgate reload`.
pub(crate) async fn run(_args: Reload, cx: &Context<'_>) -> Result<Exit, Failure> {
    let request = ApiRequest::post("/v1/reload", json!({}));
    let BundleReply { bundle } = cx.execute(request).await?;
    let value = json!({ "bundle": bundle });
    cx.out.show(&value, || format!("in force: {bundle}"))?;
    Ok(Exit::Ok)
}
