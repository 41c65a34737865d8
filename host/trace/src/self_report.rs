//! Self-reports of an agent about its run, such as the goal, the context and the reason of a call. They are not
//! trusted, limited in size, and never part of a decision.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tollgate_model::{ids::SpanId, time::Timestamp};

/// The longest self-report, in bytes.
pub const MAX_TEXT: usize = 4096;
/// The longest version, name or kind of task, in bytes.
pub const MAX_NAME: usize = 200;
/// Bytes beyond a cut that are searched for secrets as well, so that a secret across the cut is found.
const LOOKED_BEYOND: usize = 16 << 10;
/// The most self-reports in one request.
pub const MAX_REPORTS: usize = 32;

/// The topic of a self-report.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantNames,
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum SelfReportTopic {
    /// The request of the user.
    Request,
    /// A selected context.
    Context,
    /// The state at the beginning.
    StartState,
    /// The state at the end.
    EndState,
    /// The final answer.
    Result,
    /// The reason of a call, in a few words.
    Summary,
    /// The change of the agent's state by a call.
    StateDelta,
    /// The kind of task.
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
    /// The agent that takes over the work.
    HandoffTo,
    /// The agent from which the work came.
    HandoffFrom,
}

tollgate_model::named!(SelfReportTopic);

impl SelfReportTopic {
    /// Every topic.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Whether it is a name or a version, not free text.
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

    /// The most bytes that are stored.
    #[must_use]
    pub fn most(self) -> usize {
        if self.is_name() { MAX_NAME } else { MAX_TEXT }
    }
}

/// One self-report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfReport {
    /// The topic.
    pub topic: SelfReportTopic,
    /// The text; JSON if the agent sent another type.
    pub text: String,
    /// The call that it is about; absent for the run as a whole.
    pub call: Option<SpanId>,
    /// When it arrived.
    pub at: Timestamp,
}

impl SelfReport {
    /// The text without secrets, cut to the length that is stored.
    #[must_use]
    pub fn cut(&self) -> String {
        tollgate_model::text::printable(&self.text, self.topic.most())
    }
}

/// Why a self-report is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelfReportError {
    /// The report is not an object.
    #[error("self-reports are a JSON object, such as {{\"request\":\"…\"}}")]
    NoObject,
    /// An unknown key.
    #[error("`/{key}` is not a topic of self-reports{}", .nearest.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    Unknown {
        /// The key.
        key: String,
        /// The nearest topic.
        nearest: Option<String>,
    },
    /// A name or version is not a text.
    #[error("`/{key}` must be text")]
    NoText {
        /// The key.
        key: String,
    },
    /// Too many self-reports.
    #[error("a request has at most {MAX_REPORTS} self-reports; send the rest in further requests")]
    TooMuch,
}

/// The self-reports of an object: each key is a topic, and a list has several self-reports. Long texts are cut when
/// they are stored ([`SelfReport::cut`]).
///
/// # Errors
/// [`SelfReportError`]
pub fn read(
    value: &Value,
    call: Option<SpanId>,
    at: Timestamp,
) -> Result<Vec<SelfReport>, SelfReportError> {
    let object = value.as_object().ok_or(SelfReportError::NoObject)?;
    let mut reports = Vec::new();
    for (key, value) in object {
        let topic = SelfReportTopic::from_name(key).ok_or_else(|| {
            let names = SelfReportTopic::ALL.iter().map(|topic| topic.as_str());
            SelfReportError::Unknown {
                key: tollgate_model::text::printable(key, 80),
                nearest: tollgate_model::text::nearest(key, names).map(str::to_owned),
            }
        })?;
        let each = match value {
            Value::Null => continue,
            Value::Array(all) if topic == SelfReportTopic::Context => all.as_slice(),
            one => std::slice::from_ref(one),
        };
        for value in each {
            if reports.len() >= MAX_REPORTS {
                return Err(SelfReportError::TooMuch);
            }
            reports.push(one(topic, value, call, at)?);
        }
    }
    Ok(reports)
}

/// One self-report of this topic.
///
/// # Errors
/// [`SelfReportError::NoText`]
pub fn one(
    topic: SelfReportTopic,
    value: &Value,
    call: Option<SpanId>,
    at: Timestamp,
) -> Result<SelfReport, SelfReportError> {
    let text = match value {
        Value::String(text) => text.clone(),
        _ if topic.is_name() => {
            return Err(SelfReportError::NoText {
                key: topic.as_str().into(),
            });
        }
        other => other.to_string(),
    };
    Ok(SelfReport {
        topic,
        text: tollgate_model::text::printable(&text, topic.most() + LOOKED_BEYOND),
        call,
        at,
    })
}

#[cfg(test)]
mod tests;
