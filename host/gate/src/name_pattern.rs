//! Patterns that users give to choose by name.

/// A pattern of names.
#[derive(Debug, Clone)]
pub struct NamePattern(regex::Regex);

impl NamePattern {
    /// A regular expression, which matches anywhere in a name.
    ///
    /// # Errors
    /// Why it is not one.
    pub fn new(pattern: &str) -> Result<Self, String> {
        let built = regex::RegexBuilder::new(pattern)
            .size_limit(1 << 20)
            .build();
        built.map(Self).map_err(|e| e.to_string())
    }

    /// Whether the name has it.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}
