//! `tollgate approvals approve` and `reject`.

use clap::Args;
use serde_json::{Value, json};
use tollgate_model::{canonical, ids::ApprovalId, life::ApprovalState};

use super::{agreed, plainly, terms::Terms};
use crate::{
    client::ApiRequest,
    context::Context,
    error::Failure,
    exit_code::Exit,
    render::approval,
    reply::{AnswerOutcome, ApprovalView},
    style::{Tone, line, paint},
};

pub(super) const ANSWER: &str = "\
Examples:
  $ tollgate approvals approve apr-0a1b2c3d4e5f6071 --note 'checked with the customer'
  $ tollgate approvals approve apr-0a1b2c3d4e5f6071 --as bob --token-file bob.token --yes
  $ tollgate approvals approve apr-0a1b2c3d4e5f6071 --standing 8h --uses 3 --differ /amount=at-most:500
  $ tollgate approvals approve apr-0a1b2c3d4e5f6071 --edit @call.json
  $ tollgate approvals approve apr-0a1b2c3d4e5f6071 --question

The answer is bound to the call that was shown. If a different call waits by now, the answer is refused.

With --standing, later calls of the same tool with the same arguments are approved in advance, except for
what may --differ. Each is decided again, and counts only while you may approve it.

With --edit, the call is decided again with these arguments, and runs with them. With --question, all calls of
the run that wait for the same reason are approved.

With --json: {id, state, decision, needs, by, standing, others}.";
pub(super) const REJECT: &str = "\
Examples:
  $ tollgate approvals reject apr-0a1b2c3d4e5f6071 --note 'not this customer'

The answer is bound to the call that was shown. If a different call waits by now, the answer is refused.

With --json: {id, state, decision, needs, by, others}.";
/// An approval.
#[derive(Debug, Args)]
pub(crate) struct Approve {
    #[command(flatten)]
    answer: Answer,
    /// Approve the call with these arguments instead: a JSON object, or `@FILE`. The agent gets to know.
    #[arg(long, value_name = "JSON", conflicts_with_all = ["question", "standing"])]
    edit: Option<String>,
    #[command(flatten)]
    terms: Terms,
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
    /// Answer all calls of the run that wait for the same reason: all of them, or none.
    #[arg(long)]
    question: bool,
    /// Do not ask for confirmation.
    #[arg(long, short)]
    yes: bool,
}

/// What is answered.
pub(super) enum Vote {
    /// Approve, with other arguments and with terms for the calls like it, if any.
    Approve(Option<Value>, Terms),
    Reject,
}

impl Vote {
    /// What is agreed to; nothing is asked before a rejection.
    fn prompt(&self, question: bool) -> Option<String> {
        match self {
            Self::Approve(Some(edit), _) => Some(format!(
                "Let this happen with these arguments instead, once?\n{}",
                line(&edit.to_string(), 4000)
            )),
            Self::Approve(None, _) if question => {
                Some("Let exactly these calls happen, each once?".into())
            }
            Self::Approve(None, terms) => Some(terms.prompt()),
            Self::Reject => None,
        }
    }

    /// Adds what an approval has besides, and returns the verb of the route.
    fn add_terms(&self, body: &mut Value) -> &'static str {
        let Self::Approve(edit, terms) = self else {
            return "reject";
        };
        let members = [("standing", terms.body()), ("edit", edit.clone())];
        let members = members.into_iter();
        let given = members.filter_map(|(name, value)| Some((name.to_owned(), value?)));
        if let Some(body) = body.as_object_mut() {
            body.extend(given);
        }
        "approve"
    }
}

pub(super) async fn approve(approve: Approve, cx: &Context<'_>) -> Result<Exit, Failure> {
    let Approve {
        answer,
        edit,
        terms,
    } = approve;
    let edit = edit.map(|text| edited(&text)).transpose()?;
    self::answer(answer, &Vote::Approve(edit, terms), cx).await
}

/// The arguments of `--edit`.
fn edited(text: &str) -> Result<Value, Failure> {
    let text = match text.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|e| Failure::usage(format!("cannot read {}: {e}", line(file, 200))))?,
        None => text.to_owned(),
    };
    let value = canonical::parse(&text)
        .map_err(|error| Failure::usage(format!("--edit is not usable: {error}")))?;
    match value.is_object() {
        true => Ok(value),
        false => Err(Failure::usage("--edit is not a JSON object")
            .help("write all arguments of the call, or @FILE with them")),
    }
}

pub(super) async fn answer(answer: Answer, vote: &Vote, cx: &Context<'_>) -> Result<Exit, Failure> {
    let Answer {
        id,
        note,
        digest,
        question,
        yes,
    } = answer;
    let is_approval = matches!(vote, Vote::Approve(..));
    if question && yes && digest.is_none() && is_approval {
        return Err(Failure::usage(
            "--question with --yes needs the --digest of the question that you were shown",
        )
        .help(format!("see it with `tollgate approvals show {id}`")));
    }
    let mut client = cx.client(cx.config_despite_errors()?)?;
    let mut is_unseen = false;
    let seen = match digest {
        Some(digest) => digest,
        None => {
            let request = ApiRequest::get(format!("/v1/approvals/{id}"));
            let view: ApprovalView = client.execute(request).await.map_err(plainly)?;
            // A user who may not answer is not asked: the gate refuses with the reason.
            is_unseen = is_approval && !yes && view.arguments.is_none();
            let prompt = vote.prompt(question).filter(|_| !yes && !is_unseen);
            if prompt.is_some() && !cx.out.is_json() {
                cx.out.text(&approval::whole(&view, cx.out.width()))?;
            }
            if let Some(prompt) = prompt
                && !agreed(&prompt, cx)?
            {
                client.close().await;
                cx.out.remark("nothing was answered");
                return Ok(Exit::Failure);
            }
            match view.question_digest.filter(|_| question) {
                Some(_) if is_unseen => String::new(),
                Some(digest) => digest,
                None if question => {
                    client.close().await;
                    return Err(Failure::usage("no other call waits for the same reason")
                        .help("answer this one without --question"));
                }
                // Approves no call.
                None if is_unseen => String::new(),
                None => view.digest,
            }
        }
    };
    let mut body = json!({ "digest": seen, "note": note, "question": question });
    let verb = vote.add_terms(&mut body);
    let request = ApiRequest::post(format!("/v1/approvals/{id}/{verb}"), body);
    let answered = client.execute(request).await;
    client.close().await;
    let answered: AnswerOutcome = answered.map_err(|failure| match is_unseen {
        true if failure.exit != Exit::Denied => {
            Failure::usage("the arguments are not shown to you here, so they are not approved")
                .help("add --yes, or --digest with the digest of what you were shown elsewhere")
        }
        _ => plainly(failure),
    })?;
    cx.out.show(&answered, || render(&answered))?;
    Ok(Exit::Ok)
}

fn render(answered: &AnswerOutcome) -> String {
    let AnswerOutcome {
        id,
        state,
        decision,
        needs,
        by,
        others,
        standing,
    } = answered;
    let by = format!("{by} ({decision})");
    let mut text = match (state, needs) {
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
    };
    for other in others {
        text.push_str(&format!("\n  {} {}", other.id, other.state.as_str()));
    }
    if let Some(standing) = standing {
        let mark = paint("✓", Tone::Good);
        text.push_str(&format!("\n{mark} {standing} approves the calls like it"));
    }
    text
}
