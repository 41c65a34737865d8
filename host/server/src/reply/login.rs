//! Users' logins to upstream servers, without their tokens.

use serde::{Deserialize, Serialize};
use tollgate::upstream::LoginRequest;
use tollgate_ledger::{Login, LoginKey, LoginTerms};
use tollgate_model::time::Timestamp;
use utoipa::ToSchema;

/// Where a person consents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoginRequestReply {
    /// The page of the authorization server.
    pub url: String,
    /// What its answer names.
    pub state: String,
    /// The authorization server.
    pub issuer: String,
    /// How many seconds the answer may take.
    pub lasts_seconds: u64,
}

impl From<LoginRequest> for LoginRequestReply {
    fn from(request: LoginRequest) -> Self {
        let LoginRequest {
            state,
            url,
            issuer,
            lasts_seconds,
        } = request;
        Self {
            url: url.into(),
            state,
            issuer,
            lasts_seconds,
        }
    }
}

/// A user's login to an upstream server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoginView {
    /// The server.
    pub upstream: String,
    /// The user.
    pub user: String,
    /// The authorization server that issued the tokens.
    pub issuer: String,
    /// The resource for which it did.
    pub resource: String,
    /// What they permit; separated by spaces.
    pub scopes: String,
    /// When the user logged in.
    #[schema(value_type = i64)]
    pub created: Timestamp,
    /// When the tokens were last renewed.
    #[schema(value_type = i64)]
    pub renewed: Timestamp,
    /// When the access token expires; absent: not known.
    #[schema(value_type = Option<i64>)]
    pub expires: Option<Timestamp>,
    /// Whether it is renewed without the user.
    pub renewable: bool,
}

impl From<Login> for LoginView {
    fn from(login: Login) -> Self {
        let Login {
            key:
                LoginKey {
                    tenant: _,
                    user,
                    upstream,
                },
            terms:
                LoginTerms {
                    issuer,
                    resource,
                    scopes,
                    expires,
                    renewable,
                },
            created,
            renewed,
            version: _,
        } = login;
        Self {
            upstream,
            user,
            issuer,
            resource,
            scopes,
            created,
            renewed,
            expires,
            renewable,
        }
    }
}
