//! What agents may have of an upstream server besides its tools.

use std::{collections::BTreeSet, mem};

use tollgate_model::uri::{self, CanonicalUri};

use super::{ConfigError, raw, validate::Validation};

/// What agents may have of an upstream server besides its tools. Nothing by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CarriedFeatures {
    /// Whether what the server asks during a call is put to a person.
    pub elicitation: bool,
    /// Whether the server's instructions are passed on.
    pub instructions: bool,
    /// Its prompts, by its own names.
    pub prompts: Selection,
    /// Its resources, by patterns of canonical URIs in which `*` stands for any text.
    pub resources: Selection,
}

/// All of something, none of it, or what is named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Selection {
    /// None.
    #[default]
    None,
    /// Those that are named.
    Named(BTreeSet<String>),
    /// All.
    All,
}

impl Selection {
    /// Whether there can be any.
    #[must_use]
    pub fn is_any(&self) -> bool {
        *self != Self::None
    }

    /// Whether the one with this name is among them.
    #[must_use]
    pub fn takes(&self, name: &str) -> bool {
        match self {
            Self::None => false,
            Self::Named(names) => names.contains(name),
            Self::All => true,
        }
    }

    /// Whether a pattern among them matches this canonical URI.
    #[must_use]
    pub fn takes_uri(&self, uri: &str) -> bool {
        match self {
            Self::None => false,
            Self::Named(patterns) => patterns.iter().any(|pattern| uri::matches(pattern, uri)),
            Self::All => true,
        }
    }
}

impl From<raw::Selection> for Selection {
    fn from(selection: raw::Selection) -> Self {
        match selection {
            raw::Selection::Whole(false) => Self::None,
            raw::Selection::Whole(true) => Self::All,
            raw::Selection::Named(names) => Self::Named(names.into_iter().collect()),
        }
    }
}

impl Validation<'_> {
    pub(super) fn carried(
        &self,
        upstream: &mut raw::Upstream,
    ) -> Result<CarriedFeatures, ConfigError> {
        let resources = Selection::from(mem::take(&mut upstream.resources));
        if let Selection::Named(patterns) = &resources {
            patterns
                .iter()
                .try_for_each(|pattern| self.uri_pattern(pattern))?;
        }
        Ok(CarriedFeatures {
            elicitation: upstream.elicitation,
            instructions: upstream.instructions,
            prompts: mem::take(&mut upstream.prompts).into(),
            resources,
        })
    }

    /// Requires that a pattern is written as the URIs are that it is compared with.
    fn uri_pattern(&self, pattern: &str) -> Result<(), ConfigError> {
        let shown = pattern.escape_debug();
        let problem = match CanonicalUri::parse(pattern) {
            Ok(uri) if uri.as_str() == pattern => return Ok(()),
            Ok(uri) => {
                let message = format!("`{shown}` matches no URI in canonical form");
                return Err(self.error(pattern, message, &format!("write \"{}\"", uri.as_str())));
            }
            Err(problem) => problem,
        };
        let help =
            "write the scheme, as in resources = [\"file:///srv/*\"], or resources = true for all";
        Err(self.error(
            pattern,
            format!("`{shown}` is not a pattern of URIs: {problem}"),
            help,
        ))
    }
}

#[cfg(test)]
mod tests;
