//! `tollgate runs feedback`: rates a run afterwards.

use clap::{Args, ValueEnum};
use tollgate_model::ids::SpanId;
use tollgate_trace::feedback::{FeedbackInput, FeedbackKind};

use crate::{
    client::{ApiRequest, value},
    commands::runs::{annotate, run_id},
    context::Context,
    error::Failure,
    exit_code::Exit,
};

const FEEDBACK: &str = "\
Examples:
  $ tollgate runs feedback monday correction --comment 'the order was 1043'
  $ tollgate runs feedback monday edit-distance --value 0.2
  $ tollgate runs feedback monday wrong-tool --label crm__read --span 0fb1c2d3e4f50617

A correction needs --comment, a business-outcome --label (resolved, reopened, ..), an edit-distance or
citation-correctness --value from 0 to 1.

With --json: {id, time, run, span, kind, value, label, comment, by}.";
/// Feedback on a run.
#[derive(Debug, Args)]
#[command(after_help = FEEDBACK)]
pub(crate) struct Feedback {
    /// Its id, the beginning of it, or its key.
    run: String,
    /// The kind of feedback.
    #[arg(value_enum)]
    kind: Kind,
    /// A number from 0 to 1.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    value: Option<f64>,
    /// A word.
    #[arg(long, value_name = "WORD")]
    label: Option<String>,
    /// A comment.
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// The span that the feedback is about; default: the run as a whole.
    #[arg(long, value_name = "ID")]
    span: Option<SpanId>,
}

/// A kind of feedback.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// What would have been right.
    Correction,
    /// The outcome for the business.
    BusinessOutcome,
    /// The share of the result that a reviewer changed.
    EditDistance,
    /// The share of citations that support the answer.
    CitationCorrectness,
    /// The answer had no evidence.
    NoEvidenceAnswer,
    /// Another tool should have been called.
    WrongTool,
}

impl From<Kind> for FeedbackKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Correction => Self::Correction,
            Kind::BusinessOutcome => Self::BusinessOutcome,
            Kind::EditDistance => Self::EditDistance,
            Kind::CitationCorrectness => Self::CitationCorrectness,
            Kind::NoEvidenceAnswer => Self::NoEvidenceAnswer,
            Kind::WrongTool => Self::WrongTool,
        }
    }
}

/// Run `tollgate runs feedback`.
pub(super) async fn run(args: Feedback, cx: &Context<'_>) -> Result<Exit, Failure> {
    let run = run_id(&args.run, cx)?;
    let given = FeedbackInput {
        kind: args.kind.into(),
        span: args.span,
        value: args.value,
        label: args.label,
        comment: args.comment,
    };
    let request = ApiRequest::post(format!("/v1/runs/{run}/feedback"), value(&given));
    annotate(request, "kept", cx).await
}
