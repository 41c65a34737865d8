/// A progress report in the component's own words: untrusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgressReport {
    /// How much is done.
    pub progress: u64,
    /// The total in the same unit, if known.
    pub total: Option<u64>,
    /// A short message.
    pub message: String,
}
