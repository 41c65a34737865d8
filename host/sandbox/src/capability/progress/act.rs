/// How far a call has come, in the component's own words: untrusted.
#[derive(Debug, Clone, PartialEq)]
pub struct ProgressReport {
    /// How much is done: finite, and not negative.
    pub progress: f64,
    /// How much there is, in the same unit, if it is known.
    pub total: Option<f64>,
    /// A few words.
    pub message: String,
}
