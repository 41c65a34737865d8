//! Answers from where people are: buttons in Slack, and links for one user. These routes take no token of the gate:
//! Slack signs its requests, and a link is its own proof.

use axum::{
    extract::{Path, Request, State},
    http::StatusCode,
    response::Response,
    routing::{MethodRouter, get, post},
};

use crate::{approvals::AnswerChannels, problem::Problem};

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<AnswerChannels>)> {
    vec![
        ("/v1/slack/interactions", post(interact)),
        ("/v1/answer/{link}", get(page).post(take)),
    ]
}

/// Take what Slack sends when a person presses a button.
#[utoipa::path(post, path = "/v1/slack/interactions", tag = "answers", security(()),
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "The form of Slack, with its member `payload`, signed with `X-Slack-Signature`"), responses(
    (status = 200, description = "It was taken. Slack shows what was decided, or why nothing was"),
    (status = 400, description = "It is not what Slack sends", body = Problem),
    (status = 401, description = "It is not signed by Slack, is old, or was sent before", body = Problem),
    (status = 403, description = "It comes from another team, app, channel or person, or its button is not one of this gate", body = Problem),
    (status = 404, description = "People do not answer from Slack here", body = Problem),
    (status = 413, description = "The body is too large or too slow", body = Problem),
    (status = 429, description = "The person answers too often", body = Problem),
    (status = 503, description = "It cannot be taken now", body = Problem),
))]
pub(super) async fn interact(
    State(channels): State<AnswerChannels>,
    request: Request,
) -> Result<StatusCode, Problem> {
    channels.slack.take(request).await?;
    Ok(StatusCode::OK)
}

/// Show the page of a link. Changes and records nothing.
#[utoipa::path(get, path = "/v1/answer/{link}", tag = "answers", security(()), params(("link" = String, Path)),
    responses(
    (status = 200, description = "What waits, without its arguments", body = String, content_type = "text/html"),
    (status = 404, description = "There is no such link", body = String, content_type = "text/html"),
    (status = 410, description = "It was used or revoked, has expired, or the approval is resolved", body = String, content_type = "text/html"),
    (status = 503, description = "It cannot be shown now", body = String, content_type = "text/html"),
))]
pub(super) async fn page(
    State(channels): State<AnswerChannels>,
    Path(link): Path<String>,
) -> Response {
    channels.links.page(&link)
}

/// Take a form of the page of a link: show the arguments, or answer.
#[utoipa::path(post, path = "/v1/answer/{link}", tag = "answers", security(()), params(("link" = String, Path)),
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "`step=show`; or `step=answer`, `answer=approve` or `reject`, `note`, and the `form` of the page"),
    responses(
    (status = 200, description = "The arguments, or the result", body = String, content_type = "text/html"),
    (status = 400, description = "It is not a form of the page", body = String, content_type = "text/html"),
    (status = 403, description = "Policy does not let the user of the link, or the form is not one of this page", body = String, content_type = "text/html"),
    (status = 404, description = "There is no such link", body = String, content_type = "text/html"),
    (status = 409, description = "Resolved or answered before, or the page is too old", body = String, content_type = "text/html"),
    (status = 410, description = "The link was used or revoked, or has expired", body = String, content_type = "text/html"),
    (status = 413, description = "The form is too large or too slow", body = String, content_type = "text/html"),
    (status = 429, description = "The user answers too often", body = String, content_type = "text/html"),
    (status = 503, description = "It cannot be taken now", body = String, content_type = "text/html"),
))]
pub(super) async fn take(
    State(channels): State<AnswerChannels>,
    Path(link): Path<String>,
    request: Request,
) -> Response {
    channels.links.take(&link, request).await
}
