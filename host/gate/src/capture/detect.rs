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
mod tests {
    use proptest::{prop_assert, string::string_regex, test_runner::TestRunner};

    use super::*;

    fn detectors() -> Detectors {
        Detectors::new(&BTreeMap::new(), &[]).unwrap()
    }

    /// Invented examples of each form. They are split, so that repository scanners do not report them.
    fn examples() -> Vec<(&'static str, String)> {
        let long = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V2w3X4y5Z6";
        let hex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        let of = |text: &str, n: usize| text.get(..n).unwrap().to_owned();
        vec![
            (
                "private-key",
                format!(
                    "-----BEGIN RSA PRIVATE{}-----\nMIIE\n-----END RSA PRIVATE KEY-----",
                    " KEY"
                ),
            ),
            ("tollgate-token", format!("tollgate_{}", of(long, 43))),
            ("aws-access-key-id", format!("AK{}", "IAQ3EGRZ2LTMNB5WXY")),
            (
                "aws-secret-key",
                format!("aws_secret_access_key = {}", of(long, 40)),
            ),
            (
                "github-token",
                format!("gh{}", "p_".to_owned() + &of(long, 36)),
            ),
            ("gitlab-token", format!("glpat-{}", of(long, 20))),
            ("slack-token", format!("xo{}", "xb-1234567890-abcdefghij")),
            (
                "slack-webhook",
                format!("https://hooks.slack.com/services/T0/B0/{}", of(long, 24)),
            ),
            (
                "stripe-key",
                format!("sk_{}", "live_".to_owned() + &of(long, 24)),
            ),
            ("anthropic-key", format!("sk-ant-{}", of(long, 40))),
            ("model-provider-key", format!("sk-proj-{}", of(long, 40))),
            ("google-key", format!("AIza{}", of(long, 35))),
            (
                "azure-account-key",
                format!("AccountKey={}==", of(&long.repeat(2), 86)),
            ),
            ("package-registry-token", format!("npm_{}", of(long, 36))),
            ("hugging-face-token", format!("hf_{}", of(long, 34))),
            (
                "sendgrid-key",
                format!("SG.{}.{}", of(long, 22), of(long, 43)),
            ),
            ("twilio-key", format!("SK{}", of(hex, 32))),
            ("digitalocean-token", format!("dop_v1_{hex}")),
            ("vault-token", format!("hvs.{}", of(long, 24))),
            ("telegram-token", format!("123456789:AA{}", of(long, 33))),
            ("shopify-token", format!("shpat_{}", of(hex, 32))),
            (
                "age-key",
                format!("AGE-SECRET-KEY-1{}", of(&long.to_uppercase().repeat(2), 58)),
            ),
            (
                "json-web-token",
                format!("eyJ{}.eyJ{}.{}", of(long, 10), of(long, 10), of(long, 20)),
            ),
            ("password-in-url", "postgres://app:hunter2!@db/x".into()),
            (
                "authorization",
                format!("Authorization: Bearer {}", of(long, 20)),
            ),
            (
                "assigned-secret",
                r#"{\"db_password\": \"hunter22\"}"#.into(),
            ),
        ]
    }

    #[test]
    fn every_detector_finds_its_own() {
        let cases = examples();
        let detectors = detectors();
        let ids: Vec<&str> = detectors.rules.iter().map(|r| r.id.as_str()).collect();
        let tried: Vec<&str> = cases.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, tried);
        for (id, secret) in cases {
            let text = format!("before {secret} after");
            let redacted = detectors.redact(&text);
            assert!(
                redacted.contains(&format!("[redacted: {id}]")),
                "{id}: {redacted}"
            );
            assert!(
                redacted.starts_with("before ") && redacted.ends_with(" after"),
                "{redacted}"
            );
            assert!(!detectors.finds(&redacted), "{id}: {redacted}");
        }
    }

    /// Text is only searched if a required word of a detector occurs.
    #[test]
    fn all_that_an_expression_matches_has_a_keyword() {
        let detectors = detectors();
        let mut runner = TestRunner::default();
        for rule in &detectors.rules {
            // Texts are made from what is left of an expression without assertions.
            let mut made = rule.expression().replace("|\\z", "");
            for assertion in ["(?:(?-u:\\b)|_)", "(?-u:\\b)"] {
                made = made.replace(assertion, "");
            }
            let texts = string_regex(&made).unwrap();
            let tested = runner.run(&texts, |text| {
                // These are capital or small letters of `s` and `k`, but not in ASCII.
                let text = text.replace('ſ', "s").replace('\u{212a}', "k");
                let mut candidates = detectors.candidates(&text);
                prop_assert!(candidates.any(|r| r.id == rule.id), "{}: {text}", rule.id);
                Ok(())
            });
            tested.unwrap();
        }
    }

    #[test]
    fn letters_beyond_ascii_hide_nothing() {
        let detectors = detectors();
        for around in ["ü", "日本", "é "] {
            let text = format!("{around}ghp_{}{around}", "a1B2".repeat(9));
            assert_eq!(
                detectors.redact(&text),
                format!("{around}[redacted: github-token]{around}")
            );
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "",
            "T-1042 is answered",
            "01a1fbd60b6b777aa30530e6a3900abb",
            "sk-8",
            "https://example.com/a?b=c",
            "hmac:v1:0123456789abcdef",
            "the secret of success: work",
            "tokens: 123456",
            "tollgate.decision.id",
        ] {
            assert_eq!(detectors().redact(text), text);
        }
    }

    #[test]
    fn names_say_enough() {
        let detectors = detectors();
        for name in [
            "password",
            "DB_Password",
            "x-api-key",
            "http.request.header.authorization",
            "Set-Cookie",
            "token",
        ] {
            assert!(detectors.is_secret_name(name), "{name}");
        }
        for name in [
            "tokens",
            "gen_ai.usage.input_tokens",
            "tollgate.secret.name",
            "key",
            "passenger",
        ] {
            assert!(!detectors.is_secret_name(name), "{name}");
        }
        for name in [
            "input.value",
            "gen_ai.input.messages",
            "llm.input_messages.0.message.content",
        ] {
            assert!(detectors.is_content(name), "{name}");
        }
        assert!(!detectors.is_content("gen_ai.request.model"));
    }

    #[test]
    fn rules_of_files_come_after_patterns_and_before_the_built_in_ones() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("rules.toml");
        let rules = "[[rules]]\nid = \"ours\"\nregex = '(ghp_|ACME-)\\w+'\nsecretGroup = 0\n";
        std::fs::write(&file, rules).unwrap();
        let own = BTreeMap::from([("badge".to_owned(), "ACME-[0-9]{6}".to_owned())]);
        let detectors = Detectors::new(&own, std::slice::from_ref(&file)).unwrap();
        let text = format!("ghp_{} ACME-123456", "a1B2".repeat(9));
        assert_eq!(
            detectors.redact(&text),
            "[redacted: ours] [redacted: badge]"
        );
        std::fs::remove_file(&file).unwrap();
        let error = Detectors::new(&own, &[file]).unwrap_err();
        assert!(matches!(error, DetectError::File { .. }), "{error}");
    }

    #[test]
    fn own_detectors_come_first() {
        let own = BTreeMap::from([("badge".to_owned(), "ACME-[0-9]{6}".to_owned())]);
        let detectors = Detectors::new(&own, &[]).unwrap();
        assert_eq!(
            detectors.redact("badge ACME-123456."),
            "badge [redacted: badge]."
        );
        assert!(Detectors::check("(").is_err() && Detectors::check("a*").is_err());
    }
}
