//! The gate as an OAuth 2.1 resource server: JSON Web Tokens of one issuer (RFC 9068), checked against the
//! issuer's keys (RFC 7517). The keys are fetched again when they are old, or when a token names an unknown one.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, Validation, decode, decode_header,
    jwk::{AlgorithmParameters, Jwk, PublicKeyUse},
};
use serde_json::Value;
use tollgate::{config::JwksSource, config::OauthConfig, gate::Gate, identity::Caller};
use tollgate_model::time::{Timestamp, micros};

use super::AuthError;

/// The largest key set, in bytes.
const MAX_KEYS_SIZE: usize = 256 << 10;
/// The most keys in a set.
const MAX_KEYS: usize = 64;
/// The timeout for fetching the key set.
const PATIENCE: Duration = Duration::from_secs(5);
/// The least time between two fetches, in microseconds, however many unknown keys are named in between.
const PAUSE: u64 = 10_000_000;
/// How long keys are accepted while their source is unavailable, in microseconds. Limited, because a key may
/// have been revoked.
const STALE: u64 = 24 * 3600 * 1_000_000;
/// Bytes of the smallest RSA modulus (RFC 7518, section 3.3).
const MIN_RSA: usize = 256;

/// A resource server for one issuer.
pub(super) struct Oauth {
    config: OauthConfig,
    keys: Mutex<Keys>,
    /// Held while keys are fetched.
    reading: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Keys {
    set: Vec<Arc<Key>>,
    /// When the keys were fetched.
    read: Option<Timestamp>,
    /// The last attempt to fetch them.
    tried: Option<Timestamp>,
    /// The error of that attempt, if it failed.
    problem: Option<String>,
}

struct Key {
    id: Option<String>,
    algorithm: Option<String>,
    key: DecodingKey,
}

impl Oauth {
    pub(super) fn new(config: OauthConfig) -> Self {
        super::signature::install();
        Self {
            config,
            keys: Mutex::default(),
            reading: Arc::default(),
        }
    }

    pub(super) fn is_of(&self, config: &OauthConfig) -> bool {
        self.config == *config
    }

    /// The caller that this token identifies.
    pub(super) async fn caller(
        self: &Arc<Self>,
        gate: &Gate,
        token: &str,
    ) -> Result<Caller, AuthError> {
        let invalid = |problem: &str| AuthError::Invalid(problem.into());
        // This also refuses `none` and every name that is not a signature algorithm.
        let header =
            decode_header(token).map_err(|_| invalid("it is not a signed JSON Web Token"))?;
        let name = format!("{:?}", header.alg);
        if !self.config.algorithms.contains(&name) {
            return Err(invalid("its algorithm is not among those that count here"));
        }
        if header.extras.get::<Value>("crit").ok().flatten().is_some() {
            return Err(invalid(
                "it has critical extensions, and the gate supports none",
            ));
        }
        let candidates = self
            .candidates(gate, header.alg, header.kid.as_deref())
            .await?;
        let claims = candidates
            .iter()
            .find_map(|key| decode::<Value>(token, &key.key, &self.validation(header.alg)).ok())
            .ok_or_else(|| invalid("its signature, issuer or audience is wrong"))?
            .claims;
        self.check_time(&claims, gate.now())?;
        self.check_scopes(&claims)?;
        self.named(gate, &claims)
    }

    /// The checks of the library: signature, algorithm, issuer and audience. Times are checked here, by the gate's
    /// clock.
    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[&self.config.issuer]);
        validation.set_audience(&[&self.config.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation
    }

    fn check_time(&self, claims: &Value, now: Timestamp) -> Result<(), AuthError> {
        let now = now.0.div_euclid(1_000_000);
        let leeway = i64::try_from(self.config.leeway.as_secs()).unwrap_or(0);
        // RFC 7519 lets them have fractions.
        let time = |name: &str| match claims.get(name) {
            None => Ok(None),
            Some(value) => value
                .as_i64()
                .or_else(|| value.as_f64().map(|seconds| seconds as i64))
                .map(Some)
                .ok_or_else(|| AuthError::Invalid(format!("its `{name}` is not a time"))),
        };
        match time("exp")? {
            Some(exp) if now < exp.saturating_add(leeway) => {}
            _ => return Err(AuthError::Invalid("it has expired".into())),
        }
        if time("nbf")?.is_some_and(|nbf| now < nbf.saturating_sub(leeway)) {
            return Err(AuthError::Invalid("it does not count yet".into()));
        }
        Ok(())
    }

    fn check_scopes(&self, claims: &Value) -> Result<(), AuthError> {
        let held: BTreeSet<&str> = match claims.get("scope").or_else(|| claims.get("scp")) {
            Some(Value::String(scopes)) => scopes.split(' ').collect(),
            Some(Value::Array(scopes)) => scopes.iter().filter_map(Value::as_str).collect(),
            _ => BTreeSet::new(),
        };
        let missing = self
            .config
            .scopes
            .iter()
            .find(|scope| !held.contains(scope.as_str()));
        missing.map_or(Ok(()), |scope| Err(AuthError::Scope(scope.clone())))
    }

    /// The caller that the claims name, mapped by the configuration.
    fn named(&self, gate: &Gate, claims: &Value) -> Result<Caller, AuthError> {
        let OauthConfig {
            claims: names,
            agents,
            users,
            user_clients,
            ..
        } = &self.config;
        let claim = |name: &str| claims.get(name).and_then(Value::as_str);
        if let Some(name) = &names.tenant {
            let tenant = &gate.ruleset().config.gate.tenant;
            if claim(name) != Some(tenant) {
                return Err(AuthError::Unknown(format!(
                    "the token's `{name}` is not the tenant of this gate"
                )));
            }
        }
        let Some(client) = claim(&names.agent) else {
            return Err(AuthError::Invalid(format!(
                "it has no `{}`, so the program that holds it is unknown",
                names.agent
            )));
        };
        let subject = claim(&names.user);
        let user = |subject: &str| {
            users
                .get(subject)
                .cloned()
                .unwrap_or_else(|| subject.to_owned())
        };
        if user_clients.contains(client) {
            let subject = subject.ok_or_else(|| {
                AuthError::Invalid(format!(
                    "it has no `{}`, so its user is unknown",
                    names.user
                ))
            })?;
            return Ok(Caller::User(user(subject)));
        }
        Ok(Caller::Agent {
            name: agents
                .get(client)
                .cloned()
                .unwrap_or_else(|| client.to_owned()),
            // In a token without a user, the subject is the program itself.
            on_behalf_of: subject.filter(|subject| *subject != client).map(user),
        })
    }

    /// The keys that this token may be signed with. A request with a known key does not wait for a fetch.
    async fn candidates(
        self: &Arc<Self>,
        gate: &Gate,
        algorithm: Algorithm,
        id: Option<&str>,
    ) -> Result<Vec<Arc<Key>>, AuthError> {
        let (known, begins) = {
            let mut keys = self.keys();
            let now = gate.now();
            let refresh = micros(self.config.refresh);
            let is_old = keys.read.is_none_or(|read| now.since(read) >= refresh);
            let may_try = keys.tried.is_none_or(|tried| now.since(tried) >= PAUSE);
            let known = keys.fitting(algorithm, id);
            let begins = may_try && (is_old || known.is_empty());
            if begins {
                keys.tried = Some(now);
            }
            (known, begins)
        };
        if begins {
            let (oauth, gate) = (Arc::clone(self), gate.clone());
            let reading = Arc::clone(&self.reading).lock_owned().await;
            // A task of its own, so that it continues if the request that caused it is dropped.
            let read = tokio::spawn(async move {
                oauth.refresh(&gate).await;
                drop(reading);
            });
            drop(read.await);
        } else if known.is_empty() {
            // A fetch in progress may bring the key.
            drop(self.reading.lock().await);
        } else {
            return Ok(known);
        }
        let keys = self.keys();
        match (keys.read, &keys.problem) {
            (Some(_), _) => Ok(keys.fitting(algorithm, id)),
            (None, Some(problem)) => Err(AuthError::Unavailable(problem.clone())),
            (None, None) => Err(AuthError::Unavailable(
                "the issuer's keys are not known".into(),
            )),
        }
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetches the keys. If that fails, the old ones are accepted for a limited time.
    async fn refresh(&self, gate: &Gate) {
        let set = self.read(gate).await;
        let now = gate.now();
        let mut keys = self.keys();
        match set {
            Ok(set) => {
                keys.set = set;
                keys.read = Some(now);
                keys.problem = None;
            }
            Err(problem) => {
                keys.problem = Some(problem);
                if keys.read.is_some_and(|read| now.since(read) >= STALE) {
                    keys.set = Vec::new();
                    keys.read = None;
                }
            }
        }
    }

    async fn read(&self, gate: &Gate) -> Result<Vec<Arc<Key>>, String> {
        let bytes = match &self.config.jwks {
            JwksSource::File(path) => {
                let read = tokio::fs::read(path).await;
                read.map_err(|e| format!("{}: {e}", path.display()))?
            }
            JwksSource::Url(url) => {
                let client = crate::client::client(gate, PATIENCE)?;
                crate::client::get(&client, url.clone(), MAX_KEYS_SIZE).await?
            }
        };
        parse(&bytes)
    }
}

impl Keys {
    /// The matching keys: by key id if the token has one, else the only key of the algorithm family.
    fn fitting(&self, algorithm: Algorithm, id: Option<&str>) -> Vec<Arc<Key>> {
        let name = format!("{algorithm:?}");
        let fits = |key: &&Arc<Key>| {
            key.key.family() == family(algorithm)
                && key.algorithm.as_ref().is_none_or(|only| *only == name)
                && (id.is_none() || key.id.as_deref() == id)
        };
        let fitting: Vec<Arc<Key>> = self.set.iter().filter(fits).map(Arc::clone).collect();
        if id.is_none() && fitting.len() > 1 {
            return Vec::new();
        }
        fitting
    }
}

fn family(algorithm: Algorithm) -> AlgorithmFamily {
    match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => AlgorithmFamily::Hmac,
        Algorithm::ES256 | Algorithm::ES384 => AlgorithmFamily::Ec,
        Algorithm::EdDSA => AlgorithmFamily::Ed,
        _ => AlgorithmFamily::Rsa,
    }
}

/// The keys of a set that can verify signatures; all others are ignored.
fn parse(bytes: &[u8]) -> Result<Vec<Arc<Key>>, String> {
    let no_set = || "the issuer's keys are not a JSON Web Key Set".to_owned();
    if bytes.len() > MAX_KEYS_SIZE {
        return Err("the issuer's key set is too large".into());
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|_| no_set())?;
    let keys = value
        .get("keys")
        .and_then(Value::as_array)
        .ok_or_else(no_set)?;
    if keys.len() > MAX_KEYS {
        return Err(format!("the issuer has more than {MAX_KEYS} keys"));
    }
    // RFC 7517, section 5: keys of unknown types are ignored.
    let known = keys
        .iter()
        .filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok());
    let usable: Vec<Arc<Key>> = known.filter_map(usable).map(Arc::new).collect();
    if usable.is_empty() {
        return Err("the issuer has no key that signatures can be checked with".into());
    }
    Ok(usable)
}

fn usable(jwk: Jwk) -> Option<Key> {
    let signs = !matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption));
    let strong = match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(_) | AlgorithmParameters::OctetKeyPair(_) => true,
        AlgorithmParameters::RSA(rsa) => URL_SAFE_NO_PAD
            .decode(&rsa.n)
            .is_ok_and(|modulus| modulus.len() >= MIN_RSA),
        // Shared secrets are refused: every holder could sign tokens.
        _ => false,
    };
    let key = DecodingKey::from_jwk(&jwk)
        .ok()
        .filter(|_| signs && strong)?;
    Some(Key {
        id: jwk.common.key_id,
        algorithm: jwk.common.key_algorithm.map(|name| format!("{name:?}")),
        key,
    })
}

#[cfg(test)]
mod tests;
