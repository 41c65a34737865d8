//! What an agent tells about its own run: the goal, what it looked at, why it did what it did, what came of
//! it. Untrusted, capped, and never part of a decision.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tollgate_model::{ids::SpanId, time::Timestamp};

/// Bytes of one thing that is told.
pub const MAX_TEXT: usize = 4096;
/// Bytes of a version, a name, or a kind of task.
pub const MAX_NAME: usize = 200;
/// Bytes beyond those that are kept in which secrets are looked for: one that begins before the cut is found
/// whole.
const LOOKED_BEYOND: usize = 16 << 10;
/// Things that one request tells at most.
pub const MAX_TOLD: usize = 32;

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// What the user asked for.
    Request,
    /// Something that was selected as context.
    Context,
    /// The state at the beginning.
    StartState,
    /// The state at the end.
    EndState,
    /// What was answered in the end.
    Result,
    /// Why something was done, in short.
    Summary,
    /// What a call changed in the agent's state.
    StateDelta,
    /// What kind of task it is.
    TaskType,
    /// The agent's version.
    AgentVersion,
    /// The workflow's version.
    WorkflowVersion,
    /// The prompt's version.
    PromptVersion,
    /// The model.
    Model,
    /// The environment that the agent runs in.
    Environment,
    /// The agent to which the work goes on.
    HandoffTo,
    /// The agent from which the work came.
    HandoffFrom,
}

impl Topic {
    /// Every topic.
    pub const ALL: &[Self] = &[
        Self::Request,
        Self::Context,
        Self::StartState,
        Self::EndState,
        Self::Result,
        Self::Summary,
        Self::StateDelta,
        Self::TaskType,
        Self::AgentVersion,
        Self::WorkflowVersion,
        Self::PromptVersion,
        Self::Model,
        Self::Environment,
        Self::HandoffTo,
        Self::HandoffFrom,
    ];

    /// As columns and JSON spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Context => "context",
            Self::StartState => "start_state",
            Self::EndState => "end_state",
            Self::Result => "result",
            Self::Summary => "summary",
            Self::StateDelta => "state_delta",
            Self::TaskType => "task_type",
            Self::AgentVersion => "agent_version",
            Self::WorkflowVersion => "workflow_version",
            Self::PromptVersion => "prompt_version",
            Self::Model => "model",
            Self::Environment => "environment",
            Self::HandoffTo => "handoff_to",
            Self::HandoffFrom => "handoff_from",
        }
    }

    /// The topic that a column spells.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|t| t.as_str() == name)
    }

    /// Whether it is a name or a version, and no text of a person or a model.
    #[must_use]
    pub fn is_name(self) -> bool {
        matches!(
            self,
            Self::TaskType
                | Self::AgentVersion
                | Self::WorkflowVersion
                | Self::PromptVersion
                | Self::Model
                | Self::Environment
                | Self::HandoffTo
                | Self::HandoffFrom
        )
    }

    /// Bytes of it that are kept.
    #[must_use]
    pub fn most(self) -> usize {
        if self.is_name() { MAX_NAME } else { MAX_TEXT }
    }
}

/// One thing that was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// What.
    pub topic: Topic,
    /// In what words; as JSON where it is no text.
    pub text: String,
    /// The call that it is about; absent where it is about the run.
    pub call: Option<SpanId>,
    /// When it was told.
    pub at: Timestamp,
}

impl Told {
    /// The text as it is kept, once it has no secrets any more: what is too long is cut.
    #[must_use]
    pub fn cut(&self) -> String {
        tollgate::text::printable(&self.text, self.topic.most())
    }
}

/// What is wrong with what was told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToldError {
    /// It is no object.
    #[error("what is told about a run is a JSON object, such as {{\"request\":\"…\"}}")]
    NoObject,
    /// A key that has no meaning.
    #[error("`/{key}` is nothing that can be told about a run{}", .nearest.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    Unknown {
        /// The key.
        key: String,
        /// The nearest that has.
        nearest: Option<String>,
    },
    /// A name or version that is no text.
    #[error("`/{key}` must be text")]
    NoText {
        /// The key.
        key: String,
    },
    /// More than is kept.
    #[error("more than {MAX_TOLD} things are told at once; tell the rest in further requests")]
    TooMuch,
}

/// What an object tells: each key is a topic; lists tell several things. Text that is too long is cut where
/// it is kept ([`Told::cut`]), since the rest is still worth having.
///
/// # Errors
/// [`ToldError`]
pub fn read(value: &Value, call: Option<SpanId>, at: Timestamp) -> Result<Vec<Told>, ToldError> {
    let object = value.as_object().ok_or(ToldError::NoObject)?;
    let mut told = Vec::new();
    for (key, value) in object {
        let topic = Topic::from_name(key).ok_or_else(|| {
            let names = Topic::ALL.iter().map(|topic| topic.as_str());
            ToldError::Unknown {
                key: tollgate::text::printable(key, 80),
                nearest: tollgate_policy::policy::nearest(key, names).map(str::to_owned),
            }
        })?;
        let each = match value {
            Value::Null => continue,
            Value::Array(all) if topic == Topic::Context => all.as_slice(),
            one => std::slice::from_ref(one),
        };
        for value in each {
            if told.len() >= MAX_TOLD {
                return Err(ToldError::TooMuch);
            }
            told.push(one(topic, value, call, at)?);
        }
    }
    Ok(told)
}

/// One thing that is told.
///
/// # Errors
/// [`ToldError::NoText`]
pub fn one(
    topic: Topic,
    value: &Value,
    call: Option<SpanId>,
    at: Timestamp,
) -> Result<Told, ToldError> {
    let text = match value {
        Value::String(text) => text.clone(),
        _ if topic.is_name() => {
            return Err(ToldError::NoText {
                key: topic.as_str().into(),
            });
        }
        other => other.to_string(),
    };
    Ok(Told {
        topic,
        text: tollgate::text::printable(&text, topic.most() + LOOKED_BEYOND),
        call,
        at,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AT: Timestamp = Timestamp(1);

    #[test]
    fn what_is_told_is_read_cut_and_cleaned() {
        let told = read(
            &json!({
                "request": "refund\u{202e} me",
                "context": ["a", {"doc": 7}],
                "end_state": {"open": 0},
                "model": "m-1",
                "result": null,
                "summary": "x".repeat(10_000),
            }),
            None,
            AT,
        )
        .unwrap();
        let texts: Vec<_> = told.iter().map(|t| (t.topic, t.text.as_str())).collect();
        assert!(texts.contains(&(Topic::Request, "refund\\u{202e} me")));
        assert!(texts.contains(&(Topic::Context, "a")));
        assert!(texts.contains(&(Topic::Context, "{\"doc\":7}")));
        assert!(texts.contains(&(Topic::EndState, "{\"open\":0}")));
        assert_eq!(texts.len(), 6, "null tells nothing");
        assert!(told.iter().all(|t| t.cut().len() <= MAX_TEXT));
    }

    #[test]
    fn what_has_no_meaning_is_named() {
        let error = |value| read(&value, None, AT).unwrap_err();
        assert_eq!(error(json!([])), ToldError::NoObject);
        assert_eq!(
            error(json!({"reqest": "x"})).to_string(),
            "`/reqest` is nothing that can be told about a run; did you mean `request`?"
        );
        assert_eq!(
            error(json!({"model": 7})),
            ToldError::NoText {
                key: "model".into()
            }
        );
        let many: Vec<_> = (0..=MAX_TOLD).collect();
        assert_eq!(error(json!({"context": many})), ToldError::TooMuch);
    }

    #[test]
    fn every_topic_is_named_once() {
        for topic in Topic::ALL {
            assert_eq!(Topic::from_name(topic.as_str()), Some(*topic));
            assert_eq!(serde_json::to_value(topic).unwrap(), topic.as_str());
        }
    }
}
