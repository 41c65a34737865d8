//! `tollgate approvals`: pending approvals, and answers.

mod answer;
mod input;
mod standing;
mod terms;

use clap::Subcommand;
use tollgate::ids::Clock;
use tollgate_ledger::{ApprovalFilter, LedgerReader};
use tollgate_model::{ids::ApprovalId, life::ApprovalState};

use self::{
    answer::{ANSWER, Answer, Approve, REJECT, Vote},
    input::{INPUT, Input},
    standing::StandingCommand,
};
use crate::{
    client::ApiRequest,
    commands::approval_links::{self, Links},
    context::Context,
    error::Failure,
    exit_code::Exit,
    render::approval,
    reply::{self, ApprovalView, PreviewReply},
    style::{Tone, paint},
};

const LIST: &str = "\
Examples:
  $ tollgate approvals list
  $ tollgate approvals list --all --json

With --json: [{id, state, severity, tool, digest, principal, on_behalf_of, run, call, question, policies,
needs, approvers, requested, expires, round, provenance}]. Times are microseconds since 1970.";
const SHOW: &str = "\
Examples:
  $ tollgate approvals show apr-0a1b2c3d4e5f6071
  $ tollgate approvals show apr-0a1b2c3d4e5f6071 --preview

Calls of the run that wait for the same reason are one question, and are shown with it: answer them together with
--question.

With --preview, for tools that have a `preview` in tollgate.toml, it is tried what the call would do: a call of yours,
in the run preview-apr-…, of a tool that only reads or of the tool itself without anything but its reads. Policy
decides whether you may. The approval stays as it is.

With --json: the members of `approvals list`, and `labels` and, for users who may answer, `arguments`
(canonical and complete). If other calls wait for the same reason: `others`, [{id, tool, arguments, digest}], and
`question_digest`. With --preview: {approval, preview: {id, digest, tool, outcome, decision, run, text}}.";

/// What to do with approvals.
#[derive(Debug, Subcommand)]
pub(crate) enum Approvals {
    /// List the calls that wait for an approval, the most severe first.
    #[command(after_help = LIST)]
    List {
        /// Also approvals that were answered or used, or have expired.
        #[arg(long)]
        all: bool,
    },
    /// Show exactly what happens if it is approved.
    #[command(after_help = SHOW)]
    Show {
        /// The approval, such as apr-0a1b2c3d4e5f6071.
        id: ApprovalId,
        /// Also show what it would do.
        #[arg(long)]
        preview: bool,
    },
    /// Answer what an upstream server asks.
    #[command(after_help = INPUT)]
    Answer(Input),
    /// Approve exactly this call, once.
    #[command(after_help = ANSWER)]
    Approve(Approve),
    /// Reject this call.
    #[command(after_help = REJECT)]
    Reject(Answer),
    /// List and revoke links by which people answer.
    #[command(subcommand)]
    Links(Links),
    /// List, show and end what was approved in advance.
    #[command(subcommand)]
    Standing(StandingCommand),
}

/// Run `tollgate approvals`.
pub(crate) async fn run(command: Approvals, cx: &Context<'_>) -> Result<Exit, Failure> {
    match command {
        Approvals::List { all } => list(all, cx),
        Approvals::Show { id, preview } => {
            let view = show(cx, id).await?;
            match preview {
                false => cx
                    .out
                    .show(&view, || approval::whole(&view, cx.out.width()))?,
                true => show_with_preview(cx, &view).await?,
            }
            if view.state == ApprovalState::Pending {
                let verb = match view.elicitation {
                    Some(_) => "answer",
                    None => "approve",
                };
                cx.out.remark(&format!(
                    "answer it: {}",
                    paint(&format!("tollgate approvals {verb} {id}"), Tone::Name)
                ));
            }
            Ok(Exit::Ok)
        }
        Approvals::Answer(input) => input::answer_input(input, cx).await,
        Approvals::Links(command) => approval_links::run(command, cx).await,
        Approvals::Approve(approve) => answer::approve(approve, cx).await,
        Approvals::Reject(answer) => answer::answer(answer, &Vote::Reject, cx).await,
        Approvals::Standing(command) => standing::run(command, cx).await,
    }
}

fn list(all: bool, cx: &Context<'_>) -> Result<Exit, Failure> {
    let config = cx.config_despite_errors()?;
    let filter = if all {
        ApprovalFilter::default()
    } else {
        ApprovalFilter::open()
    };
    let views = match cx.reader_if_any(&config)? {
        Some(reader) => waiting(&reader, &filter)?,
        None => Vec::new(),
    };
    if cx.out.is_json() {
        cx.out.json(&views)?;
    } else if views.is_empty() {
        cx.out.remark("nothing waits for a human");
    } else {
        cx.out
            .text(&approval::list(&views, Clock::system().now()))?;
        if let Some(first) = views.first() {
            cx.out.remark(&format!(
                "look at one: {}",
                paint(&format!("tollgate approvals show {}", first.id), Tone::Name)
            ));
        }
    }
    Ok(Exit::Ok)
}

/// Approvals with the reasons of their policies and the origins of their values, from the decision that requested
/// each.
fn waiting(reader: &LedgerReader, filter: &ApprovalFilter) -> Result<Vec<ApprovalView>, Failure> {
    let rows = reader.approvals(filter)?.into_iter();
    rows.map(|row| {
        let decision = reader.requesting_decision(&row)?;
        let mut view = ApprovalView::from(row);
        if let Some((_, decision)) = decision {
            let determining = &decision.determining;
            reply::explain_by(&mut view.policies, |id| {
                determining.iter().find(|known| known.policy.id == id)
            });
            view.provenance = decision.provenance;
        }
        Ok(view)
    })
    .collect()
}

async fn show(cx: &Context<'_>, id: ApprovalId) -> Result<ApprovalView, Failure> {
    let request = ApiRequest::get(format!("/v1/approvals/{id}"));
    cx.execute_despite_errors(request).await.map_err(plainly)
}

/// Shows an approval, and what its call would do.
async fn show_with_preview(cx: &Context<'_>, approval: &ApprovalView) -> Result<(), Failure> {
    let path = format!("/v1/approvals/{}/preview", approval.id);
    let request = ApiRequest::post(path, serde_json::Value::Null);
    let preview: PreviewReply = cx.execute(request).await.map_err(plainly)?;
    let both = PreviewedView { approval, preview };
    cx.out.show(&both, || {
        let approval = approval::whole(both.approval, cx.out.width());
        format!("{approval}{}", approval::previewed(&both.preview))
    })?;
    Ok(())
}

/// An approval with its preview, as programs read it.
#[derive(serde::Serialize)]
struct PreviewedView<'a> {
    approval: &'a ApprovalView,
    preview: PreviewReply,
}

/// Removes the help text, because the message names the decision already.
fn plainly(failure: Failure) -> Failure {
    let help = failure.help;
    Failure {
        help: help.filter(|help| !help.contains("tollgate decisions show")),
        ..failure
    }
}

fn agreed(prompt: &str, cx: &Context<'_>) -> Result<bool, Failure> {
    cx.out.confirm(prompt)?.ok_or_else(|| {
        Failure::usage(format!("there is no terminal to ask on: {prompt}"))
            .help("add --yes, or --digest with the digest of what you were shown")
    })
}
