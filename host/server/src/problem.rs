//! Errors of HTTP surfaces as Problem Details (RFC 9457), with codes that do not change.

use std::ops::Deref;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use tollgate::{
    config::ConfigError, enforce::ApprovalError, enforce::Refusal, gate::OperateError,
    gate::TokenError as RevealError, load::LoadError,
};
use tollgate_ledger::{CommitError, LedgerError};
use tollgate_policy::pdp;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

/// The code of a gate that is about to stop: nothing was done.
pub const LEAVING: &str = "leaving";

/// The code where a run is not the caller's, or has ended.
pub const OTHER_RUN: &str = "other_run";

/// Problem details (RFC 9457). Boxed, because every handler may return them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Problem(Box<ProblemDetails>);

impl Deref for Problem {
    type Target = ProblemDetails;

    fn deref(&self) -> &ProblemDetails {
        &self.0
    }
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        ProblemDetails::schema()
    }
}

impl ToSchema for Problem {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        ProblemDetails::schemas(schemas);
    }
}

/// Problem details. The code is stable; title and detail are for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemDetails {
    /// The problem type: `about:blank`, so the title is that of the status (RFC 9457, section 4.2.1).
    #[serde(rename = "type")]
    pub kind: String,
    /// The text of the status.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// A stable name, such as `not_found`.
    pub code: String,
    /// What was wrong, and what to do.
    pub detail: String,
    /// The decision that denied it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// What to do, unless the detail says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The place in a file that is at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// The value of `Retry-After`, in seconds.
    #[serde(skip)]
    retry_after: Option<u64>,
}

/// A position in a file, and the error there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Location {
    /// The file; an absolute path.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

impl Problem {
    /// A problem with this status and stable code.
    #[must_use]
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self(Box::new(ProblemDetails {
            kind: "about:blank".into(),
            title: status.canonical_reason().unwrap_or("Error").into(),
            status: status.as_u16(),
            code: code.into(),
            detail: detail.into(),
            decision: None,
            help: None,
            location: None,
            retry_after: None,
        }))
    }

    /// Its parts.
    #[must_use]
    pub fn into_details(self) -> ProblemDetails {
        *self.0
    }

    /// 404: it does not exist, or the caller may not know of it.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// The named run does not belong to the caller, or has ended.
    #[must_use]
    pub fn other_run(error: OperateError) -> Self {
        match error {
            OperateError::Unknown(message) => Self::new(StatusCode::NOT_FOUND, OTHER_RUN, message),
            other => other.into(),
        }
    }

    /// 403: the caller has no permission.
    #[must_use]
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 400: the request is not valid.
    #[must_use]
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", detail)
    }

    /// It cannot be done now.
    #[must_use]
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry_after(10)
    }

    /// The caller asks too often, or too much at once.
    #[must_use]
    pub fn too_many_requests(detail: impl Into<String>, retry_after: u64) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail)
            .retry_after(retry_after)
    }

    /// With the decision that denied it.
    #[must_use]
    pub fn by(mut self, decision: impl ToString) -> Self {
        self.0.decision = Some(decision.to_string());
        self
    }

    /// Adds advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// With other words for what was wrong.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = detail.into();
        self
    }

    /// With the place in a file that is at fault.
    #[must_use]
    pub fn location(mut self, location: Location) -> Self {
        self.0.location = Some(location);
        self
    }

    /// Adds `Retry-After`, in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let kind = HeaderValue::from_static("application/problem+json");
        let mut response = (status, [(header::CONTENT_TYPE, kind)], body).into_response();
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::NotFound { .. } => Self::not_found(error.to_string()),
            other => Self::unavailable(other.to_string()),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.message();
        match refusal {
            Refusal::Denied { decision, .. } | Refusal::Undecidable { decision, .. } => {
                Self::forbidden(message).by(decision)
            }
            Refusal::Unrecorded { .. } => Self::unavailable(message),
            Refusal::UnknownTool { .. } | Refusal::Invalid { .. } => Self::invalid(message),
            _ => Self::forbidden(message),
        }
    }
}

impl From<OperateError> for Problem {
    fn from(error: OperateError) -> Self {
        match error {
            OperateError::Refused(refusal) => {
                let detail = refusal.message_for_person();
                let mut problem = Self::from(*refusal);
                problem.0.detail = detail;
                problem
            }
            OperateError::Unknown(message) => Self::not_found(message),
            OperateError::SamePerson(message) => {
                Self::new(StatusCode::FORBIDDEN, "same_person", message)
            }
            other => Self::unavailable(other.to_string()),
        }
    }
}

impl From<ApprovalError> for Problem {
    fn from(error: ApprovalError) -> Self {
        let conflict = |code: &str| Self::new(StatusCode::CONFLICT, code, error.to_string());
        match &error {
            ApprovalError::NotFound(_) => Self::not_found(error.to_string()),
            ApprovalError::NoStanding(_) => Self::not_found(error.to_string()),
            ApprovalError::NotStanding(_) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "not_standing",
                error.to_string(),
            ),
            ApprovalError::NotEdited(_) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "not_edited",
                error.to_string(),
            ),
            ApprovalError::NotPreviewed(_) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "not_previewed",
                error.to_string(),
            ),
            ApprovalError::StandingOver { .. } => conflict("already_ended"),
            ApprovalError::Resolved { .. } => conflict("already_resolved"),
            ApprovalError::Twice { .. } => conflict("already_answered"),
            ApprovalError::OtherCall(_) => conflict("other_call"),
            ApprovalError::Link { .. } => conflict("link_refused"),
            ApprovalError::TokenOfAsker { user, .. } => {
                Self::new(StatusCode::FORBIDDEN, "token_of_asker", error.to_string()).help(format!(
                    "{user}, signed in by a login of this machine or at the authorization server, or someone who has no \
                     part in the call, makes one: `tollgate token create --user {user}`"
                ))
            }
            ApprovalError::Question(_) => conflict("asks_for_input"),
            ApprovalError::NoQuestion(_) => conflict("asks_for_approval"),
            ApprovalError::Input(_) => {
                Self::new(StatusCode::BAD_REQUEST, "invalid_input", error.to_string())
            }
            ApprovalError::OwnQuestion { .. } => {
                Self::new(StatusCode::FORBIDDEN, "own_question", error.to_string())
            }
            ApprovalError::RoleMissing { .. } => {
                Self::new(StatusCode::FORBIDDEN, "role_missing", error.to_string())
            }
            ApprovalError::Denied(refusal) => {
                Self::from((**refusal).clone()).detail(error.to_string())
            }
            other => Self::unavailable(other.to_string()),
        }
    }
}

impl From<ConfigError> for Problem {
    fn from(error: ConfigError) -> Self {
        let problem = Self::new(StatusCode::CONFLICT, "not_loaded", error.to_string());
        let ConfigError {
            file,
            line,
            column,
            message,
            help,
        } = error;
        problem.help(help).location(Location {
            file: file.display().to_string(),
            line,
            column,
            message,
        })
    }
}

impl From<LoadError> for Problem {
    fn from(error: LoadError) -> Self {
        let not_loaded = Self::new(StatusCode::CONFLICT, "not_loaded", error.to_string());
        match error {
            LoadError::Config(error) => error.into(),
            LoadError::Ledger(error) => error.into(),
            LoadError::Refused(refusal) => (*refusal).into(),
            LoadError::Policies(pdp::LoadError::Policies(_) | pdp::LoadError::Candidate(_)) => {
                not_loaded.help("see all of them with `tollgate policy check`")
            }
            _ => not_loaded,
        }
    }
}

impl From<CommitError> for Problem {
    fn from(error: CommitError) -> Self {
        Self::unavailable(error.to_string())
    }
}

impl From<RevealError> for Problem {
    fn from(error: RevealError) -> Self {
        match error {
            RevealError::Operate(error) => error.into(),
            RevealError::Ledger(error) => error.into(),
            other => Self::not_found(other.to_string()),
        }
    }
}
