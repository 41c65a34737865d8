//! `tollgate reload`: what is configured now comes into force.

use clap::Args;

use crate::{
    context::{Context, unexpected},
    error::Failure,
    exit_code::Exit,
    operation::{Operation, Reply},
};

const EXAMPLES: &str = "\
Example:
  $ tollgate reload

The process that serves the gate loads configuration, policies and components again, whole or not at
all. Calls under way keep what they began with. Whether you may is decided (activate_policies).
With --json: {bundle}: the digest of what is in force.";

/// The arguments of `tollgate reload`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Reload {}

/// Run `tollgate reload`.
pub(crate) async fn run(_args: Reload, cx: &Context<'_>) -> Result<Exit, Failure> {
    match cx.execute(Operation::Reload).await? {
        Reply::Reloaded { bundle } => {
            let told = serde_json::json!({ "bundle": bundle });
            cx.out.show(&told, || format!("in force: {bundle}"))?;
            Ok(Exit::Ok)
        }
        other => Err(unexpected(&other)),
    }
}
