//! `tollgate policy promote`: puts shadow policies into force.

use clap::Args;
use serde_json::json;

use crate::{
    client::ApiRequest,
    context::Context,
    error::Failure,
    exit_code::Exit,
    reply::PromotionReply,
    style::{Tone, paint},
    units::count,
};

pub(super) const HELP: &str = "\
Examples:
  $ tollgate policy promote effects-in-working-hours
  $ tollgate policy promote --candidate

Removes @mode(\"shadow\") from a policy; or, with --candidate, puts the files of `shadow` under
[policies] into `dir`, replacing its files. This needs the permission `activate_policies` under
the policies in force, is recorded, and applies to calls that arrive afterwards. If the new set does not
load, nothing changes.

With --json: {bundle, files}.";

/// The policy or set to promote.
#[derive(Debug, Args)]
pub(crate) struct Promote {
    /// A policy in shadow mode.
    #[arg(required_unless_present = "candidate", conflicts_with = "candidate")]
    policy: Option<String>,
    /// The whole shadow set.
    #[arg(long)]
    candidate: bool,
}

/// Run `tollgate policy promote`.
pub(super) async fn run(args: &Promote, cx: &Context<'_>) -> Result<Exit, Failure> {
    let request = ApiRequest::post("/v1/policies/promote", json!({ "policy": args.policy }));
    let promoted: PromotionReply = cx.execute(request).await?;
    cx.out.show(&promoted, || {
        format!(
            "{} in force; {} changed; bundle {}\n",
            paint("✓", Tone::Good),
            count(promoted.files.len() as u64, "file"),
            promoted.bundle.short()
        )
    })?;
    Ok(Exit::Ok)
}
