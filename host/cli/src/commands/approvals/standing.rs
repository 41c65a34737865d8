//! `tollgate approvals standing`: what people approved in advance.

use clap::{Args, Subcommand};
use serde_json::json;
use tollgate::ids::Clock;
use tollgate_ledger::StandingFilter;
use tollgate_model::{ids::StandingId, life::StandingState};

use super::plainly;
use crate::{
    client::ApiRequest,
    context::Context,
    error::Failure,
    exit_code::Exit,
    render::standing,
    reply::{StandingApprovalView, StandingRevoked},
    style::{Tone, paint},
};

const LIST: &str = "\
Examples:
  $ tollgate approvals standing list
  $ tollgate approvals standing list --all --json

With --json: [{id, state, tool, principal, on_behalf_of, scope, run, by, roles, approval, policies, max_uses,
uses, granted, expires}]. Times are microseconds since 1970.";
const SHOW: &str = "\
Example:
  $ tollgate approvals standing show sta-0a1b2c3d4e5f6071

With --json: the members of `approvals standing list` and, for users who may answer for such calls,
`pattern`. Each of `uses` is a decision: see it with `tollgate decisions show`.";
const REVOKE: &str = "\
Example:
  $ tollgate approvals standing revoke sta-0a1b2c3d4e5f6071 --note 'the campaign is over'

Who may reject such calls may end it. Calls that run already are not stopped.

With --json: {id, state, decision, by}.";

/// What to do with standing approvals.
#[derive(Debug, Subcommand)]
pub(crate) enum StandingCommand {
    /// List standing approvals, the newest first.
    #[command(after_help = LIST)]
    List {
        /// Also those that no longer count.
        #[arg(long)]
        all: bool,
    },
    /// Show which calls it covers, and what it has allowed.
    #[command(after_help = SHOW)]
    Show {
        /// The standing approval, such as sta-0a1b2c3d4e5f6071.
        id: StandingId,
    },
    /// End it at once.
    #[command(after_help = REVOKE)]
    Revoke(Revoke),
}

/// The end of a standing approval.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The standing approval, such as sta-0a1b2c3d4e5f6071.
    id: StandingId,
    /// A note to record.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

pub(super) async fn run(command: StandingCommand, cx: &Context<'_>) -> Result<Exit, Failure> {
    match command {
        StandingCommand::List { all } => list(all, cx),
        StandingCommand::Show { id } => {
            let request = ApiRequest::get(format!("/v1/standing-approvals/{id}"));
            let view: StandingApprovalView =
                cx.execute_despite_errors(request).await.map_err(plainly)?;
            cx.out.show(&view, || standing::whole(&view))?;
            if view.state == StandingState::Active {
                let command = format!("tollgate approvals standing revoke {id}");
                cx.out
                    .remark(&format!("end it: {}", paint(&command, Tone::Name)));
            }
            Ok(Exit::Ok)
        }
        StandingCommand::Revoke(Revoke { id, note }) => {
            let path = format!("/v1/standing-approvals/{id}/revoke");
            let request = ApiRequest::post(path, json!({ "note": note }));
            let revoked: StandingRevoked =
                cx.execute_despite_errors(request).await.map_err(plainly)?;
            cx.out.show(&revoked, || {
                let StandingRevoked { decision, by, .. } = &revoked;
                format!(
                    "{} {id} is revoked by {by} ({decision})",
                    paint("✓", Tone::Good)
                )
            })?;
            Ok(Exit::Ok)
        }
    }
}

fn list(all: bool, cx: &Context<'_>) -> Result<Exit, Failure> {
    let filter = StandingFilter {
        active: !all,
        ..StandingFilter::default()
    };
    let reader = cx.reader_if_any(&cx.config_despite_errors()?)?;
    let rows = reader.map_or_else(
        || Ok(Vec::new()),
        |reader| reader.standing_approvals(&filter),
    )?;
    let views: Vec<StandingApprovalView> = rows.into_iter().map(Into::into).collect();
    if views.is_empty() && !cx.out.is_json() {
        cx.out.remark(
            "no standing approval counts; `tollgate approvals approve --help` says how to give one",
        );
        return Ok(Exit::Ok);
    }
    cx.out
        .show(&views, || standing::list(&views, Clock::system().now()))?;
    Ok(Exit::Ok)
}
