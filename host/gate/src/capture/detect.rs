//! Finds secrets by their form, and secret fields by their name.
//!
//! The forms are data: `detectors.toml`, and the configuration's own. A detector removes secrets and never
//! reports them.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use aho_corasick::AhoCorasick;
use regex::Regex;
use serde::Deserialize;

/// The built-in detectors.
const BUILT_IN: &str = include_str!("detectors.toml");

/// Why the detectors cannot be used. Without them, nothing is captured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DetectError {
    /// The built-in ones cannot be read.
    #[error("the built-in secret detectors cannot be read: {0}")]
    BuiltIn(String),
    /// An expression is not valid.
    #[error("the detector `{id}` has no regular expression: {reason}")]
    Expression {
        /// The detector.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    names: Vec<String>,
    exact: Vec<String>,
    content: Vec<String>,
    detector: Vec<Detector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Detector {
    id: String,
    regex: String,
    /// Words of which one occurs in every match of the expression.
    #[serde(default)]
    has: Vec<String>,
    /// The same, case-insensitive.
    #[serde(default)]
    has_in_any_case: Vec<String>,
}

/// Finds secrets.
#[derive(Debug)]
pub struct Detectors {
    /// Words that the expressions need: most text has none of them.
    needs: [KeywordIndex; 2],
    /// How many of `each` come from the configuration. They are first and have no required words.
    own: usize,
    each: Vec<(String, Regex)>,
    names: Vec<String>,
    exact: Vec<String>,
    content: Vec<String>,
}

/// Words that are searched for all at once, and the detector that needs each.
#[derive(Debug)]
struct KeywordIndex {
    words: AhoCorasick,
    whose: Vec<usize>,
}

impl KeywordIndex {
    fn new(words: Vec<(usize, String)>, any_case: bool) -> Result<Self, DetectError> {
        let (whose, words): (Vec<usize>, Vec<String>) = words.into_iter().unzip();
        let built = AhoCorasick::builder()
            .ascii_case_insensitive(any_case)
            .build(words);
        Ok(Self {
            words: built.map_err(|e| DetectError::BuiltIn(e.to_string()))?,
            whose,
        })
    }

    fn found<'t>(&'t self, text: &'t str) -> impl Iterator<Item = usize> + 't {
        let found = self.words.find_overlapping_iter(text);
        found.filter_map(|word| self.whose.get(word.pattern().as_usize()).copied())
    }
}

impl Detectors {
    /// The built-in detectors and these, by id. The latter come first.
    ///
    /// # Errors
    /// [`DetectError`].
    pub fn new(own: &BTreeMap<String, String>) -> Result<Self, DetectError> {
        let built_in = |e: toml::de::Error| DetectError::BuiltIn(e.message().to_owned());
        let file: File = toml::from_str(BUILT_IN).map_err(built_in)?;
        let mut each = Vec::new();
        for (id, regex) in own {
            each.push((id.clone(), expression(id, regex)?));
        }
        let (mut as_is, mut any_case) = (Vec::new(), Vec::new());
        for detector in file.detector {
            let place = each.len();
            as_is.extend(detector.has.into_iter().map(|word| (place, word)));
            any_case.extend(
                detector
                    .has_in_any_case
                    .into_iter()
                    .map(|word| (place, word)),
            );
            let regex = expression(&detector.id, &detector.regex)?;
            each.push((detector.id, regex));
        }
        Ok(Self {
            needs: [
                KeywordIndex::new(as_is, false)?,
                KeywordIndex::new(any_case, true)?,
            ],
            own: own.len(),
            each,
            names: file.names,
            exact: file.exact,
            content: file.content,
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
        let mut suspects = self.suspects(text).into_iter();
        suspects.any(|n| {
            self.each
                .get(n)
                .is_some_and(|(_, regex)| regex.is_match(text))
        })
    }

    /// The detectors that may find something.
    fn suspects(&self, text: &str) -> BTreeSet<usize> {
        let mut suspects: BTreeSet<usize> = (0..self.own).collect();
        for needs in &self.needs {
            suspects.extend(needs.found(text));
        }
        suspects
    }

    /// `text` without its secrets.
    #[must_use]
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut found: Vec<(usize, usize, &str)> = Vec::new();
        let suspects = self.suspects(text).into_iter();
        for (id, regex) in suspects.filter_map(|n| self.each.get(n)) {
            for captures in regex.captures_iter(text) {
                let secret = captures.name("secret").or_else(|| captures.get(0));
                found.extend(secret.map(|s| (s.start(), s.end(), id.as_str())));
            }
        }
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        // Detectors that match at the same position apply in their order.
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
        self.exact.contains(&plain) || self.names.iter().any(|n| plain.ends_with(n.as_str()))
    }

    /// Whether an attribute of this name carries inputs or outputs of models and tools.
    #[must_use]
    pub fn is_content(&self, name: &str) -> bool {
        self.content.iter().any(|pattern| matches(pattern, name))
    }
}

fn expression(id: &str, regex: &str) -> Result<Regex, DetectError> {
    Regex::new(regex).map_err(|e| DetectError::Expression {
        id: id.to_owned(),
        reason: e.to_string(),
    })
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
        Detectors::new(&BTreeMap::new()).unwrap()
    }

    /// Invented examples of each form. They are split, so that repository scanners do not report them.
    #[test]
    fn every_detector_finds_its_own() {
        let long = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V2w3X4y5Z6";
        let hex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        let of = |text: &str, n: usize| text.get(..n).unwrap().to_owned();
        let cases: Vec<(&str, String)> = vec![
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
        ];
        let detectors = detectors();
        let ids: Vec<&str> = detectors.each.iter().map(|(id, _)| id.as_str()).collect();
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
    fn whatever_an_expression_matches_has_what_it_needs() {
        let detectors = detectors();
        let mut runner = TestRunner::default();
        for (place, (id, regex)) in detectors.each.iter().enumerate() {
            // Texts are generated from an expression without its assertions.
            let mut made = regex.as_str().replace("|\\z", "");
            for assertion in ["(?-u:\\b|_)", "(?-u:\\b)", "\\b"] {
                made = made.replace(assertion, "");
            }
            let texts = string_regex(&made).unwrap();
            let tested = runner.run(&texts, |text| {
                prop_assert!(detectors.suspects(&text).contains(&place), "{id}: {text}");
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
    fn own_detectors_come_first() {
        let own = BTreeMap::from([("badge".to_owned(), "ACME-[0-9]{6}".to_owned())]);
        let detectors = Detectors::new(&own).unwrap();
        assert_eq!(
            detectors.redact("badge ACME-123456."),
            "badge [redacted: badge]."
        );
        assert!(Detectors::check("(").is_err() && Detectors::check("a*").is_err());
    }
}
