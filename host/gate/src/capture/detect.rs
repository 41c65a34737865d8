//! Finds secrets by what they look like, and fields by their names.
//!
//! What is a secret is data: `detectors.toml`, and what the configuration adds. A detector removes; it never says
//! what it removed.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use aho_corasick::AhoCorasick;
use regex::Regex;
use serde::Deserialize;

use super::{
    DetectError, account_numbers,
    gitleaks::{self, Rule},
};

/// The rules that every gate has.
const BUILT_IN: &str = include_str!("detectors.toml");
/// The names that every gate knows.
const NAMES: &str = include_str!("names.toml");
/// The longest file of rules, in bytes.
const MAX_FILE: u64 = 4 << 20;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Names {
    names: Vec<String>,
    exact: Vec<String>,
    content: Vec<String>,
}

/// Finds secrets.
#[derive(Debug)]
pub struct Detectors {
    /// Keywords of rules, in any case: most text has none of them.
    keywords: AhoCorasick,
    /// The rule of each keyword, by its place in `rules`.
    keyword_rules: Vec<usize>,
    /// The rules without keywords, by their places.
    unconditional: Vec<usize>,
    rules: Vec<Rule>,
    names: Names,
}

impl Detectors {
    /// The configuration's patterns, by id, then the rules of these files, then the built-in ones. Of two that find
    /// a secret at the same place, the earlier one names it.
    ///
    /// # Errors
    /// [`DetectError`].
    pub fn new(
        patterns: &BTreeMap<String, String>,
        files: &[PathBuf],
    ) -> Result<Self, DetectError> {
        let mut rules = Vec::new();
        for (id, pattern) in patterns {
            let regex = Regex::new(pattern).map_err(|e| DetectError::Pattern {
                id: id.clone(),
                reason: e.to_string(),
            })?;
            rules.push(Rule::from_regex(id, regex));
        }
        for file in files {
            let shown = file.display().to_string();
            let text = read(file).map_err(|e| DetectError::File {
                file: shown.clone(),
                reason: e.to_string(),
            })?;
            rules.extend(gitleaks::parse(&shown, &text)?);
        }
        rules.extend(gitleaks::parse("detectors.toml", BUILT_IN)?);
        Self::of(rules)
    }

    pub(super) fn of(rules: Vec<Rule>) -> Result<Self, DetectError> {
        let mut unconditional = Vec::new();
        let mut keywords = Vec::new();
        for (place, rule) in rules.iter().enumerate() {
            if rule.keywords.is_empty() {
                unconditional.push(place);
            }
            keywords.extend(rule.keywords.iter().map(|word| (place, word)));
        }
        let (keyword_rules, words): (Vec<usize>, Vec<&String>) = keywords.into_iter().unzip();
        let keywords = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(words)
            .map_err(|e| DetectError::BuiltIn(e.to_string()))?;
        let names = toml::from_str(NAMES);
        let names = names.map_err(|e: toml::de::Error| DetectError::BuiltIn(e.message().into()))?;
        Ok(Self {
            keywords,
            keyword_rules,
            unconditional,
            rules,
            names,
        })
    }

    /// Whether an expression of the configuration is valid.
    ///
    /// # Errors
    /// The problem.
    pub fn check(regex: &str) -> Result<(), String> {
        match Regex::new(regex) {
            Ok(regex) if regex.is_match("") => Err("it matches everything".into()),
            Ok(_) => Ok(()),
            Err(e) => Err(e.to_string()),
        }
    }

    /// Whether `text` contains a secret.
    #[must_use]
    pub fn finds(&self, text: &str) -> bool {
        self.candidates(text).any(|rule| rule.finds(text))
            || !account_numbers::find(text).is_empty()
    }

    /// The rules that may find something.
    fn candidates(&self, text: &str) -> impl Iterator<Item = &Rule> {
        let mut places: BTreeSet<usize> = self.unconditional.iter().copied().collect();
        let found = self.keywords.find_overlapping_iter(text);
        places.extend(found.filter_map(|word| {
            let place = self.keyword_rules.get(word.pattern().as_usize());
            place.copied()
        }));
        places.into_iter().filter_map(|place| self.rules.get(place))
    }

    /// `text` without its secrets.
    #[must_use]
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut found: Vec<(usize, usize, &str)> = Vec::new();
        for rule in self.candidates(text) {
            let secrets = rule.secrets(text);
            found.extend(secrets.map(|s| (s.start(), s.end(), rule.id.as_str())));
        }
        let numbers = account_numbers::find(text).into_iter();
        found.extend(numbers.map(|n| (n.place.start, n.place.end, n.kind)));
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        // The order of rules among those that begin at the same place.
        found.sort_by_key(|(begin, _, _)| *begin);
        let mut out = String::with_capacity(text.len());
        let mut kept = 0;
        for (begin, end, id) in found {
            if begin >= kept {
                out.push_str(text.get(kept..begin).unwrap_or_default());
                out.push_str(&removed(id));
            }
            kept = kept.max(end);
        }
        out.push_str(text.get(kept..).unwrap_or_default());
        Cow::Owned(out)
    }

    /// Whether values under this name are secrets, regardless of their form.
    #[must_use]
    pub fn is_secret_name(&self, name: &str) -> bool {
        let last = name.rsplit('.').next().unwrap_or(name);
        let plain: String = last
            .chars()
            .filter(|c| !matches!(c, '-' | '_' | ' '))
            .map(|c| c.to_ascii_lowercase())
            .collect();
        self.names.exact.contains(&plain)
            || self.names.names.iter().any(|n| plain.ends_with(n.as_str()))
    }

    /// Whether an attribute of this name carries inputs or outputs of models and tools.
    #[must_use]
    pub fn is_content(&self, name: &str) -> bool {
        self.names
            .content
            .iter()
            .any(|pattern| matches(pattern, name))
    }
}

fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?
        .take(MAX_FILE + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        return Err(io::Error::other("it has more than 4 MiB"));
    }
    Ok(text)
}

/// The placeholder for a secret.
pub(super) fn removed(what: &str) -> String {
    format!("[redacted: {what}]")
}

/// Whether `name` matches `pattern`; `*` matches any text.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(name) = name.strip_prefix(begin) else {
        return false;
    };
    rest.is_empty()
        || (0..=name.len())
            .filter_map(|at| name.get(at..))
            .any(|name| matches(rest, name))
}

#[cfg(test)]
mod tests;
