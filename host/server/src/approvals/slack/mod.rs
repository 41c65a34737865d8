//! Answers by buttons in Slack.
//!
//! Slack signs each request, and says who pressed which button where. The configuration maps people in Slack to
//! users; policy decides about the answer of that user, as about one by REST. What is not signed, is old, comes twice
//! or from another place or person is refused and recorded.

mod interaction;
mod signature;

use std::{sync::Arc, time::Duration};

use axum::extract::Request;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tollgate::{
    config::SlackConfig,
    enforce::{ApprovalError, ApprovalResponse, Vote},
    gate::Gate,
    identity::Caller,
    secrets::Secret,
};
use tollgate_ledger::{SignatureUse, UsedSignature};
use tollgate_model::{
    entity::{Kind, Uid},
    ids::ApprovalId,
    life::ApprovalState,
    record::{AnswerChannel, AnswerRefusal},
    time::Timestamp,
};
use url::Url;

pub(super) use self::interaction::Interaction;
use self::signature::RequestSignature;
use super::{
    blocks,
    button::{Button, Verb},
    form::{self, BodyQueue},
    message::{self, ApprovalChange},
    refusals::{RefusalLog, RefusedAnswer},
    view::{question_of, view_of},
};
use crate::{auth::Auth, client, problem::Problem, reply::ApprovalView};

/// The largest body, in bytes. Slack includes the message of the button.
const MAX_BODY: usize = 512 << 10;
/// Concurrent requests of Slack.
const MAX_REQUESTS: usize = 16;
/// Microseconds until a signing secret that could not be read is read again: strangers cause it, too.
const SECRET_PAUSE: u64 = 10_000_000;
/// Concurrent answers to Slack.
const MAX_REPLIES: usize = 8;
/// The time limit of an answer to Slack.
const PATIENCE: Duration = Duration::from_secs(5);
/// The channel in records, and for policies.
const CHANNEL: AnswerChannel = AnswerChannel::Slack;

/// The channel of answers from Slack.
#[derive(Debug)]
pub(crate) struct SlackAnswers {
    auth: Auth,
    bodies: BodyQueue,
    slots: Semaphore,
    /// When the signing secret may be read again after a read that failed.
    next_read: tokio::sync::Mutex<Timestamp>,
    replies: Arc<Semaphore>,
    refusals: Arc<RefusalLog>,
}

/// Why nothing was decided.
enum Rejection {
    /// It is refused, and recorded.
    Refused(RefusedAnswer),
    /// It is not possible now.
    Problem(Problem),
}

impl From<AnswerRefusal> for Rejection {
    fn from(reason: AnswerRefusal) -> Self {
        Self::Refused(reason.into())
    }
}

impl From<Problem> for Rejection {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// A button that a user has pressed.
struct Press {
    user: Uid,
    button: Button,
    response_url: Option<Url>,
}

impl SlackAnswers {
    pub(super) fn new(auth: &Auth, refusals: Arc<RefusalLog>) -> Self {
        Self {
            auth: auth.clone(),
            bodies: BodyQueue::default(),
            slots: Semaphore::new(MAX_REQUESTS),
            next_read: tokio::sync::Mutex::new(Timestamp(i64::MIN)),
            replies: Arc::new(Semaphore::new(MAX_REPLIES)),
            refusals,
        }
    }

    fn gate(&self) -> &Gate {
        self.auth.gate()
    }

    /// Takes a request of Slack.
    ///
    /// # Errors
    /// [`Problem`]; then nothing was decided.
    pub(crate) async fn take(&self, request: Request) -> Result<(), Problem> {
        let ruleset = self.gate().ruleset();
        let Some(config) = &ruleset.config.approvals.slack else {
            return Err(Problem::not_found(
                "people do not answer from Slack here; that takes [approvals.slack]",
            ));
        };
        match self.perform_signed(config, request).await {
            Ok(()) => Ok(()),
            Err(Rejection::Problem(problem)) => Err(problem),
            Err(Rejection::Refused(refused)) => {
                let problem = refusal(refused.reason);
                self.refusals.record(self.gate(), CHANNEL, refused).await;
                Err(problem)
            }
        }
    }

    /// Does what a request is for. It takes a place only once its signature is verified: no stranger keeps Slack out.
    async fn perform_signed(
        &self,
        config: &SlackConfig,
        request: Request,
    ) -> Result<(), Rejection> {
        let gate = self.gate();
        let (parts, body) = request.into_parts();
        let signature = RequestSignature::of(&parts.headers)?;
        if !form::is_form(&parts.headers) {
            return Err(AnswerRefusal::Malformed.into());
        }
        signature.check_age(gate.now())?;
        let secret = self.signing_secret(config).await?;
        let body = self.bodies.read(body, MAX_BODY).await?;
        signature.verify(secret.value(), &body)?;
        let Ok(_slot) = self.slots.try_acquire() else {
            let busy = Problem::unavailable("too many requests at once").retry_after(1);
            return Err(busy.into());
        };
        let press = self.press(config, &signature, &body).await?;
        self.perform(press).await;
        Ok(())
    }

    /// The secret that signs requests.
    async fn signing_secret(&self, config: &SlackConfig) -> Result<Arc<Secret>, Problem> {
        let mut next_read = self.next_read.lock().await;
        let gate = self.gate();
        if gate.now() >= *next_read {
            let secret = gate.ruleset().secrets.secret(&config.signing_secret).await;
            if let Ok(secret) = secret {
                return Ok(secret);
            }
            *next_read = gate.now().plus(SECRET_PAUSE);
        }
        Err(Problem::unavailable(
            "the signing secret of Slack cannot be read; see `tollgate doctor`",
        ))
    }

    /// The button that was pressed. From then on the request's signature is used up.
    async fn press(
        &self,
        config: &SlackConfig,
        signature: &RequestSignature,
        body: &[u8],
    ) -> Result<Press, Rejection> {
        let gate = self.gate();
        let interaction = Interaction::parse(body)?;
        let user = Uid::new(Kind::User, interaction.user(config)?);
        let about = |reason, approval| {
            Rejection::Refused(RefusedAnswer {
                reason,
                approval,
                by: Some(user.clone()),
            })
        };
        // Without a write, so that repetitions cost little.
        let digest = signature.digest();
        let is_used = gate.ledger().reader().is_used_signature(digest);
        if is_used.map_err(Problem::from)? {
            return Err(about(AnswerRefusal::Replayed, None));
        }
        let caller = Caller::User(user.id.clone());
        self.auth.admit(&caller).map_err(Problem::from)?;
        let button = Button::pressed(gate, &interaction.value, &user.id);
        let Some(button) = button else {
            return Err(about(AnswerRefusal::UnknownForm, None));
        };
        let used = UsedSignature {
            digest,
            now: gate.now(),
            expires: signature.expires(),
        };
        let used = gate.ledger().use_signature(used).await;
        match used.map_err(Problem::from)? {
            SignatureUse::First => {}
            SignatureUse::Repeated => {
                return Err(about(AnswerRefusal::Replayed, Some(button.approval)));
            }
            SignatureUse::Exhausted => {
                return Err(Problem::unavailable("too many requests in a short time").into());
            }
        }
        // Time may have passed while the body arrived.
        signature.check_age(gate.now())?;
        Ok(Press {
            user,
            button,
            response_url: interaction.response_url,
        })
    }

    /// Does what the button is for, and tells the person in Slack.
    async fn perform(&self, press: Press) {
        let Press {
            user,
            button,
            response_url,
        } = press;
        let reply = match button.verb {
            Verb::Show => self.show(&user, &button).await,
            Verb::Approve => self.answer(&user, &button, Vote::Approve).await,
            Verb::Reject => self.answer(&user, &button, Vote::Reject).await,
            Verb::ShowAll => self.show(&user, &button).await,
            Verb::ApproveAll => self.answer_all(&user, &button, Vote::Approve).await,
            Verb::RejectAll => self.answer_all(&user, &button, Vote::Reject).await,
        };
        if let Some(url) = response_url {
            self.reply(url, reply);
        }
    }

    async fn answer(&self, user: &Uid, button: &Button, vote: Vote) -> Value {
        let gate = self.gate();
        let id = button.approval;
        let response = ApprovalResponse {
            seen: Some(&button.digest),
            ..ApprovalResponse::new(vote, CHANNEL.as_str())
        };
        match gate.answer(user, id, response).await {
            Ok(answered) => match (answered.state, answered.needs) {
                (ApprovalState::Pending, Some(needs)) => self.still_needs(id, &needs),
                (state, _) => self.resolved(id, state),
            },
            Err(ApprovalError::Resolved { id, state }) => self.resolved(id, state),
            Err(error) => note(&error.to_string()),
        }
    }

    /// Answers all calls of a question as the message listed them, or none.
    async fn answer_all(&self, user: &Uid, button: &Button, vote: Vote) -> Value {
        let id = button.approval;
        let response = ApprovalResponse {
            seen: Some(&button.digest),
            ..ApprovalResponse::new(vote, CHANNEL.as_str())
        };
        match self.gate().answer_all(user, id, response).await {
            Ok(answered) => {
                let pending = answered.iter().find_map(|result| match result.state {
                    ApprovalState::Pending => result.needs.as_ref().map(|needs| (result.id, needs)),
                    _ => None,
                });
                match pending {
                    Some((id, needs)) => self.still_needs(id, needs),
                    None => {
                        let states = answered.iter().map(|result| (result.id, result.state));
                        let texts: Vec<String> =
                            states.map(|(id, state)| self.outcome(id, state)).collect();
                        replacement(&texts.join("\n"), None)
                    }
                }
            }
            Err(ApprovalError::Resolved { id, state }) => self.resolved(id, state),
            Err(ApprovalError::OtherCall(id)) => self.changed(id),
            Err(error) => note(&error.to_string()),
        }
    }

    /// The arguments, for the user alone.
    async fn show(&self, user: &Uid, button: &Button) -> Value {
        let gate = self.gate();
        let whole = button.verb == Verb::ShowAll;
        let shown = gate.approval_by(user, button.approval, (CHANNEL.as_str(), whole));
        let view = match shown.await {
            Ok(view) => ApprovalView::from(view),
            Err(error) => return note(&error.to_string()),
        };
        let show = gate.ruleset();
        let show = show.config.approvals.slack.as_ref();
        match &view.arguments {
            _ if !show.is_some_and(|config| config.show_arguments) => {
                note("Arguments are not shown in Slack any more.")
            }
            Some(arguments) if shown_digest(&view, whole) == Some(&button.digest) => {
                let own = (view.id, arguments.as_str());
                let others = view.others.iter();
                let others = others.map(|other| Some((other.id, other.arguments.as_deref()?)));
                let all: Option<Vec<_>> = std::iter::once(Some(own)).chain(others).collect();
                let Some(all) = all else {
                    return note("Policy does not let you answer all of these calls.");
                };
                json!({
                    "response_type": "ephemeral",
                    "replace_original": false,
                    "text": format!("The arguments of {}", view.id),
                    "blocks": blocks::arguments(gate, &view, &all, &user.id),
                })
            }
            Some(_) if whole => self.changed(view.id),
            _ if view.state == ApprovalState::Pending => note(
                "Policy does not let you answer this approval, so its arguments are not shown to you.",
            ),
            _ => self.resolved(view.id, view.state),
        }
    }

    /// The message once it is answered: it says who decided, and has no buttons.
    fn resolved(&self, id: ApprovalId, state: ApprovalState) -> Value {
        replacement(&self.outcome(id, state), None)
    }

    fn outcome(&self, id: ApprovalId, state: ApprovalState) -> String {
        match view_of(self.gate(), id) {
            Ok(Some(view)) => {
                let view = ApprovalView { state, ..view };
                message::slack(ApprovalChange::Resolved, &view)
            }
            Ok(None) | Err(_) => format!("{id}: {}", state.as_str()),
        }
    }

    /// The message of a question whose calls are no longer those that it listed: nothing was answered.
    fn changed(&self, id: ApprovalId) -> Value {
        let gate = self.gate();
        let ruleset = gate.ruleset();
        let config = ruleset.config.approvals.slack.as_ref();
        let (Ok(Some(view)), Some(config)) = (question_of(gate, id), config) else {
            return note("Other calls wait by now. Nothing was answered.");
        };
        if view.state != ApprovalState::Pending {
            return self.resolved(id, view.state);
        }
        let text = format!(
            "{}\nOther calls wait by now than were shown. Nothing was answered.",
            message::slack(ApprovalChange::Requested, &view)
        );
        replacement(&text, Some(blocks::request_buttons(gate, config, &view)))
    }

    /// The message while more people must answer: it says who did, and keeps its buttons.
    fn still_needs(&self, id: ApprovalId, needs: &str) -> Value {
        let gate = self.gate();
        let ruleset = gate.ruleset();
        let config = ruleset.config.approvals.slack.as_ref();
        let (Ok(Some(view)), Some(config)) = (question_of(gate, id), config) else {
            return note(&format!("Your approval counts. {id} still needs {needs}."));
        };
        let by: Vec<&str> = view.approvers.iter().map(|by| by.user.as_str()).collect();
        let text = format!(
            "{}\nApproved by {}; it still needs {}.",
            message::slack(ApprovalChange::Requested, &view),
            message::plain(&by.join(", ")),
            message::plain(needs)
        );
        replacement(&text, Some(blocks::request_buttons(gate, config, &view)))
    }

    /// Sends an answer to Slack, apart from the request, which Slack gives three seconds. It goes where messages go
    /// anyway, and nowhere else. An answer that is lost loses nothing: the notification of the result follows.
    fn reply(&self, url: Url, reply: Value) {
        let gate = self.gate().clone();
        let ruleset = gate.ruleset();
        let webhook = ruleset.config.approvals.webhook.as_ref();
        let is_of_slack = webhook.is_some_and(|webhook| webhook.url.origin() == url.origin());
        let has_password = !url.username().is_empty() || url.password().is_some();
        let Ok(slot) = Arc::clone(&self.replies).try_acquire_owned() else {
            return;
        };
        if !is_of_slack || has_password {
            return;
        }
        tokio::spawn(async move {
            if let Ok(client) = client::client(&gate, PATIENCE) {
                let _ = client.post(url).json(&reply).send().await;
            }
            drop(slot);
        });
    }
}

/// Digest of what a view shows: of its call, or of the question with all its calls.
fn shown_digest(view: &ApprovalView, whole: bool) -> Option<&String> {
    match whole {
        true => view.question_digest.as_ref(),
        false => Some(&view.digest),
    }
}

/// A message instead of the one whose button was pressed.
fn replacement(text: &str, buttons: Option<Value>) -> Value {
    let mut blocks = blocks::text(text);
    blocks.extend(buttons);
    json!({ "replace_original": true, "text": text, "blocks": blocks })
}

/// A message for the person who pressed the button.
fn note(text: &str) -> Value {
    json!({
        "response_type": "ephemeral",
        "replace_original": false,
        "text": message::plain(text),
    })
}

/// The answer to a request that is refused.
fn refusal(reason: AnswerRefusal) -> Problem {
    use axum::http::StatusCode as Status;
    let status = match reason {
        AnswerRefusal::Malformed => Status::BAD_REQUEST,
        AnswerRefusal::Oversized => Status::PAYLOAD_TOO_LARGE,
        AnswerRefusal::Unsigned
        | AnswerRefusal::WrongSignature
        | AnswerRefusal::Old
        | AnswerRefusal::Future
        | AnswerRefusal::Replayed => Status::UNAUTHORIZED,
        _ => Status::FORBIDDEN,
    };
    let detail = format!(
        "the request does not count: {}",
        reason.as_str().replace('_', " ")
    );
    Problem::new(status, "answer_refused", detail)
}
