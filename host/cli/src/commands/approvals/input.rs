//! `tollgate approvals answer`: what an upstream server asks.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};
use tollgate_model::{
    canonical,
    ids::ApprovalId,
    record::{ElicitationAction, ElicitationMode},
};

use super::{agreed, plainly};
use crate::{
    client::ApiRequest,
    context::Context,
    error::Failure,
    exit_code::Exit,
    render::approval,
    reply::{AnswerOutcome, ApprovalView},
    style::{Tone, paint},
};

pub(super) const INPUT: &str = "\
Examples:
  $ tollgate approvals answer apr-0a1b2c3d4e5f6071 --field date=2026-03-01 --field seats=2
  $ tollgate approvals answer apr-0a1b2c3d4e5f6071 --content '{\"seats\": 2}'
  $ tollgate approvals answer apr-0a1b2c3d4e5f6071 --yes
  $ tollgate approvals answer apr-0a1b2c3d4e5f6071 --decline --note 'not on a Sunday'

The server gets the fields, and never the note. Fields that are left out have the form's defaults. Never give a secret:
a server that needs one has you open a page. For a page, the answer says that you open it.

With --json: {id, state, decision, needs, by}.";

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

/// The values of `--content`.
fn object(text: &str) -> Result<Value, Failure> {
    canonical::parse(text).map_err(|problem| {
        Failure::usage(format!(
            "the text of --content is not a JSON object: {problem}"
        ))
        .help("write it as in --content '{\"seats\": 2}'")
    })
}

pub(super) async fn answer_input(input: Input, cx: &Context<'_>) -> Result<Exit, Failure> {
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
