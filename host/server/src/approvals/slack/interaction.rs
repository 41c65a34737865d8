//! What Slack sends when a person presses a button: a `block_actions` payload
//! (<https://docs.slack.dev/reference/interaction-payloads/block_actions-payload>).

use serde::Deserialize;
use tollgate::config::SlackConfig;
use tollgate_model::record::AnswerRefusal;
use url::Url;

use super::super::form;
use crate::depth;

/// A person pressed a button. Slack vouches for it; the value of the button is checked elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Interaction {
    /// The value of the button.
    pub(in super::super) value: String,
    /// Where an answer in Slack may be sent.
    pub(super) response_url: Option<Url>,
    person: String,
    person_team: Option<String>,
    team: Option<String>,
    app: String,
    channel: Option<String>,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "type")]
    kind: String,
    user: Person,
    team: Option<Reference>,
    api_app_id: String,
    channel: Option<Reference>,
    response_url: Option<String>,
    actions: Vec<ButtonPress>,
}

#[derive(Deserialize)]
struct Person {
    id: String,
    team_id: Option<String>,
}

#[derive(Deserialize)]
struct Reference {
    id: String,
}

#[derive(Deserialize)]
struct ButtonPress {
    value: Option<String>,
}

impl Interaction {
    /// The interaction in the body of a request.
    ///
    /// # Errors
    /// [`AnswerRefusal::Malformed`] for everything but one pressed button.
    pub(in super::super) fn parse(body: &[u8]) -> Result<Self, AnswerRefusal> {
        Self::parsed(body).ok_or(AnswerRefusal::Malformed)
    }

    fn parsed(body: &[u8]) -> Option<Self> {
        let payload = form::fields(body)?.remove("payload")?;
        if depth::too_deep(payload.as_bytes()) {
            return None;
        }
        let payload: Payload = serde_json::from_str(&payload).ok()?;
        let [pressed] = <[ButtonPress; 1]>::try_from(payload.actions).ok()?;
        if payload.kind != "block_actions" {
            return None;
        }
        let response_url = payload.response_url.map(|url| Url::parse(&url));
        Some(Self {
            value: pressed.value?,
            response_url: response_url.transpose().ok()?,
            person: payload.user.id,
            person_team: payload.user.team_id,
            team: payload.team.map(|team| team.id),
            app: payload.api_app_id,
            channel: payload.channel.map(|channel| channel.id),
        })
    }

    /// The user of the gate who pressed the button.
    ///
    /// # Errors
    /// [`AnswerRefusal`] if it was not pressed in a configured place, by a person who is mapped.
    pub(in super::super) fn user<'c>(
        &self,
        config: &'c SlackConfig,
    ) -> Result<&'c str, AnswerRefusal> {
        let is_team = |id: &str| id == config.team || Some(id) == config.enterprise.as_deref();
        // In shared channels people of other teams press buttons, too.
        let is_of_team = self.person_team.as_deref().is_none_or(is_team);
        if self.team.as_deref() != Some(&config.team) || !is_of_team {
            return Err(AnswerRefusal::OtherTeam);
        }
        if self.app != config.app {
            return Err(AnswerRefusal::OtherApp);
        }
        let channel = self.channel.as_ref();
        if !channel.is_some_and(|channel| config.channels.contains(channel)) {
            return Err(AnswerRefusal::OtherChannel);
        }
        let user = config.users.get(&self.person);
        user.map(String::as_str).ok_or(AnswerRefusal::UnknownPerson)
    }
}

#[cfg(test)]
mod tests;
