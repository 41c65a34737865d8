//! `tollgate approvals`: pending approvals, and answers.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tollgate::ids::Clock;
use tollgate_ledger::{ApprovalFilter, ApprovalRow, LedgerError, LedgerReader};
use tollgate_model::{
    canonical,
    decision::{DeterminingPolicy, Outcome},
    ids::ApprovalId,
    life::ApprovalState,
    record::{ElicitationAction, ElicitationMode, Event},
};

use crate::{
    client::ApiRequest,
    commands::approval_links::{self, Links},
    context::Context,
    error::Failure,
    exit_code::Exit,
    render::approval,
    reply::{self, AnswerOutcome, ApprovalView},
    style::{Tone, paint},
};

const LIST: &str = "\
Examples:
  $ tollgate approvals list
  $ tollgate approvals list --all --json

With --json: [{id, state, severity, tool, digest, principal, on_behalf_of, run, call, policies, needs,
approvers, requested, expires, round}]. Times are microseconds since 1970.";
const SHOW: &str = "\
Example:
  $ tollgate approvals show apr-0a1b2c3d4e5f6071

With --json: the members of `approvals list`, and `labels` and, for users who may answer, `arguments`
(canonical and complete).";
const ANSWER: &str = "\
Examples:
  $ tollgate approvals approve apr-0a1b2c3d4e5f6071 --note 'checked with the customer'
  $ tollgate approvals approve apr-0a1b2c3d4e5f6071 --as bob --token-file bob.token --yes
  $ tollgate approvals reject apr-0a1b2c3d4e5f6071

The answer is bound to the call that was shown. If a different call waits by now, the answer is refused.

With --json: {id, state, decision, needs, by}.";
const INPUT: &str = "\
Examples:
  $ tollgate approvals answer apr-0a1b2c3d4e5f6071 --field date=2026-03-01 --field seats=2
  $ tollgate approvals answer apr-0a1b2c3d4e5f6071 --content '{\"seats\": 2}'
  $ tollgate approvals answer apr-0a1b2c3d4e5f6071 --yes
  $ tollgate approvals answer apr-0a1b2c3d4e5f6071 --decline --note 'not on a Sunday'

The server gets the fields, and never the note. Fields that are left out have the form's defaults. Never give a secret:
a server that needs one has you open a page. For a page, the answer says that you open it.

With --json: {id, state, decision, needs, by}.";

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
    },
    /// Answer what an upstream server asks.
    #[command(after_help = INPUT)]
    Answer(Input),
    /// Approve exactly this call, once.
    #[command(after_help = ANSWER)]
    Approve(Answer),
    /// Reject this call.
    #[command(after_help = ANSWER)]
    Reject(Answer),
    /// List and revoke links by which people answer.
    #[command(subcommand)]
    Links(Links),
}

/// An answer.
#[derive(Debug, Args)]
pub(crate) struct Answer {
    /// The approval, such as apr-0a1b2c3d4e5f6071.
    id: ApprovalId,
    /// A note to record with the answer.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// The digest of the call, if you saw the call in another place than this command.
    #[arg(long)]
    digest: Option<String>,
    /// Do not ask for confirmation.
    #[arg(long, short)]
    yes: bool,
}

/// An answer to what an upstream server asks.
#[derive(Debug, Args)]
pub(crate) struct Input {
    /// What asks, such as apr-0a1b2c3d4e5f6071.
    id: ApprovalId,
    /// The value of a field; again for each value where several can be chosen.
    #[arg(long = "field", value_name = "NAME=VALUE", value_parser = field)]
    fields: Vec<(String, String)>,
    /// The values of all fields, as a JSON object.
    #[arg(long, value_name = "JSON", conflicts_with = "fields")]
    content: Option<String>,
    /// Refuse to answer.
    #[arg(long, conflicts_with_all = ["fields", "content", "cancel"])]
    decline: bool,
    /// End the question without choosing.
    #[arg(long, conflicts_with_all = ["fields", "content"])]
    cancel: bool,
    /// A note to record with the answer.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// The digest of the question, if you saw it in another place than this command.
    #[arg(long)]
    digest: Option<String>,
    /// Do not ask for confirmation.
    #[arg(long, short)]
    yes: bool,
}

fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("write it as NAME=VALUE, as in seats=2")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Run `tollgate approvals`.
pub(crate) async fn run(command: Approvals, cx: &Context<'_>) -> Result<Exit, Failure> {
    match command {
        Approvals::List { all } => list(all, cx),
        Approvals::Show { id } => {
            let view = show(cx, id).await?;
            cx.out
                .show(&view, || approval::whole(&view, cx.out.width()))?;
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
        Approvals::Answer(input) => answer_input(input, cx).await,
        Approvals::Approve(answer) => self::answer(answer, true, cx).await,
        Approvals::Reject(answer) => self::answer(answer, false, cx).await,
        Approvals::Links(command) => approval_links::run(command, cx).await,
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

/// How many records before the request of an approval are searched for its decision. Both are in one commit.
const NEAR: u64 = 8;

/// Approvals with the reasons of their policies, from the decision that requested each.
fn waiting(reader: &LedgerReader, filter: &ApprovalFilter) -> Result<Vec<ApprovalView>, Failure> {
    let rows = reader.approvals(filter)?.into_iter();
    rows.map(|row| {
        let determining = asked_by(reader, &row)?;
        let mut view = ApprovalView::from(row);
        reply::explain_by(&mut view.policies, |id| {
            determining.iter().find(|known| known.policy.id == id)
        });
        Ok(view)
    })
    .collect()
}

/// The policies of the decision that requested it; empty if the decision is not found nearby.
fn asked_by(
    reader: &LedgerReader,
    row: &ApprovalRow,
) -> Result<Vec<DeterminingPolicy>, LedgerError> {
    for index in (row.opened.saturating_sub(NEAR)..row.opened).rev() {
        if let Some(record) = reader.record(index)?
            && record.run == Some(row.run)
            && let Event::Decision(decision) = record.event
            && decision.outcome == Outcome::Escalate
        {
            return Ok(decision.determining);
        }
    }
    Ok(Vec::new())
}

async fn show(cx: &Context<'_>, id: ApprovalId) -> Result<ApprovalView, Failure> {
    let request = ApiRequest::get(format!("/v1/approvals/{id}"));
    cx.execute_despite_errors(request).await.map_err(plainly)
}

async fn answer(answer: Answer, approve: bool, cx: &Context<'_>) -> Result<Exit, Failure> {
    let Answer {
        id,
        note,
        digest,
        yes,
    } = answer;
    let mut client = cx.client(cx.config_despite_errors()?)?;
    let seen = match digest {
        Some(digest) => digest,
        None => {
            let request = ApiRequest::get(format!("/v1/approvals/{id}"));
            let view: ApprovalView = client.execute(request).await.map_err(plainly)?;
            // A user who may not answer is not asked: the gate refuses with the reason.
            let ask = approve && !yes && view.arguments.is_some();
            if ask && !cx.out.is_json() {
                cx.out.text(&approval::whole(&view, cx.out.width()))?;
            }
            if ask && !agreed("Let exactly this happen, once?", cx)? {
                client.close().await;
                cx.out.remark("nothing was answered");
                return Ok(Exit::Failure);
            }
            view.digest
        }
    };
    let vote = if approve { "approve" } else { "reject" };
    let body = json!({ "digest": seen, "note": note });
    let request = ApiRequest::post(format!("/v1/approvals/{id}/{vote}"), body);
    let answered = client.execute(request).await;
    client.close().await;
    let answered: AnswerOutcome = answered.map_err(plainly)?;
    cx.out.show(&answered, || render(&answered))?;
    Ok(Exit::Ok)
}

/// The values of `--content`.
fn object(text: &str) -> Result<Value, Failure> {
    canonical::parse(text).map_err(|problem| {
        Failure::usage(format!(
            "the text of --content is not a JSON object: {problem}"
        ))
        .help("write it as in --content '{\"seats\": 2}'")
    })
}

async fn answer_input(input: Input, cx: &Context<'_>) -> Result<Exit, Failure> {
    let Input {
        id,
        fields,
        content,
        decline,
        cancel,
        note,
        digest,
        yes,
    } = input;
    let action = match (decline, cancel) {
        (true, _) => ElicitationAction::Decline,
        (false, true) => ElicitationAction::Cancel,
        (false, false) => ElicitationAction::Accept,
    };
    let content = content.map(|text| object(&text)).transpose()?;
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in fields {
        texts.entry(name).or_default().push(value);
    }
    let mut client = cx.client(cx.config_despite_errors()?)?;
    let seen = match digest {
        Some(digest) => digest,
        None => {
            let request = ApiRequest::get(format!("/v1/approvals/{id}"));
            let view: ApprovalView = client.execute(request).await.map_err(plainly)?;
            // A user who may not answer is not asked: the gate refuses with the reason.
            let ask = action == ElicitationAction::Accept && !yes && view.arguments.is_some();
            if ask && !cx.out.is_json() {
                cx.out.text(&approval::whole(&view, cx.out.width()))?;
            }
            let question = match view.elicitation.as_ref().map(|asked| asked.mode) {
                Some(ElicitationMode::Url) => {
                    "Will you open this page, and does it belong to this server?"
                }
                _ => "Send these values to this server?",
            };
            if ask && !agreed(question, cx)? {
                client.close().await;
                cx.out.remark("nothing was answered");
                return Ok(Exit::Failure);
            }
            view.digest
        }
    };
    let mut body = json!({ "action": action, "digest": seen, "note": note });
    if let Some(members) = body.as_object_mut() {
        members.extend(content.map(|content| ("content".to_owned(), content)));
        let fields = Some(texts).filter(|texts| !texts.is_empty());
        members.extend(fields.map(|fields| ("fields".to_owned(), json!(fields))));
    }
    let request = ApiRequest::post(format!("/v1/approvals/{id}/answer"), body);
    let answered = client.execute(request).await;
    client.close().await;
    let answered: AnswerOutcome = answered.map_err(plainly)?;
    cx.out.show(&answered, || {
        let by = format!("{} ({})", answered.by, answered.decision);
        match action {
            ElicitationAction::Accept => format!(
                "{} {id} answered by {by}; the server gets it",
                paint("✓", Tone::Good)
            ),
            action => format!("{} {id}: {action} by {by}", paint("✗", Tone::Bad)),
        }
    })?;
    Ok(Exit::Ok)
}

/// Removes the help text, because the message names the decision already.
fn plainly(failure: Failure) -> Failure {
    let help = failure.help;
    Failure {
        help: help.filter(|help| !help.contains("tollgate decisions show")),
        ..failure
    }
}

fn agreed(question: &str, cx: &Context<'_>) -> Result<bool, Failure> {
    cx.out.confirm(question)?.ok_or_else(|| {
        Failure::usage(format!("there is no terminal to ask on: {question}"))
            .help("add --yes, or --digest with the digest of what you were shown")
    })
}

fn render(answered: &AnswerOutcome) -> String {
    let AnswerOutcome {
        id,
        state,
        decision,
        needs,
        by,
    } = answered;
    let by = format!("{by} ({decision})");
    match (state, needs) {
        (ApprovalState::Pending, Some(needs)) => {
            format!(
                "{} {id} approved by {by}; it still needs {needs}",
                paint("⏸", Tone::Wait)
            )
        }
        (ApprovalState::Approved, _) => format!(
            "{} {id} approved by {by}; the agent repeats the identical call to run it",
            paint("✓", Tone::Good)
        ),
        (state, _) => format!("{} {id} {} by {by}", paint("✗", Tone::Bad), state.as_str()),
    }
}
