//! `[serve.oauth]`, `[serve.tls]`, `[serve.rate]` and parts of `[approvals]`: who may connect and as whom,
//! and who is notified of approvals.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use tollgate_policy::policy;
use url::Url;

use super::{
    AgentConfig, ConfigError, LinkConfig, SecretConfig, SlackConfig, UserConfig, WebhookConfig,
    WebhookFormat, raw, validate::Validation,
};

/// Algorithms that a resource server may accept: asymmetric ones, so that a key for checking tokens cannot
/// create one.
const ALGORITHMS: &[&str] = &[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
];

/// How long what an upstream server asks waits for an answer, unless configured, and at most.
const ELICITATION_EXPIRES: Duration = Duration::from_secs(5 * 60);
const MAX_ELICITATION_EXPIRES: Duration = Duration::from_secs(60 * 60);

/// Certificate and key of the listener: PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// The chain, the listener's own certificate first.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The rate limit of each caller: a bucket of `burst` requests that is refilled with `per_second`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateConfig {
    /// Requests that are added per second.
    pub per_second: u32,
    /// Requests that may come at once.
    pub burst: u32,
}

/// This gate as an OAuth 2.1 resource server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthConfig {
    /// The name by which clients know this gate (RFC 9728, `resource`).
    pub resource: Url,
    /// The issuer of accepted tokens: `iss`, compared exactly.
    pub issuer: String,
    /// A value that `aud` must contain; the resource by default.
    pub audience: String,
    /// The source of the issuer's keys.
    pub jwks: JwksSource,
    /// Accepted signature algorithms.
    pub algorithms: BTreeSet<String>,
    /// Tolerance for wrong clocks.
    pub leeway: Duration,
    /// How often the keys are read again.
    pub refresh: Duration,
    /// Scopes that a token must have.
    pub scopes: BTreeSet<String>,
    /// Claims that name the caller.
    pub claims: Claims,
    /// Agents by the value of the claim.
    pub agents: BTreeMap<String, String>,
    /// Users by the value of the claim.
    pub users: BTreeMap<String, String>,
    /// Values of the agent's claim that are not agents: programs through which people act themselves.
    pub user_clients: BTreeSet<String>,
}

/// The source of an issuer's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwksSource {
    /// In a file.
    File(PathBuf),
    /// At a URL.
    Url(Url),
}

/// Claims that name the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The claim with the program that has the token: an agent, unless it is among `user_clients`.
    pub agent: String,
    /// The claim with the user, or the user for whom the agent acts.
    pub user: String,
    /// The claim with the tenant, which must be this gate's; absent: not checked.
    pub tenant: Option<String>,
}

/// The longest time that any standing approval may count.
const LONGEST_STANDING: Duration = Duration::from_secs(90 * 24 * 3600);

/// Escalation, notification and reach of approvals.
#[derive(Debug, Clone, PartialEq)]
pub struct ApprovalConfig {
    /// How long what an upstream server asks waits for an answer, while its call runs.
    pub elicitation_expires: Duration,
    /// The most pending approvals of one principal.
    pub max_pending: u64,
    /// Roles that are asked as well if there is no answer in time.
    pub second_group: Option<SecondGroup>,
    /// Limits of standing approvals; without them there are none.
    pub standing: Option<StandingLimits>,
    /// The webhook for requests and resolutions.
    pub webhook: Option<WebhookConfig>,
    /// Answers by buttons in Slack.
    pub slack: Option<SlackConfig>,
    /// Answers by links for one user.
    pub links: Option<LinkConfig>,
}

/// Limits of standing approvals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandingLimits {
    /// The longest time from its beginning to its end.
    pub lifetime: Duration,
    /// The most calls that one may allow.
    pub uses: u64,
}

/// Roles that are asked as well if there is no answer in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecondGroup {
    /// The time without an answer.
    pub after: Duration,
    /// The additional roles.
    pub roles: BTreeSet<String>,
}

impl Validation<'_> {
    fn elicitation_expires(&self, text: Option<&str>) -> Result<Duration, ConfigError> {
        let Some(text) = text else {
            return Ok(ELICITATION_EXPIRES);
        };
        match self.duration(text)? {
            lasts if lasts.is_zero() || lasts > MAX_ELICITATION_EXPIRES => Err(self.error(
                text,
                format!("a call does not wait for a person for `{text}`"),
                "use more than \"0s\" and at most \"1h\": its client waits as well",
            )),
            lasts => Ok(lasts),
        }
    }

    pub(super) fn approvals(
        &self,
        approvals: &raw::Approvals,
        secrets: &BTreeMap<String, SecretConfig>,
        users: &BTreeMap<String, UserConfig>,
        serve: &raw::Serve,
    ) -> Result<ApprovalConfig, ConfigError> {
        let max_pending = approvals.max_pending.unwrap_or(32);
        if !(1..=10_000).contains(&max_pending) {
            let message = format!("`max_pending = {max_pending}` is out of range");
            return Err(self.error("max_pending", message, "use 1 to 10000"));
        }
        let roles = self.names("role", approvals.escalate_to.clone())?;
        let second_group = match (&approvals.escalate_after, roles.is_empty()) {
            (Some(after), false) => Some(SecondGroup {
                after: self.duration(after)?,
                roles,
            }),
            (None, true) => None,
            (after, _) => {
                let key = if after.is_some() {
                    "escalate_after"
                } else {
                    "escalate_to"
                };
                let message = format!("`{key}` is not enough to ask other roles");
                let help = "set both: escalate_after = \"10m\" and escalate_to = [\"security\"]";
                return Err(self.error(key, message, help));
            }
        };
        let webhook = approvals.webhook.as_ref();
        let webhook = webhook
            .map(|webhook| self.webhook(webhook, secrets))
            .transpose()?;
        let slack = approvals.slack.as_ref();
        let slack = slack
            .map(|slack| self.slack(slack, webhook.as_ref(), secrets, users))
            .transpose()?;
        let links = approvals.links.as_ref();
        let links = links
            .map(|links| self.links(links, webhook.as_ref(), slack.as_ref(), users, serve))
            .transpose()?;
        let standing = approvals.standing.as_ref();
        let standing = standing.map(|limits| self.standing(limits)).transpose()?;
        Ok(ApprovalConfig {
            elicitation_expires: self
                .elicitation_expires(approvals.elicitation_expires.as_deref())?,
            max_pending,
            second_group,
            standing,
            webhook,
            slack,
            links,
        })
    }

    fn standing(&self, limits: &raw::StandingApprovals) -> Result<StandingLimits, ConfigError> {
        let uses = limits.max_uses.unwrap_or(20);
        if !(1..=10_000).contains(&uses) {
            let message = format!("`max_uses = {uses}` is out of range");
            return Err(self.error("max_uses", message, "use 1 to 10000"));
        }
        let lifetime = self.duration(&limits.max_lifetime)?;
        if lifetime > LONGEST_STANDING {
            let message = format!("`max_lifetime = \"{}\"` is too long", limits.max_lifetime);
            return Err(self.error("max_lifetime", message, "use at most 90d"));
        }
        Ok(StandingLimits { lifetime, uses })
    }

    fn webhook(
        &self,
        webhook: &raw::Webhook,
        secrets: &BTreeMap<String, SecretConfig>,
    ) -> Result<WebhookConfig, ConfigError> {
        let raw::Webhook {
            url,
            secret,
            format,
        } = webhook;
        let Some(secret) = secret else {
            if *format == WebhookFormat::Slack {
                return Ok(WebhookConfig {
                    url: self.web(url)?,
                    secret: None,
                    format: *format,
                });
            }
            let message =
                "the webhook has no `secret`, so its receiver cannot tell who posts".into();
            let help = "name a secret of [secrets] that signs its messages: secret = \"hook\"";
            return Err(self.error("[approvals.webhook]", message, help));
        };
        self.secret_name(secret, "the webhook's secret", secrets)?;
        Ok(WebhookConfig {
            url: self.web(url)?,
            secret: Some(secret.clone()),
            format: *format,
        })
    }

    pub(super) fn rate(&self, rate: &raw::Rate) -> Result<RateConfig, ConfigError> {
        let rate = RateConfig {
            per_second: rate.per_second.unwrap_or(100),
            burst: rate.burst.unwrap_or(200),
        };
        if rate.per_second == 0 || rate.burst == 0 {
            let message = "a rate of zero admits no requests".into();
            return Err(self.error("[serve.rate]", message, "use 1 or more, or leave it out"));
        }
        Ok(rate)
    }

    pub(super) fn named<'n>(
        &self,
        what: &str,
        name: &str,
        names: impl Iterator<Item = &'n String> + Clone,
    ) -> Result<(), ConfigError> {
        if names.clone().any(|known| known == name) {
            return Ok(());
        }
        let help = match policy::nearest(name, names.map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("add a table [{what}s.{name}]"),
        };
        let message = format!("there is no {what} `{name}`");
        Err(self.error(&format!("\"{name}\""), message, &help))
    }

    pub(super) fn oauth(
        &self,
        oauth: raw::Oauth,
        agents: &BTreeMap<String, AgentConfig>,
        users: &BTreeMap<String, UserConfig>,
    ) -> Result<OauthConfig, ConfigError> {
        for name in oauth.agents.values() {
            self.named("agent", name, agents.keys())?;
        }
        for name in oauth.users.values() {
            self.named("user", name, users.keys())?;
        }
        let resource = self.web(&oauth.resource)?;
        let jwks = if oauth.jwks.contains("://") {
            JwksSource::Url(self.web(&oauth.jwks)?)
        } else {
            JwksSource::File(self.base.join(&oauth.jwks))
        };
        let algorithms = match oauth.algorithms {
            Some(names) => names.into_iter().collect(),
            None => BTreeSet::from(["RS256", "ES256", "EdDSA"].map(str::to_owned)),
        };
        let unknown = algorithms
            .iter()
            .find(|name| !ALGORITHMS.contains(&name.as_str()));
        if let Some(name) = unknown {
            let message = format!("`{name}` is not an algorithm that this gate accepts");
            let help = format!("use some of {}", ALGORITHMS.join(", "));
            return Err(self.error(&format!("\"{name}\""), message, &help));
        }
        if algorithms.is_empty() {
            let message = "without an algorithm no token is accepted".into();
            return Err(self.error("algorithms", message, "name one, such as \"ES256\""));
        }
        let duration = |text: Option<String>, default: u64| match text {
            None => Ok(Duration::from_secs(default)),
            Some(text) => self.duration(&text),
        };
        Ok(OauthConfig {
            audience: oauth.audience.unwrap_or(oauth.resource),
            resource,
            issuer: oauth.issuer,
            jwks,
            algorithms,
            leeway: duration(oauth.leeway, 30)?,
            refresh: duration(oauth.refresh, 600)?,
            scopes: oauth.scopes.into_iter().collect(),
            claims: Claims {
                agent: oauth.claims.agent.unwrap_or_else(|| "client_id".into()),
                user: oauth.claims.user.unwrap_or_else(|| "sub".into()),
                tenant: oauth.claims.tenant,
            },
            agents: oauth.agents,
            users: oauth.users,
            user_clients: oauth.user_clients.into_iter().collect(),
        })
    }

    /// A URL with https; http only to this machine, where the connection cannot be intercepted.
    pub(super) fn web(&self, text: &str) -> Result<Url, ConfigError> {
        let problem = match Url::parse(text) {
            Err(error) => format!("`{text}` is not a URL: {error}"),
            Ok(url) if url.host_str().is_none() => format!("`{text}` names no host"),
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                "a URL with a password in it".into()
            }
            Ok(url) if url.scheme() == "https" || (url.scheme() == "http" && is_local(&url)) => {
                return Ok(url);
            }
            Ok(_) => format!("`{text}` is not encrypted"),
        };
        Err(self.error(text, problem, "use an https:// URL"))
    }
}

/// Whether a URL names this machine.
fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
