//! `tollgate approvals links`: links by which one user may answer one approval.

use clap::Subcommand;
use serde_json::json;
use tollgate::ids::Clock;
use tollgate_ledger::ApprovalLinkFilter;
use tollgate_model::{
    ids::{ApprovalId, LinkId},
    record::ApprovalLinkState,
};

use crate::{
    client::ApiRequest,
    context::Context,
    error::Failure,
    exit_code::Exit,
    render::table::{Cell, table},
    reply::ApprovalLinkView,
    style::{Tone, line, paint},
    units::{duration, moment},
};

const LIST: &str = "\
Examples:
  $ tollgate approvals links list
  $ tollgate approvals links list --approval apr-0a1b2c3d4e5f6071 --all --json

The URLs of links are not stored, so they are not shown.

With --json: [{id, approval, user, state, issued, expires}]. Times are microseconds since 1970.";
const REVOKE: &str = "\
Example:
  $ tollgate approvals links revoke lnk-0a1b2c3d4e5f6071

Users revoke their own links, administrators all of them. Its approval still waits, and gets no other link for
this user.

With --json: {id, revoked}.";

/// What to do with links.
#[derive(Debug, Subcommand)]
pub(crate) enum Links {
    /// List links for answering approvals, the latest first.
    #[command(after_help = LIST)]
    List {
        /// Only links of this approval, such as apr-0a1b2c3d4e5f6071.
        #[arg(long, value_name = "ID")]
        approval: Option<ApprovalId>,
        /// Also links that were used or revoked, or have expired.
        #[arg(long)]
        all: bool,
    },
    /// Revoke a link.
    #[command(after_help = REVOKE)]
    Revoke {
        /// The link, such as lnk-0a1b2c3d4e5f6071.
        id: LinkId,
    },
}

/// Run `tollgate approvals links`.
pub(crate) async fn run(command: Links, cx: &Context<'_>) -> Result<Exit, Failure> {
    match command {
        Links::List { approval, all } => list(approval, all, cx),
        Links::Revoke { id } => {
            cx.execute::<()>(ApiRequest::delete(format!("/v1/approval-links/{id}")))
                .await?;
            let value = json!({ "id": id, "revoked": true });
            cx.out.show(&value, || {
                format!("{} {id} is worthless from now on", paint("✓", Tone::Good))
            })?;
            Ok(Exit::Ok)
        }
    }
}

fn list(approval: Option<ApprovalId>, all: bool, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config()?;
    let filter = ApprovalLinkFilter {
        approval,
        valid_at: (!all).then(|| Clock::system().now()),
        limit: None,
    };
    let links = match cx.reader_if_any(&config)? {
        Some(reader) => reader.approval_links(&filter)?,
        None => Vec::new(),
    };
    let tenant = &config.gate.tenant;
    let links = links.into_iter().filter(|link| link.tenant == *tenant);
    let links: Vec<ApprovalLinkView> = links.map(ApprovalLinkView::from).collect();
    if links.is_empty() && !cx.out.is_json() {
        cx.out.remark(match config.approvals.links {
            Some(_) => "there are no links",
            None => "no links are issued; that takes [approvals.links]",
        });
        return Ok(Exit::Ok);
    }
    cx.out.show(&links, || shown(&links))?;
    Ok(Exit::Ok)
}

fn shown(links: &[ApprovalLinkView]) -> String {
    let now = Clock::system().now();
    let rows: Vec<[Cell; 5]> = links
        .iter()
        .map(|link| {
            let state = match link.state {
                ApprovalLinkState::Open if link.expires <= now => Cell::new("expired", Tone::Bad),
                ApprovalLinkState::Open => {
                    let left = duration(link.expires.since(now));
                    Cell::new(format!("{left} left"), Tone::Wait)
                }
                ApprovalLinkState::Used => Cell::new("used", Tone::Good),
                ApprovalLinkState::Revoked => Cell::new("revoked", Tone::Bad),
            };
            [
                Cell::new(link.id.to_string(), Tone::Name),
                Cell::new(link.approval.to_string(), Tone::Name),
                line(&link.user, 64).into(),
                Cell::new(moment(link.issued), Tone::Weak),
                state,
            ]
        })
        .collect();
    table(["ID", "APPROVAL", "USER", "ISSUED", "STATE"], &rows)
}
