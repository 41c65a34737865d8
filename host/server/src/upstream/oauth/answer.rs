//! The answer of a token endpoint (RFC 6749, section 5): untrusted, and all of it may be secret.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tollgate::{
    egress::WireResponse,
    secrets::{MAX_LENGTH, MIN_LENGTH},
};
use zeroize::Zeroizing;

use super::error::{OauthError, OauthErrorKind};

/// The longest life of a token that is believed.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Bytes of the scopes.
const MAX_SCOPES: usize = 4096;

/// The tokens of an answer.
pub(in super::super) struct TokenAnswer {
    pub(super) access: Zeroizing<String>,
    pub(super) refresh: Option<Zeroizing<String>>,
    /// How long the access token is valid; absent: not known.
    pub(super) life: Option<Duration>,
    /// The scopes, where they are others than those that were asked for.
    pub(super) scopes: Option<String>,
}

impl std::fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenAnswer")
    }
}

#[derive(Deserialize)]
struct Document {
    access_token: Option<SecretText>,
    token_type: Option<String>,
    expires_in: Option<Value>,
    refresh_token: Option<SecretText>,
    scope: Option<String>,
}

#[derive(Deserialize)]
struct ErrorDocument {
    error: String,
}

/// A text that is overwritten when it is dropped.
#[derive(Deserialize)]
#[serde(from = "String")]
struct SecretText(Zeroizing<String>);

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl TokenAnswer {
    pub(super) fn read(response: &WireResponse) -> Result<Self, OauthError> {
        let unusable = |how: &str| OauthError::new(format!("its answer is not usable: {how}"));
        match response.status {
            200..300 => {}
            300..400 => {
                return Err(OauthError::new(format!(
                    "it redirects (HTTP {}), and secrets are not sent anywhere else: correct `token_url` or `issuer`",
                    response.status
                )));
            }
            status => return Err(refused(status, &response.body)),
        }
        let document: Document = serde_json::from_slice(&response.body)
            .map_err(|_| unusable("it is not JSON of the form"))?;
        let is_bearer = |kind: &String| kind.eq_ignore_ascii_case("bearer");
        if !document.token_type.as_ref().is_some_and(is_bearer) {
            return Err(unusable("its `token_type` is not Bearer"));
        }
        let SecretText(access) = document
            .access_token
            .ok_or_else(|| unusable("it has no `access_token`"))?;
        let refresh = document.refresh_token.map(|SecretText(token)| token);
        if !is_token(&access) || refresh.as_ref().is_some_and(|token| !is_token(token)) {
            return Err(unusable(
                "a token is not 8 to 16384 visible ASCII characters",
            ));
        }
        let life = match &document.expires_in {
            None | Some(Value::Null) => None,
            Some(value) => match seconds(value) {
                Some(seconds @ 1..) => Some(Duration::from_secs(seconds).min(LONGEST)),
                _ => return Err(unusable("its `expires_in` is not a time to come")),
            },
        };
        let scopes = document.scope.map(|scopes| shown(&scopes));
        Ok(Self {
            access,
            refresh,
            life,
            scopes,
        })
    }
}

/// Seconds, as a number or, as some servers write them, as text.
fn seconds(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number
            .as_u64()
            .or_else(|| number.as_f64().filter(|n| *n >= 1.0).map(|n| n as u64)),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// Whether a text can be a token: what a header takes (RFC 6749, appendix A.12), without spaces, and long enough to be
/// found again in what a server says.
fn is_token(text: &str) -> bool {
    (MIN_LENGTH..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Scopes as lists show them.
fn shown(scopes: &str) -> String {
    tollgate::text::printable(scopes, MAX_SCOPES).replace('\n', " ")
}

/// What a refusal means (RFC 6749, section 5.2). The server's own words are not shown: they may repeat a secret.
fn refused(status: u16, body: &[u8]) -> OauthError {
    let document: Option<ErrorDocument> = serde_json::from_slice(body).ok();
    let error = document.map(|document| document.error).unwrap_or_default();
    let (code, advice, kind) = match error.as_str() {
        "invalid_client" => (
            "invalid_client",
            "it does not know the client, or not by this credential: look at `client_id` and `client_secret`",
            OauthErrorKind::Other,
        ),
        "unauthorized_client" => (
            "unauthorized_client",
            "it does not give this client tokens by this `grant`: allow it there",
            OauthErrorKind::Other,
        ),
        "invalid_grant" => (
            "invalid_grant",
            "it does not take the code or the refresh token (any more)",
            OauthErrorKind::InvalidGrant,
        ),
        "invalid_scope" => (
            "invalid_scope",
            "it does not give this client these `scopes`",
            OauthErrorKind::Other,
        ),
        "invalid_target" => (
            "invalid_target",
            "it does not issue tokens for this `resource`",
            OauthErrorKind::Other,
        ),
        "invalid_request" => (
            "invalid_request",
            "it does not understand the request: look at `grant`, `scopes` and `resource`",
            OauthErrorKind::Other,
        ),
        "unsupported_grant_type" => (
            "unsupported_grant_type",
            "it does not support this `grant`",
            OauthErrorKind::Other,
        ),
        _ => (
            "no known error",
            "is this the token endpoint, and is it available?",
            OauthErrorKind::Other,
        ),
    };
    OauthError {
        why: format!("it refuses (HTTP {status}, {code}): {advice}"),
        kind,
    }
}

#[cfg(test)]
mod tests;
