//! Why secrets cannot be found.

/// Why the detectors cannot be used. Without them, nothing is captured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DetectError {
    /// The built-in ones cannot be read.
    #[error("the built-in secret detectors cannot be read: {0}")]
    BuiltIn(String),
    /// A pattern of the configuration is not a regular expression.
    #[error("the pattern `{id}` is not a regular expression: {reason}")]
    Pattern {
        /// Its name.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of rules cannot be read.
    #[error("the secret rules in {file} cannot be read: {reason}; see `rules` under [capture]")]
    File {
        /// The file.
        file: String,
        /// Why not.
        reason: String,
    },
    /// A rule, or the file as a whole, is not what this gate can use.
    #[error("{file}:{line}: {rule}{reason}")]
    Rule {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// Names the rule and ends with a colon; empty if it is not one rule.
        rule: String,
        /// What is wrong, and what to do.
        reason: String,
    },
}
