/// How far a call has come, in the component's own words: untrusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgressReport {
    /// How much is done.
    pub progress: u64,
    /// How much there is, in the same unit, if it is known.
    pub total: Option<u64>,
    /// A few words.
    pub message: String,
}
