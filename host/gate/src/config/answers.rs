//! `[approvals.slack]` and `[approvals.links]`: ways for answers besides the API.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tollgate_policy::policy;
use url::Url;

use super::{
    ConfigError, SecretConfig, UserConfig, WebhookConfig, WebhookFormat, raw, validate::Validation,
};

/// The most users for whom links are issued: each approval has one for each of them.
const MAX_LINKS: usize = 32;
/// The shortest validity of a link.
const SHORTEST: Duration = Duration::from_secs(60);

/// Answers by buttons in Slack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlackConfig {
    /// The configured secret whose value is the app's signing secret.
    pub signing_secret: String,
    /// The app.
    pub app: String,
    /// The team (workspace).
    pub team: String,
    /// The organisation of the team, if it belongs to one: Slack may give it as the team of a person.
    pub enterprise: Option<String>,
    /// The channels in which people answer.
    pub channels: BTreeSet<String>,
    /// Users of the gate by their ids in Slack.
    pub users: BTreeMap<String, String>,
    /// Whether people who may answer can have the arguments shown in Slack.
    pub show_arguments: bool,
}

/// Links by which one user may answer one approval, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkConfig {
    /// Where people reach this gate.
    pub base_url: Url,
    /// Users for whom links are issued.
    pub users: BTreeSet<String>,
    /// How long a link is valid, at most as long as its approval; absent: as long.
    pub expires: Option<Duration>,
}

impl LinkConfig {
    /// The URL of a link with this text.
    #[must_use]
    pub fn url(&self, text: &str) -> String {
        let base = self.base_url.as_str().trim_end_matches('/');
        format!("{base}/v1/answer/{text}")
    }
}

impl Validation<'_> {
    pub(super) fn slack(
        &self,
        slack: &raw::Slack,
        webhook: Option<&WebhookConfig>,
        secrets: &BTreeMap<String, SecretConfig>,
        users: &BTreeMap<String, UserConfig>,
    ) -> Result<SlackConfig, ConfigError> {
        const TABLE: &str = "[approvals.slack]";
        if webhook.is_none_or(|webhook| webhook.format != WebhookFormat::Slack) {
            let message = "[approvals.slack] answers messages, and none is sent to Slack".into();
            let help = "add [approvals.webhook] with format = \"slack\" and the URL of the app's incoming webhook";
            return Err(self.error(TABLE, message, help));
        }
        self.secret_name(&slack.signing_secret, "the signing secret", secrets)?;
        self.slack_id("app", &slack.app, "A")?;
        self.slack_id("team", &slack.team, "T")?;
        if let Some(enterprise) = &slack.enterprise {
            self.slack_id("enterprise", enterprise, "E")?;
        }
        for channel in &slack.channels {
            self.slack_id("channel", channel, "CGD")?;
        }
        if slack.channels.is_empty() {
            let message = "no Slack channel is named in which people may answer".into();
            let help = "name the one of the incoming webhook: channels = [\"C0123456789\"]";
            return Err(self.error(TABLE, message, help));
        }
        if slack.users.is_empty() {
            let message = "no person in Slack is mapped to a user".into();
            let help =
                "add them to [approvals.slack.users], by their Slack ids: U0123456789 = \"dana\"";
            return Err(self.error(TABLE, message, help));
        }
        for (id, user) in &slack.users {
            self.slack_id("person", id, "UW")?;
            self.configured_user(user, users)?;
        }
        Ok(SlackConfig {
            signing_secret: slack.signing_secret.clone(),
            app: slack.app.clone(),
            team: slack.team.clone(),
            enterprise: slack.enterprise.clone(),
            channels: slack.channels.iter().cloned().collect(),
            users: slack.users.clone(),
            show_arguments: slack.show_arguments,
        })
    }

    pub(super) fn links(
        &self,
        links: &raw::Links,
        webhook: Option<&WebhookConfig>,
        slack: Option<&SlackConfig>,
        users: &BTreeMap<String, UserConfig>,
        serve: &raw::Serve,
    ) -> Result<LinkConfig, ConfigError> {
        const TABLE: &str = "[approvals.links]";
        let Some(webhook) = webhook else {
            let message = "[approvals.links] has no webhook that would send links".into();
            let help = "add [approvals.webhook], whose receiver forwards each link to its user";
            return Err(self.error(TABLE, message, help));
        };
        if !(1..=MAX_LINKS).contains(&links.users.len()) {
            let message = format!("links are issued for {} users", links.users.len());
            let help = format!("name 1 to {MAX_LINKS} of them: users = [\"dana\"]");
            return Err(self.error(TABLE, message, &help));
        }
        for user in &links.users {
            self.configured_user(user, users)?;
        }
        let users: BTreeSet<String> = links.users.iter().cloned().collect();
        // The people whom [approvals.slack] names read the channel as well.
        let readers = slack.into_iter().flat_map(|slack| slack.users.values());
        let readers: BTreeSet<&String> = readers.chain(&users).collect();
        if webhook.format == WebhookFormat::Slack && readers.len() > 1 {
            let message =
                "everyone who reads the Slack channel could answer as each user with a link".into();
            let help = "name one user, who alone reads the channel; or use format = \"json\" and a receiver that \
                        forwards each link; or let people answer by buttons, with [approvals.slack] alone";
            return Err(self.error(TABLE, message, help));
        }
        let expires = links.expires.as_deref();
        let expires = expires.map(|text| self.duration(text)).transpose()?;
        if let (Some(text), true) = (&links.expires, expires.is_some_and(|e| e < SHORTEST)) {
            let message = format!("links that expire after `{text}` are too short for people");
            return Err(self.error(text, message, "use at least \"1m\""));
        }
        Ok(LinkConfig {
            base_url: self.base_url(&links.base_url, serve)?,
            users,
            expires,
        })
    }

    /// The URL at which browsers reach this gate: a name that the server answers to.
    fn base_url(&self, text: &str, serve: &raw::Serve) -> Result<Url, ConfigError> {
        let url = self.web(text)?;
        if url.query().is_some() || url.fragment().is_some() {
            let message = format!("`{text}` has a query or a fragment");
            let help = "write only where the gate is reached, as in \"https://gate.example.com\"";
            return Err(self.error(text, message, help));
        }
        let host = url.host_str().unwrap_or_default();
        let bare = host.trim_matches(['[', ']']);
        let is_address = bare.parse::<std::net::IpAddr>().is_ok();
        let is_served = serve.hosts.iter().any(|own| own.eq_ignore_ascii_case(bare));
        if !is_served && !is_address && bare != "localhost" {
            let message = format!("this gate does not answer to the name `{host}`");
            let help = format!("add it to `hosts` under [serve]: hosts = [\"{host}\"]");
            return Err(self.error(text, message, &help));
        }
        Ok(url)
    }

    /// An id of Slack: a letter for its kind, and capital letters and digits.
    fn slack_id(&self, what: &str, id: &str, kinds: &str) -> Result<(), ConfigError> {
        let legal = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
        if (2..=32).contains(&id.len())
            && id.starts_with(|c| kinds.contains(c))
            && id.bytes().all(legal)
        {
            return Ok(());
        }
        let message = format!("`{}` is not the id of a Slack {what}", id.escape_debug());
        let first = kinds.get(..1).unwrap_or_default();
        let help = format!("write its id, not its name, as in \"{first}0123456789\"");
        Err(self.error(id, message, &help))
    }

    fn configured_user(
        &self,
        name: &str,
        users: &BTreeMap<String, UserConfig>,
    ) -> Result<(), ConfigError> {
        self.named("user", name, users.keys())
    }

    /// Checks that a secret is configured; `whose` says what it is for.
    pub(super) fn secret_name(
        &self,
        secret: &str,
        whose: &str,
        secrets: &BTreeMap<String, SecretConfig>,
    ) -> Result<(), ConfigError> {
        if secrets.contains_key(secret) {
            return Ok(());
        }
        let message = format!("{whose} `{secret}` is not configured");
        let help = match policy::nearest(secret, secrets.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("add [secrets.{secret}] with env, file or command"),
        };
        Err(self.error(&format!("\"{secret}\""), message, &help))
    }
}

#[cfg(test)]
mod tests;
