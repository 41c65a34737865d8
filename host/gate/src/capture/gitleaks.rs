//! Rules about what secrets look like, in the format of gitleaks' configuration files.
//!
//! Whether a text is a secret does not depend on where it is written: paths and commits, by which gitleaks chooses
//! what it looks at, are left out, and never make a rule find less.

use std::{collections::BTreeMap, ops::Range};

use aho_corasick::AhoCorasick;
use regex::{Match, Regex};
use serde::Deserialize;
use toml::Spanned;

use super::{DetectError, go_regex::translate};

/// The longest id of a rule; it stands where a secret was.
const MAX_ID: usize = 64;

/// A rule.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: String,
    /// Words, in any case, of which one occurs in every text that the rule looks at; none: it looks at all.
    pub(super) keywords: Vec<String>,
    regex: Regex,
    /// The group that is the secret. Absent: the first group that matched, or the whole match.
    group: Option<usize>,
    /// Bits per character that a secret has more than.
    entropy: Option<f64>,
    allowlists: Vec<Allowlist>,
}

impl Rule {
    /// A rule that is only a regular expression in this engine's syntax. Its secret is the whole match, or the
    /// group `secret`.
    pub(super) fn from_regex(id: &str, regex: Regex) -> Self {
        let group = regex.capture_names().position(|n| n == Some("secret"));
        Self {
            id: id.to_owned(),
            keywords: Vec::new(),
            regex,
            group: Some(group.unwrap_or(0)),
            entropy: None,
            allowlists: Vec::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn expression(&self) -> &str {
        self.regex.as_str()
    }

    /// Whether there is a secret in `text`.
    pub(super) fn finds(&self, text: &str) -> bool {
        if self.entropy.is_none() && self.allowlists.is_empty() {
            return self.regex.is_match(text);
        }
        self.secrets(text).next().is_some()
    }

    /// The secrets in `text`.
    pub(super) fn secrets<'t>(&self, text: &'t str) -> impl Iterator<Item = Match<'t>> {
        let mut lines = LineVerdicts::default();
        self.regex.captures_iter(text).filter_map(move |captures| {
            let whole = captures.get(0)?;
            let mut groups = match self.group {
                Some(group) => captures.get(group).into_iter().collect(),
                None => captures.iter().skip(1).flatten().collect::<Vec<_>>(),
            }
            .into_iter();
            let secret = groups.find(|group| !group.is_empty()).unwrap_or(whole);
            let random = self.entropy.is_none_or(|least| {
                let entropy = entropy(secret.as_str());
                entropy > least
            });
            let mut allowed = || {
                let mut lists = self.allowlists.iter().enumerate();
                lists.any(|(place, list)| match list.target {
                    Target::Secret => list.allows(secret.as_str(), secret.as_str()),
                    Target::Match => list.allows(secret.as_str(), whole.as_str()),
                    Target::Line => {
                        let by_regex = lines.matches(place, list, whole, text);
                        list.allows_if(by_regex, secret.as_str())
                    }
                })
            };
            (random && !allowed()).then_some(secret)
        })
    }
}

/// What is not a secret although a rule finds it.
#[derive(Debug, Clone)]
struct Allowlist {
    /// Whether both its expressions and its stop words must say so.
    all: bool,
    target: Target,
    regexes: Vec<Regex>,
    stopwords: Option<AhoCorasick>,
}

/// What the expressions of an allowlist are compared with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Target {
    #[default]
    Secret,
    Match,
    Line,
}

impl Allowlist {
    fn allows(&self, secret: &str, target: &str) -> bool {
        self.allows_if(self.matches(target), secret)
    }

    fn matches(&self, target: &str) -> bool {
        self.regexes.iter().any(|regex| regex.is_match(target))
    }

    /// Whether it allows the secret, given whether one of its expressions matches.
    fn allows_if(&self, by_regex: bool, secret: &str) -> bool {
        let by_word = || self.stopwords.as_ref().is_some_and(|w| w.is_match(secret));
        if self.all {
            (self.regexes.is_empty() || by_regex) && (self.stopwords.is_none() || by_word())
        } else {
            by_regex || by_word()
        }
    }
}

/// What allowlists say of the line that was looked at last, so that many matches in one line cost no more than one.
#[derive(Default)]
struct LineVerdicts {
    line: Range<usize>,
    /// By the allowlist's place.
    matches: BTreeMap<usize, bool>,
}

impl LineVerdicts {
    /// Whether an expression of `list`, which is at this place, matches the lines that `part` of `text` is in.
    fn matches(&mut self, place: usize, list: &Allowlist, part: Match<'_>, text: &str) -> bool {
        if self.line.is_empty() || part.start() < self.line.start || part.end() > self.line.end {
            *self = Self {
                line: lines_of(part, text),
                matches: BTreeMap::new(),
            };
        }
        let line = text.get(self.line.clone()).unwrap_or_default();
        // Several lines are those of this match alone: a later one in the last of them has fewer.
        if part.as_str().contains('\n') {
            self.line = 0..0;
            return list.matches(line);
        }
        *self
            .matches
            .entry(place)
            .or_insert_with(|| list.matches(line))
    }
}

/// The lines that `part` of `text` is in.
fn lines_of(part: Match<'_>, text: &str) -> Range<usize> {
    let (before, after) = (text.get(..part.start()), text.get(part.end()..));
    let begin = before.and_then(|t| t.rfind('\n')).map_or(0, |at| at + 1);
    let end = after.and_then(|t| t.find('\n'));
    let end = end.map_or(text.len(), |at| part.end() + at);
    begin..end
}

/// Shannon's entropy of the characters, in bits.
fn entropy(text: &str) -> f64 {
    let mut chars: Vec<char> = text.chars().collect();
    chars.sort_unstable();
    #[expect(
        clippy::cast_precision_loss,
        reason = "texts are shorter than 2^52 characters"
    )]
    let share = |n: usize| n as f64 / chars.len() as f64;
    chars
        .chunk_by(|a, b| a == b)
        .map(|same| share(same.len()))
        .map(|share| -share * share.log2())
        .sum()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "title")]
    _title: Option<String>,
    #[serde(rename = "description")]
    _description: Option<String>,
    #[serde(rename = "minVersion")]
    _min_version: Option<String>,
    extend: Option<Spanned<toml::Table>>,
    allowlist: Option<Spanned<AllowlistEntry>>,
    #[serde(default)]
    allowlists: Vec<Spanned<AllowlistEntry>>,
    #[serde(default)]
    rules: Vec<Spanned<RuleEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RuleEntry {
    id: String,
    #[serde(rename = "description")]
    _description: Option<String>,
    regex: Option<Spanned<String>>,
    path: Option<String>,
    secret_group: Option<usize>,
    entropy: Option<f64>,
    #[serde(default)]
    keywords: Vec<String>,
    #[serde(rename = "tags")]
    _tags: Option<Vec<String>>,
    #[serde(default)]
    skip_report: bool,
    required: Option<toml::Value>,
    allowlist: Option<Spanned<AllowlistEntry>>,
    #[serde(default)]
    allowlists: Vec<Spanned<AllowlistEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AllowlistEntry {
    #[serde(rename = "description")]
    _description: Option<String>,
    #[serde(rename = "id")]
    _id: Option<String>,
    condition: Option<String>,
    #[serde(default)]
    regex_target: Target,
    #[serde(default)]
    regexes: Vec<Spanned<String>>,
    #[serde(default)]
    stopwords: Vec<String>,
    #[serde(default)]
    paths: Vec<String>,
    #[serde(default)]
    commits: Vec<String>,
    #[serde(default)]
    target_rules: Vec<String>,
}

/// The rules of a file, in its order. Rules that only look at the names of files are left out.
///
/// # Errors
/// [`DetectError`] with the file, the line and the rule.
pub(super) fn parse(file: &str, text: &str) -> Result<Vec<Rule>, DetectError> {
    let reader = Reader { file, text };
    let parsed: File = toml::from_str(text).map_err(|e| {
        let at = e.span().map_or(0, |span| span.start);
        reader.error(at, None, e.message().to_owned())
    })?;
    if let Some(extend) = &parsed.extend {
        let reason = "`extend` is not supported: the gate does not have gitleaks' own rules; name every file under \
                      `rules` of [capture]";
        return Err(reader.error(extend.span().start, None, reason.into()));
    }
    let mut global = Vec::new();
    for entry in parsed.allowlist.iter().chain(&parsed.allowlists) {
        let only = entry.get_ref().target_rules.clone();
        global.extend(reader.allowlist(None, entry)?.map(|list| (only, list)));
    }
    let mut rules = Vec::new();
    for entry in parsed.rules {
        if let Some(mut rule) = reader.rule(entry)? {
            let lists = global
                .iter()
                .filter(|(only, _)| only.is_empty() || only.contains(&rule.id));
            let lists: Vec<Allowlist> = lists.map(|(_, list)| list.clone()).collect();
            rule.allowlists.extend(lists);
            rules.push(rule);
        }
    }
    Ok(rules)
}

struct Reader<'f> {
    file: &'f str,
    text: &'f str,
}

impl Reader<'_> {
    fn error(&self, offset: usize, rule: Option<&str>, reason: String) -> DetectError {
        let before = self.text.as_bytes().iter().take(offset);
        DetectError::Rule {
            file: self.file.to_owned(),
            line: before.filter(|b| **b == b'\n').count() + 1,
            rule: rule.map_or_else(String::new, |id| {
                format!("the rule `{}`: ", id.escape_debug())
            }),
            reason,
        }
    }

    /// `None` for a rule that looks at names of files alone.
    fn rule(&self, entry: Spanned<RuleEntry>) -> Result<Option<Rule>, DetectError> {
        let at = entry.span().start;
        let entry = entry.into_inner();
        let id = entry.id;
        let refuse = |reason: &str| Err(self.error(at, Some(&id), reason.to_owned()));
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if id.is_empty() || id.len() > MAX_ID || !id.bytes().all(legal) {
            return refuse("an id has 1 to 64 letters, digits, `-`, `_` or `.`");
        }
        if entry.required.is_some() || entry.skip_report {
            return refuse("rules that depend on other rules are not supported; remove it");
        }
        let Some(regex) = entry.regex else {
            return match entry.path {
                Some(_) => Ok(None),
                None => refuse("it has no `regex`"),
            };
        };
        let compiled = self.regex(Some(&id), &regex)?;
        if compiled.is_match("") {
            return Err(self.error(
                regex.span().start,
                Some(&id),
                "its regex matches the empty text, and so everything".into(),
            ));
        }
        // In gitleaks, 0 is the same as none.
        let group = entry.secret_group.filter(|group| *group > 0);
        if group.is_some_and(|group| group >= compiled.captures_len()) {
            return refuse("its regex has no group with the number `secretGroup`");
        }
        if entry
            .entropy
            .is_some_and(|entropy| !(0.0..=32.0).contains(&entropy))
        {
            return refuse("`entropy` is bits per character, from 0 to 32");
        }
        let mut allowlists = Vec::new();
        for list in entry.allowlist.iter().chain(&entry.allowlists) {
            allowlists.extend(self.allowlist(Some(&id), list)?);
        }
        Ok(Some(Rule {
            keywords: entry
                .keywords
                .into_iter()
                .filter(|w| !w.is_empty())
                .collect(),
            regex: compiled,
            group,
            entropy: entry.entropy.filter(|least| *least > 0.0),
            allowlists,
            id,
        }))
    }

    fn regex(&self, rule: Option<&str>, regex: &Spanned<String>) -> Result<Regex, DetectError> {
        Regex::new(&translate(regex.get_ref())).map_err(|e| {
            // The last line says what is wrong; the others draw it, in the translated expression.
            let message = e.to_string();
            let reason = message.lines().last().unwrap_or_default();
            let reason = reason.trim_start_matches("error: ");
            let reason = format!("its regex is not one that this gate can use: {reason}");
            self.error(regex.span().start, rule, reason)
        })
    }

    /// `None` for one that can allow nothing here.
    fn allowlist(
        &self,
        rule: Option<&str>,
        entry: &Spanned<AllowlistEntry>,
    ) -> Result<Option<Allowlist>, DetectError> {
        let at = entry.span().start;
        let entry = entry.get_ref();
        let all = match entry
            .condition
            .as_deref()
            .map(str::to_ascii_uppercase)
            .as_deref()
        {
            None | Some("OR" | "||" | "") => false,
            Some("AND" | "&&") => true,
            Some(_) => {
                let reason = "`condition` of an allowlist is \"OR\" or \"AND\"".to_owned();
                return Err(self.error(at, rule, reason));
            }
        };
        let regexes = entry.regexes.iter().map(|regex| self.regex(rule, regex));
        let regexes: Vec<Regex> = regexes.collect::<Result<_, _>>()?;
        let words = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(entry.stopwords.iter().filter(|word| !word.is_empty()))
            .map_err(|e| self.error(at, rule, format!("its `stopwords` are too many: {e}")))?;
        let stopwords = (words.patterns_len() > 0).then_some(words);
        // Nothing here has a path or a commit, so a condition on one of them is never met.
        let never = all && !(entry.paths.is_empty() && entry.commits.is_empty());
        let empty = regexes.is_empty() && stopwords.is_none();
        Ok((!never && !empty).then_some(Allowlist {
            all,
            target: entry.regex_target,
            regexes,
            stopwords,
        }))
    }
}

#[cfg(test)]
mod tests;
