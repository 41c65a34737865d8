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
