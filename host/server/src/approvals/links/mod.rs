//! Answers by links: a page that shows an approval, and lets the user of the link answer it once.
//!
//! A GET request shows what every notification shows, and changes nothing: programs that check e-mail follow links.
//! The arguments are shown on demand, which is recorded; the form that answers proves that they were shown. Policy
//! decides about the answer of the link's user, as about one by REST.

mod page;
mod token;

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use tokio::sync::Semaphore;
use tollgate::{
    enforce::{ApprovalError, ApprovalResponse, Vote},
    gate::{Gate, OperateError},
    identity::Caller,
};
use tollgate_ledger::ApprovalLink;
use tollgate_model::{
    life::ApprovalState,
    record::{AnswerChannel, AnswerRefusal},
};

use self::token::FormAge;
pub(super) use token::text;

use super::{
    form::{self, BodyQueue},
    refusals::{RefusalLog, RefusedAnswer},
    view::view_of,
};
use crate::{
    auth::Auth,
    problem::Problem,
    reply::{self, ApprovalView},
};

/// The largest body of a form, in bytes.
const MAX_BODY: usize = 16 << 10;
/// Concurrent requests.
const MAX_REQUESTS: usize = 16;
/// The channel in records, and for policies.
const CHANNEL: AnswerChannel = AnswerChannel::Link;

/// The channel of answers by links.
#[derive(Debug)]
pub(crate) struct LinkAnswers {
    auth: Auth,
    bodies: BodyQueue,
    slots: Semaphore,
    refusals: Arc<RefusalLog>,
}

/// What the form of a page asks for.
enum Step {
    Show,
    Answer {
        vote: Vote,
        note: Option<String>,
        form: String,
    },
}

impl LinkAnswers {
    pub(super) fn new(auth: &Auth, refusals: Arc<RefusalLog>) -> Self {
        Self {
            auth: auth.clone(),
            bodies: BodyQueue::default(),
            slots: Semaphore::new(MAX_REQUESTS),
            refusals,
        }
    }

    fn gate(&self) -> &Gate {
        self.auth.gate()
    }

    fn is_on(&self) -> bool {
        self.gate().ruleset().config.approvals.links.is_some()
    }

    /// The page of a link. Changes and records nothing.
    pub(crate) fn page(&self, text: &str) -> Response {
        let Ok(_slot) = self.slots.try_acquire() else {
            return busy();
        };
        let link = match token::find(self.gate(), text) {
            Ok(link) => link.filter(|_| self.is_on()),
            Err(error) => return unreadable(&error),
        };
        let Some(link) = link else {
            return refusal(AnswerRefusal::UnknownLink);
        };
        if let Some(reason) = self.gate().link_refusal(&link) {
            return refusal(reason);
        }
        match view_of(self.gate(), link.approval) {
            Ok(Some(view)) if view.state == ApprovalState::Pending => page::summary(&link, &view),
            Ok(Some(view)) => page::resolved(StatusCode::GONE, &view, view.state),
            Ok(None) => refusal(AnswerRefusal::UnknownLink),
            Err(error) => unreadable(&error.into()),
        }
    }

    /// Takes a form of the page of a link.
    pub(crate) async fn take(&self, text: &str, request: Request) -> Response {
        if !self.is_on() {
            return refusal(AnswerRefusal::UnknownLink);
        }
        let link = match token::find(self.gate(), text) {
            Ok(Some(link)) => link,
            Ok(None) => return self.refuse(AnswerRefusal::UnknownLink.into()).await,
            Err(error) => return unreadable(&error),
        };
        let about = |reason| RefusedAnswer {
            reason,
            approval: Some(link.approval),
            by: Some(link.user.clone()),
        };
        let caller = Caller::User(link.user.id.clone());
        if let Err(exceeded) = self.auth.admit(&caller) {
            return page::message(
                StatusCode::TOO_MANY_REQUESTS,
                "Not now",
                &exceeded.to_string(),
            );
        }
        if let Some(reason) = self.gate().link_refusal(&link) {
            return self.refuse(about(reason)).await;
        }
        let step = match self.step(request).await {
            Ok(step) => step,
            Err(reason) => return self.refuse(about(reason)).await,
        };
        // Not before: who has one link could hold all places with forms that do not end.
        let Ok(_slot) = self.slots.try_acquire() else {
            return busy();
        };
        match step {
            Step::Show => self.show(&link).await,
            Step::Answer { vote, note, form } => {
                let reason = match token::age(self.gate(), &link, &form, self.gate().now()) {
                    FormAge::Fresh => return self.answer(&link, vote, note.as_deref()).await,
                    FormAge::Stale => AnswerRefusal::StaleForm,
                    FormAge::Unknown => AnswerRefusal::UnknownForm,
                };
                self.refuse(about(reason)).await
            }
        }
    }

    /// What a form asks for.
    async fn step(&self, request: Request) -> Result<Step, AnswerRefusal> {
        let (parts, body) = request.into_parts();
        if !form::is_form(&parts.headers) {
            return Err(AnswerRefusal::Malformed);
        }
        if !is_of_own_page(&parts.headers) {
            return Err(AnswerRefusal::UnknownForm);
        }
        let body = self.bodies.read(body, MAX_BODY).await?;
        let mut fields = form::fields(&body).ok_or(AnswerRefusal::Malformed)?;
        let step = parsed(&mut fields).ok_or(AnswerRefusal::Malformed)?;
        match fields.is_empty() {
            true => Ok(step),
            false => Err(AnswerRefusal::Malformed),
        }
    }

    /// Shows the arguments. That is recorded, as for every approver.
    async fn show(&self, link: &ApprovalLink) -> Response {
        let gate = self.gate();
        let shown = gate.approval_by(&link.user, link.approval, (CHANNEL.as_str(), false));
        let mut view = match shown.await {
            Ok(view) => ApprovalView::from(view),
            Err(error) => return failure(error),
        };
        reply::explain(gate, &mut view.policies);
        match view.arguments.take() {
            Some(arguments) if view.state == ApprovalState::Pending => {
                let form = token::form(gate, link, gate.now());
                page::call(link, &view, &arguments, &form)
            }
            None if view.state == ApprovalState::Pending => page::message(
                StatusCode::FORBIDDEN,
                "You may not answer this approval",
                "Policy does not let you answer it by a link, so its arguments are not shown to you.",
            ),
            _ => page::resolved(StatusCode::GONE, &view, view.state),
        }
    }

    async fn answer(&self, link: &ApprovalLink, vote: Vote, note: Option<&str>) -> Response {
        let gate = self.gate();
        let response = ApprovalResponse {
            seen: Some(link.arguments.as_str()),
            note,
            link: Some(link.id),
            ..ApprovalResponse::new(vote, CHANNEL.as_str())
        };
        let answered = match gate.answer(&link.user, link.approval, response).await {
            Ok(answered) => answered,
            Err(ApprovalError::Link { reason, .. }) => {
                let refused = RefusedAnswer {
                    reason,
                    approval: Some(link.approval),
                    by: Some(link.user.clone()),
                };
                return self.refuse(refused).await;
            }
            Err(ApprovalError::Resolved { id, state }) => {
                return match view_of(gate, id) {
                    Ok(Some(view)) => page::resolved(StatusCode::CONFLICT, &view, state),
                    Ok(None) => refusal(AnswerRefusal::UnknownLink),
                    Err(error) => unreadable(&error.into()),
                };
            }
            Err(error) => return failure(error),
        };
        let (id, by) = (answered.id, &link.user.id);
        let text = match (answered.state, answered.needs) {
            (ApprovalState::Pending, Some(needs)) => {
                format!("{id} is approved by {by}. It still needs {needs}.")
            }
            (state, _) => format!("{id} is {} by {by}.", state.as_str()),
        };
        let text = format!("{text} Recorded as {}.", answered.decision);
        page::message(StatusCode::OK, "Your answer counts", &text)
    }

    /// Records a refusal. Returns its page.
    async fn refuse(&self, refused: RefusedAnswer) -> Response {
        let response = refusal(refused.reason);
        self.refusals.record(self.gate(), CHANNEL, refused).await;
        response
    }
}

fn parsed(fields: &mut BTreeMap<String, String>) -> Option<Step> {
    match fields.remove("step")?.as_str() {
        "show" => Some(Step::Show),
        "answer" => Some(Step::Answer {
            vote: match fields.remove("answer")?.as_str() {
                "approve" => Vote::Approve,
                "reject" => Vote::Reject,
                _ => return None,
            },
            note: fields.remove("note").filter(|note| !note.trim().is_empty()),
            form: fields.remove("form")?,
        }),
        _ => None,
    }
}

/// Whether a browser says that the form was sent by a page of this gate (Fetch Metadata). Others say nothing.
fn is_of_own_page(headers: &HeaderMap) -> bool {
    let sites = headers.get_all("sec-fetch-site");
    sites.iter().all(|site| site == "same-origin")
}

fn busy() -> Response {
    let text = "Too many requests at once. Try again in a second.";
    page::message(StatusCode::SERVICE_UNAVAILABLE, "Not now", text)
}

fn unreadable(error: &OperateError) -> Response {
    page::message(
        StatusCode::SERVICE_UNAVAILABLE,
        "Not now",
        &error.to_string(),
    )
}

/// The page of an answer that policy or the gate does not accept.
fn failure(error: ApprovalError) -> Response {
    let problem = Problem::from(error);
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::FORBIDDEN);
    page::message(status, "Your answer does not count", &problem.detail)
}

/// The page of a link or form that is refused.
fn refusal(reason: AnswerRefusal) -> Response {
    const TITLE: &str = "Nothing was answered";
    let (status, text) = match reason {
        AnswerRefusal::ExpiredLink => (StatusCode::GONE, "This link has expired."),
        AnswerRefusal::UsedLink => (
            StatusCode::GONE,
            "This link was used before, and answers once.",
        ),
        AnswerRefusal::RevokedLink => (StatusCode::GONE, "This link was revoked."),
        AnswerRefusal::SecondLink => (
            StatusCode::CONFLICT,
            "Policy asks for more than one person, and another answer by link or from Slack counts already. Answer with \
             `tollgate approvals` or by REST.",
        ),
        AnswerRefusal::StaleForm => {
            let text = "This page was open too long. Look at the call again before you answer.";
            return page::show_again(StatusCode::CONFLICT, TITLE, text);
        }
        AnswerRefusal::UnknownForm => {
            let text = "This form was not sent by a page of this link. Look at the call before you answer.";
            return page::show_again(StatusCode::FORBIDDEN, TITLE, text);
        }
        AnswerRefusal::Malformed => (StatusCode::BAD_REQUEST, "The form is not one of this page."),
        AnswerRefusal::Oversized => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "The form is too large, or took too long.",
        ),
        _ => (
            StatusCode::NOT_FOUND,
            "There is no such link here. See what waits with `tollgate approvals list`.",
        ),
    };
    page::message(status, TITLE, text)
}
