//! The operator's settings for OAuth towards an upstream server: `[upstream.NAME.oauth]`.

use std::collections::BTreeMap;

use tollgate_model::settings::ConfigValue;
use url::Url;

use super::{ConfigError, raw, validate::Validation};
use crate::secrets::SecretConfig;

/// How access tokens for an upstream server are obtained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamOauth {
    /// Whose rights a token carries: the gate's own, or those of the user for whom a call is made.
    pub grant: OauthGrant,
    /// The client, as the authorization server knows it.
    pub client_id: String,
    /// How the client authenticates at the token endpoint.
    pub authentication: ClientAuthentication,
    /// The scopes that are asked for.
    pub scopes: Vec<String>,
    /// The resource for which tokens are asked (RFC 8707); by default what the server says of itself, or its URL.
    pub resource: Option<String>,
    /// Where tokens come from.
    pub server: AuthorizationServer,
}

/// A grant of OAuth 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OauthGrant {
    /// The gate's own rights (RFC 6749, section 4.4).
    ClientCredentials,
    /// A user's rights, by the user's consent (RFC 6749, section 4.1, with PKCE).
    AuthorizationCode,
}

/// How a client authenticates at the token endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// Not at all: a public client.
    None,
    /// By this secret.
    Secret(String),
    /// By an assertion that it signs (RFC 7523).
    PrivateKey {
        /// The secret that holds the key, in PEM.
        secret: String,
        /// The key's id, as the authorization server knows it.
        key_id: Option<String>,
    },
}

/// Where tokens come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthorizationServer {
    /// From the authorization server that the upstream server names (RFC 9728): only for a public client, because
    /// the upstream server could name one of its own.
    Discovered,
    /// From this one, whose metadata names its endpoints (RFC 8414).
    Issuer(String),
    /// From these endpoints.
    Endpoints {
        /// The token endpoint.
        token: Url,
        /// The authorization endpoint, for users' logins.
        authorization: Option<Url>,
        /// The issuer, if it is known.
        issuer: Option<String>,
    },
}

impl UpstreamOauth {
    /// The secret that the client authenticates with.
    #[must_use]
    pub fn secret(&self) -> Option<&String> {
        match &self.authentication {
            ClientAuthentication::None => None,
            ClientAuthentication::Secret(secret)
            | ClientAuthentication::PrivateKey { secret, .. } => Some(secret),
        }
    }
}

/// Whether `text` is a scope (RFC 6749, section 3.3).
fn is_scope(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
}

/// The table of one upstream server.
pub(super) struct OauthTable<'a> {
    validation: &'a Validation<'a>,
    /// `[upstream.NAME.oauth]`.
    table: String,
    secrets: &'a BTreeMap<String, SecretConfig>,
}

impl<'a> OauthTable<'a> {
    pub(super) fn new(
        validation: &'a Validation<'a>,
        name: &str,
        secrets: &'a BTreeMap<String, SecretConfig>,
    ) -> Self {
        Self {
            validation,
            table: format!("[upstream.{name}.oauth]"),
            secrets,
        }
    }

    /// The settings, next to the `headers` that the server is sent.
    pub(super) fn read(
        &self,
        oauth: raw::UpstreamOauth,
        headers: &BTreeMap<String, ConfigValue>,
    ) -> Result<UpstreamOauth, ConfigError> {
        let is_authorization = |header: &String| header.eq_ignore_ascii_case("authorization");
        if headers.keys().any(is_authorization) {
            return Err(self.refuse(
                "stands next to another credential for `Authorization`",
                "remove one of them",
            ));
        }
        let grant = match oauth.grant.as_deref() {
            Some("client_credentials") => OauthGrant::ClientCredentials,
            Some("authorization_code") => OauthGrant::AuthorizationCode,
            _ => {
                return Err(self.refuse(
                    "names no known `grant`",
                    "write grant = \"client_credentials\" for the gate's own rights, or grant = \
                     \"authorization_code\" for those of each user",
                ));
            }
        };
        let client_id = oauth.client_id.filter(|id| is_client_id(id));
        let Some(client_id) = client_id else {
            return Err(self.refuse(
                "has no valid `client_id`",
                "register the gate at the authorization server, and write the id that it gives: client_id = \"..\"",
            ));
        };
        if let Some(wrong) = oauth.scopes.iter().find(|scope| !is_scope(scope)) {
            let problem = format!("has the scope `{}`, which is not one", wrong.escape_debug());
            let help = "a scope is printable ASCII without spaces, quotes and backslashes; write one for each entry";
            return Err(self.refuse(&problem, help));
        }
        let server = self.server(
            grant,
            oauth.issuer,
            oauth.token_url,
            oauth.authorization_url,
        )?;
        let authentication =
            self.authentication(grant, oauth.client_secret, oauth.private_key, oauth.key_id)?;
        let resource = oauth.resource.map(|uri| self.resource(uri)).transpose()?;
        let is_public = authentication == ClientAuthentication::None;
        if server == AuthorizationServer::Discovered && !is_public {
            return Err(self.refuse(
                "has a credential of the client and names no authorization server, so that the upstream server would \
                 choose who gets it",
                "name the authorization server at which the client is registered, as in issuer = \
                 \"https://login.example.com\"",
            ));
        }
        Ok(UpstreamOauth {
            grant,
            client_id,
            authentication,
            scopes: oauth.scopes,
            resource,
            server,
        })
    }

    fn refuse(&self, problem: &str, help: &str) -> ConfigError {
        let message = format!("{} {problem}", self.table);
        self.validation.error(&self.table, message, help)
    }

    fn server(
        &self,
        grant: OauthGrant,
        issuer: Option<String>,
        token: Option<String>,
        authorization: Option<String>,
    ) -> Result<AuthorizationServer, ConfigError> {
        if let Some(issuer) = &issuer {
            let url = self.validation.endpoint(issuer, true)?;
            if url.query().is_some() || url.fragment().is_some() {
                return Err(self.refuse(
                    "has an `issuer` with a query or a fragment",
                    "write it as the authorization server does, as in \"https://login.example.com\"",
                ));
            }
        }
        let endpoint = |url: &String| self.validation.endpoint(url, true);
        match (&token, &authorization, issuer) {
            (Some(_), None, _) if grant == OauthGrant::AuthorizationCode => Err(self.refuse(
                "has a `token_url` and no `authorization_url`",
                "write both, or only `issuer`, whose metadata names them",
            )),
            (Some(_), Some(_), _) if grant == OauthGrant::ClientCredentials => Err(self.refuse(
                "has an `authorization_url`, which client credentials do not use",
                "remove it",
            )),
            (Some(token), authorization, issuer) => Ok(AuthorizationServer::Endpoints {
                token: endpoint(token)?,
                authorization: authorization.as_ref().map(endpoint).transpose()?,
                issuer,
            }),
            (None, Some(_), _) => Err(self.refuse(
                "has an `authorization_url` and no `token_url`",
                "write both, or only `issuer`, whose metadata names them",
            )),
            (None, None, Some(issuer)) => Ok(AuthorizationServer::Issuer(issuer)),
            (None, None, None) => Ok(AuthorizationServer::Discovered),
        }
    }

    fn authentication(
        &self,
        grant: OauthGrant,
        secret: Option<raw::ConfigValue>,
        key: Option<raw::ConfigValue>,
        key_id: Option<String>,
    ) -> Result<ClientAuthentication, ConfigError> {
        let named = |key: &str, value: raw::ConfigValue| match value {
            raw::ConfigValue::Secret(raw::SentSecret { secret }) => {
                self.validation
                    .known_secret(&self.table, &secret, self.secrets)?;
                Ok(secret)
            }
            // It may be the secret itself, which no message shows.
            raw::ConfigValue::Literal(_) => Err(self.refuse(
                &format!("has a `{key}` in plain text"),
                &format!(
                    "name a secret: {key} = {{ secret = \"NAME\" }}, with a table [secrets.NAME]"
                ),
            )),
        };
        match (secret, key) {
            (Some(_), Some(_)) => Err(self.refuse(
                "has both `client_secret` and `private_key`",
                "keep the one that the client is registered with",
            )),
            (Some(secret), None) => Ok(ClientAuthentication::Secret(named(
                "client_secret",
                secret,
            )?)),
            (None, Some(key)) => Ok(ClientAuthentication::PrivateKey {
                secret: named("private_key", key)?,
                key_id,
            }),
            (None, None) if grant == OauthGrant::ClientCredentials => Err(self.refuse(
                "has neither `client_secret` nor `private_key`",
                "name the secret of the client: client_secret = { secret = \"NAME\" }",
            )),
            (None, None) => Ok(ClientAuthentication::None),
        }
    }

    fn resource(&self, uri: String) -> Result<String, ConfigError> {
        match Url::parse(&uri) {
            Ok(parsed) if parsed.fragment().is_none() => Ok(uri),
            _ => Err(self.refuse(
                "has a `resource` that is not an absolute URI without a fragment",
                "write the server's URL, or what its authorization server calls it",
            )),
        }
    }
}

/// Whether `text` is the id of a client (RFC 6749, appendix A.1), of a reasonable length.
fn is_client_id(text: &str) -> bool {
    (1..=2048).contains(&text.len()) && text.bytes().all(|b| (b' '..=b'~').contains(&b))
}

#[cfg(test)]
mod tests;
