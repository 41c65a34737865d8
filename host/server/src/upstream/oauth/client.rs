//! The gate as a client of an authorization server: how it authenticates, and the requests for tokens.

use std::sync::Arc;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::HeaderValue;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tollgate::{
    config::{AuthorizationServer, ClientAuthentication, UpstreamOauth},
    egress::Network,
    ids,
    secrets::Vault,
};
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::{
    answer::TokenAnswer,
    authority::{Authorities, Authority},
    error::OauthError,
    exchange::{Exchange, Form},
};

/// Seconds for which an assertion is valid.
const ASSERTION: i64 = 60;

/// The gate as a client of an authorization server, for one upstream server.
#[derive(Debug)]
pub(in super::super) struct OauthClient {
    /// The upstream server's name in the configuration.
    pub(in super::super) upstream: String,
    pub(in super::super) config: UpstreamOauth,
    secrets: Arc<Vault>,
    pub(in super::super) authorities: Authorities,
    exchange: Exchange,
}

impl OauthClient {
    /// Nothing is sent yet.
    pub(in super::super) fn new(
        upstream: &str,
        url: &Url,
        config: &UpstreamOauth,
        secrets: &Arc<Vault>,
        network: &Network,
    ) -> Self {
        let issuer: Option<Url>;
        let named: Vec<&Url> = match &config.server {
            AuthorizationServer::Discovered => vec![url],
            AuthorizationServer::Issuer(text) => {
                issuer = Url::parse(text).ok();
                std::iter::once(url).chain(issuer.as_ref()).collect()
            }
            AuthorizationServer::Endpoints {
                token,
                authorization,
                ..
            } => [url, token].into_iter().chain(authorization).collect(),
        };
        let exchange = Exchange::new(network, named.into_iter());
        Self {
            upstream: upstream.into(),
            config: config.clone(),
            secrets: Arc::clone(secrets),
            authorities: Authorities::new(url, config, exchange.clone()),
            exchange,
        }
    }

    /// A token with the gate's own rights.
    pub(super) async fn client_credentials(&self) -> Result<TokenAnswer, OauthError> {
        let authority = self.authorities.current().await?;
        let mut form = Form::default();
        form.add("grant_type", "client_credentials");
        self.add_scopes(&mut form);
        form.add("resource", &authority.resource);
        self.request(&authority, form).await
    }

    /// The tokens for an authorization code.
    pub(in super::super) async fn exchange_code(
        &self,
        authority: &Authority,
        code: &str,
        verifier: &str,
        redirect: &str,
    ) -> Result<TokenAnswer, OauthError> {
        let mut form = Form::default();
        form.add("grant_type", "authorization_code");
        form.add("code", code);
        form.add("code_verifier", verifier);
        form.add("redirect_uri", redirect);
        form.add("resource", &authority.resource);
        self.request(authority, form).await
    }

    /// New tokens for a refresh token.
    pub(super) async fn refresh(
        &self,
        authority: &Authority,
        resource: &str,
        token: &str,
    ) -> Result<TokenAnswer, OauthError> {
        let mut form = Form::default();
        form.add("grant_type", "refresh_token");
        form.add("refresh_token", token);
        form.add("resource", resource);
        self.request(authority, form).await
    }

    pub(in super::super) fn scopes(&self) -> String {
        self.config.scopes.join(" ")
    }

    fn add_scopes(&self, form: &mut Form) {
        if !self.config.scopes.is_empty() {
            form.add("scope", &self.scopes());
        }
    }

    async fn request(
        &self,
        authority: &Authority,
        mut form: Form,
    ) -> Result<TokenAnswer, OauthError> {
        let authorization = self.authenticate(authority, &mut form).await?;
        let answered = match self
            .exchange
            .post(&authority.token, &form, authorization)
            .await
        {
            Ok(response) => TokenAnswer::read(&response),
            Err(error) => Err(error),
        };
        match answered {
            Ok(answer) => Ok(answer),
            Err(error) => {
                self.authorities.forget().await;
                let mut shown = authority.token.clone();
                shown.set_query(None);
                Err(OauthError {
                    why: format!("the token endpoint {shown}: {}", error.why),
                    ..error
                })
            }
        }
    }

    /// The client's credential: in the form, or as the value of `Authorization` (RFC 6749, section 2.3.1).
    async fn authenticate(
        &self,
        authority: &Authority,
        form: &mut Form,
    ) -> Result<Option<HeaderValue>, OauthError> {
        let id = &self.config.client_id;
        match &self.config.authentication {
            ClientAuthentication::None => {
                form.add("client_id", id);
                Ok(None)
            }
            ClientAuthentication::Secret(name) => {
                let secret = self.secret(name).await?;
                if self.by_header(authority)? {
                    return basic(id, &secret).map(Some);
                }
                form.add("client_id", id);
                form.add("client_secret", &secret);
                Ok(None)
            }
            ClientAuthentication::PrivateKey { secret, key_id } => {
                let pem = self.secret(secret).await?;
                let unfit = || {
                    OauthError::new(format!(
                        "the secret `{secret}` is not a private key: an ECDSA key of the curve P-256, in PEM as PKCS #8"
                    ))
                };
                let signed = self.assertion(authority, &pem, key_id.clone());
                let assertion = signed.ok_or_else(unfit)?;
                form.add("client_id", id);
                form.add(
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                );
                form.add("client_assertion", &assertion);
                Ok(None)
            }
        }
    }

    async fn secret(&self, name: &str) -> Result<Zeroizing<String>, OauthError> {
        let secret = self.secrets.secret(name).await;
        let secret = secret.map_err(|error| OauthError::new(error.to_string()))?;
        let text = std::str::from_utf8(secret.value())
            .map_err(|_| OauthError::new(format!("the secret `{name}` is not text")))?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// Whether the secret goes into the header, and not into the form.
    fn by_header(&self, authority: &Authority) -> Result<bool, OauthError> {
        let Some(methods) = &authority.authentication else {
            return Ok(true);
        };
        let has = |method: &str| methods.iter().any(|known| known == method);
        match (has("client_secret_basic"), has("client_secret_post")) {
            (true, _) => Ok(true),
            (false, true) => Ok(false),
            (false, false) => Err(OauthError::new(
                "its token endpoint takes no `client_secret`; register the client with a key, and name it: \
                 `private_key`",
            )),
        }
    }

    /// What the client says of itself, signed (RFC 7523, section 3).
    fn assertion(
        &self,
        authority: &Authority,
        pem: &str,
        key_id: Option<String>,
    ) -> Option<Zeroizing<String>> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).ok()?;
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let key = EcdsaKeyPair::from_pkcs8(algorithm, key.secret_pkcs8_der(), &random).ok()?;
        let now = jiff::Timestamp::now().as_second();
        let audience = match authority.has_issuer {
            true => authority.issuer.clone(),
            false => authority.token.to_string(),
        };
        let id = &self.config.client_id;
        let claims = json!({"iss": id, "sub": id, "aud": audience, "jti": random_text()?, "iat": now,
            "exp": now + ASSERTION});
        let mut header = json!({"typ": "JWT", "alg": "ES256"});
        if let (Some(id), Some(members)) = (key_id, header.as_object_mut()) {
            members.insert("kid".into(), id.into());
        }
        let encoded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let message = format!("{}.{}", encoded(&header), encoded(&claims));
        let signature = key.sign(&random, message.as_bytes()).ok()?;
        let signature = URL_SAFE_NO_PAD.encode(signature);
        Some(Zeroizing::new(format!("{message}.{signature}")))
    }
}

fn basic(id: &str, secret: &str) -> Result<HeaderValue, OauthError> {
    let encoded = |text: &str| -> Zeroizing<String> {
        Zeroizing::new(form_urlencoded::byte_serialize(text.as_bytes()).collect())
    };
    let both = Zeroizing::new(format!("{}:{}", *encoded(id), *encoded(secret)));
    let value = Zeroizing::new(format!("Basic {}", STANDARD.encode(both.as_bytes())));
    let mut value = HeaderValue::from_str(&value)
        .map_err(|_| OauthError::new("the client's credential cannot be sent"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// 256 bits that no one guesses, as a text for URLs.
pub(in super::super) fn random_text() -> Option<String> {
    ids::random(32).map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
}

/// The challenge of a verifier (RFC 7636, section 4.2).
pub(in super::super) fn s256(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

#[cfg(test)]
mod tests;
