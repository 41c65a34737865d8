//! Feedback about runs: the kinds, and the values that each kind needs.

use serde::{Deserialize, Serialize};
use tollgate_model::ids::{RunId, SpanId};

use crate::store::NewFeedback;

/// A kind of feedback.
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
pub enum FeedbackKind {
    /// What should have been done or answered instead.
    Correction,
    /// The outcome for the business, in a word: `resolved`, `reopened`, `refunded`.
    BusinessOutcome,
    /// The share of the result that a reviewer changed, from 0 to 1.
    EditDistance,
    /// The share of citations that support the answer, from 0 to 1.
    CitationCorrectness,
    /// The answer had no evidence.
    NoEvidenceAnswer,
    /// Another tool should have been called.
    WrongTool,
}

tollgate_model::named!(FeedbackKind);

/// Feedback that does not fit its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeedbackError {
    /// A required text is missing.
    #[error("{} needs {}", .0.as_str(), .1)]
    Missing(FeedbackKind, &'static str),
    /// The number is out of its range.
    #[error("`value` of {} is a number from 0 to 1", .0.as_str())]
    Range(FeedbackKind),
}

/// Feedback as a user enters it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedbackInput {
    /// The kind.
    pub kind: FeedbackKind,
    /// The span that it is about; absent for the run as a whole.
    #[serde(default)]
    pub span: Option<SpanId>,
    /// A number, if the kind has one.
    #[serde(default)]
    pub value: Option<f64>,
    /// A word, if the kind has one.
    #[serde(default)]
    pub label: Option<String>,
    /// A comment.
    #[serde(default)]
    pub comment: Option<String>,
}

impl FeedbackKind {
    /// Every kind.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;
}

impl FeedbackInput {
    /// The feedback of `by` on `run`, if it has the values that its kind needs. Texts are made printable.
    ///
    /// # Errors
    /// [`FeedbackError`]
    pub fn of(self, run: RunId, by: String) -> Result<NewFeedback, FeedbackError> {
        use FeedbackKind as K;
        let said =
            |text: &Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
        match self.kind {
            K::Correction if !said(&self.comment) => {
                return Err(FeedbackError::Missing(
                    self.kind,
                    "`comment`: what is right",
                ));
            }
            K::BusinessOutcome if !said(&self.label) => {
                return Err(FeedbackError::Missing(self.kind, "`label`: the outcome"));
            }
            K::EditDistance | K::CitationCorrectness => match self.value {
                None => {
                    return Err(FeedbackError::Missing(self.kind, "`value`: from 0 to 1"));
                }
                Some(value) if !(0.0..=1.0).contains(&value) => {
                    return Err(FeedbackError::Range(self.kind));
                }
                Some(_) => {}
            },
            _ => {}
        }
        let clean =
            |text: Option<String>, max| text.map(|t| tollgate_model::text::printable(&t, max));
        Ok(NewFeedback {
            run,
            span: self.span,
            kind: self.kind.as_str().into(),
            value: self.value,
            label: clean(self.label, 64),
            comment: clean(self.comment, 4096),
            by,
        })
    }
}

#[cfg(test)]
mod tests;
