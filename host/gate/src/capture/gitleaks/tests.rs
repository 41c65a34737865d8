use super::*;

fn rules(text: &str) -> Vec<Rule> {
    parse("rules.toml", text).unwrap()
}

fn found<'t>(rules: &[Rule], text: &'t str) -> Vec<&'t str> {
    let secrets = rules.iter().flat_map(|rule| {
        let secrets: Vec<_> = rule.secrets(text).collect();
        assert_eq!(rule.finds(text), !secrets.is_empty());
        secrets
    });
    secrets.map(|secret| secret.as_str()).collect()
}

fn refused(text: &str) -> String {
    parse("rules.toml", text).unwrap_err().to_string()
}

#[test]
fn a_secret_is_the_group_that_the_rule_names() {
    let text = "key=abc:def";
    for (group, secret) in [
        ("", "abc"),
        ("secretGroup = 0", "abc"),
        ("secretGroup = 1", "abc"),
        ("secretGroup = 2", "def"),
    ] {
        let rules = rules(&format!(
            "[[rules]]\nid = 'a'\nregex = 'key=(\\w+):(\\w+)'\n{group}"
        ));
        assert_eq!(found(&rules, text), [secret], "{group}");
    }
    let whole = rules("[[rules]]\nid = 'a'\nregex = 'key=\\w+'");
    assert_eq!(found(&whole, text), ["key=abc"]);
    // A group that is not part of the match hides nothing.
    let absent = rules("[[rules]]\nid = 'a'\nregex = 'key=abc|(def)'\nsecretGroup = 1");
    assert_eq!(found(&absent, text), ["key=abc", "def"]);
}

#[test]
fn entropy_is_bits_per_character() {
    for (text, bits) in [("aaaa", 0.0), ("abab", 1.0), ("abcd", 2.0), ("äöüß", 2.0)] {
        assert!((entropy(text) - bits).abs() < 1e-9, "{text}");
    }
    let rules = rules("[[rules]]\nid = 'a'\nregex = 'k=(\\w+)'\nentropy = 2");
    assert_eq!(found(&rules, "k=aaaaaaaa k=abcd k=abcde"), ["abcde"]);
}

#[test]
fn an_allowlist_of_a_rule_spares_what_it_names() {
    let rule = "[[rules]]\nid = 'a'\nregex = 'k=(\\w+)'\n";
    let list = |list: &str| rules(&format!("{rule}[[rules.allowlists]]\n{list}"));
    let text = "k=good # test\nk=EXAMPLE1 x\nk=real";
    for (allowlist, secrets) in [
        ("stopwords = ['example']", vec!["good", "real"]),
        ("regexes = ['^good$']", vec!["EXAMPLE1", "real"]),
        ("regexes = ['k=g']", vec!["good", "EXAMPLE1", "real"]),
        (
            "regexTarget = 'match'\nregexes = ['k=g']",
            vec!["EXAMPLE1", "real"],
        ),
        (
            "regexTarget = 'line'\nregexes = ['# test$']",
            vec!["EXAMPLE1", "real"],
        ),
        ("regexes = ['^good']\nstopwords = ['exam']", vec!["real"]),
        (
            "condition = 'AND'\nregexes = ['\\d$']\nstopwords = ['exam', 'real']",
            vec!["good", "real"],
        ),
        // What depends on a path or a commit allows nothing.
        ("paths = ['.*']", vec!["good", "EXAMPLE1", "real"]),
        (
            "condition = 'AND'\npaths = ['.*']\nregexes = ['.*']",
            vec!["good", "EXAMPLE1", "real"],
        ),
        (
            "paths = ['.*']\nregexes = ['good']",
            vec!["EXAMPLE1", "real"],
        ),
        ("description = 'nothing'", vec!["good", "EXAMPLE1", "real"]),
    ] {
        assert_eq!(found(&list(allowlist), text), secrets, "{allowlist}");
    }
    let older = rules(&format!("{rule}[rules.allowlist]\nstopwords = ['real']"));
    assert_eq!(found(&older, text), ["good", "EXAMPLE1"]);
}

#[test]
fn an_allowlist_of_a_file_is_for_its_rules_or_for_those_that_it_names() {
    let two = "[[rules]]\nid = 'a'\nregex = 'a=\\w+'\n[[rules]]\nid = 'b'\nregex = 'b=\\w+'\n";
    let text = "a=1 b=1 b=2";
    let all = rules(&format!("{two}[allowlist]\nregexes = ['1']"));
    assert_eq!(found(&all, text), ["b=2"]);
    let one = rules(&format!(
        "{two}[[allowlists]]\ntargetRules = ['b']\nregexes = ['1']"
    ));
    assert_eq!(found(&one, text), ["a=1", "b=2"]);
}

#[test]
fn what_looks_at_names_of_files_alone_is_left_out() {
    let text = "title = 't'\nminVersion = 'v8.25.0'\n[[rules]]\nid = 'file'\npath = '\\.p12$'\n\
                [[rules]]\nid = 'both'\ndescription = 'd'\ntags = ['t']\nregex = 'k=\\w+'\npath = '\\.tf$'\n\
                keywords = ['K=']";
    let rules = rules(text);
    let ids: Vec<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(ids, ["both"]);
    assert_eq!(rules[0].keywords, ["K="]);
    assert_eq!(found(&rules, "k=1"), ["k=1"]);
}

#[test]
fn a_mistake_is_refused_with_its_line_and_rule() {
    let good = "[[rules]]\nid = 'good'\nregex = 'x'\n";
    for (rule, line, parts) in [
        ("id = 'a'\nregex = 'x(?=y)'", 6, vec!["`a`", "look-around"]),
        ("id = 'a'\n\nregex = '(x'", 7, vec!["`a`", "unclosed group"]),
        ("id = 'a'\nregex = 'x*'", 6, vec!["`a`", "empty"]),
        (
            "id = 'a'\nregex = '(x)'\nsecretGroup = 2",
            4,
            vec!["`a`", "secretGroup"],
        ),
        (
            "id = 'a'\nregex = 'x'\nentropy = nan",
            4,
            vec!["`a`", "entropy"],
        ),
        (
            "id = 'a'\nregex = 'x'\nrequired = [{ id = 'b' }]",
            4,
            vec!["`a`", "depend"],
        ),
        (
            "id = 'a'\nregex = 'x'\nskipReport = true",
            4,
            vec!["`a`", "depend"],
        ),
        ("id = 'a'", 4, vec!["`a`", "no `regex`"]),
        ("id = 'a]'\nregex = 'x'", 4, vec!["an id has"]),
        (
            "id = 'a'\nregex = 'x'\nkeyword = 'x'",
            7,
            vec!["unknown field `keyword`"],
        ),
        (
            "id = 'a'\nregex = 'x'\n[[rules.allowlists]]\nregexes = ['(']",
            8,
            vec!["`a`", "unclosed group"],
        ),
        (
            "id = 'a'\nregex = 'x'\n[[rules.allowlists]]\ncondition = 'XOR'",
            7,
            vec!["`a`", "condition"],
        ),
        (
            "id = 'a'\nregex = 'x'\n[extend]\nuseDefault = true",
            7,
            vec!["extend", "[capture]"],
        ),
        ("id = 'a'\nregex = [", 6, vec![]),
    ] {
        let error = refused(&format!("{good}[[rules]]\n{rule}"));
        let place = format!("rules.toml:{line}: ");
        assert!(error.starts_with(&place), "{rule}: {error}");
        for part in parts {
            assert!(error.contains(part), "{rule}: {error}");
        }
    }
}

#[test]
fn a_line_is_looked_at_once_for_all_its_matches() {
    let list = |target: &str| {
        let rule = "[[rules]]\nid = 'a'\nregex = 'k=\\w+(?:\\nk=\\w+!)?'\n[[rules.allowlists]]\n";
        rules(&format!(
            "{rule}regexTarget = 'line'\nregexes = ['{target}']"
        ))
    };
    // The first match is in two lines, the second in one of them.
    let text = "k=a\nk=b! k=c\nk=d # test";
    assert_eq!(found(&list("# test"), text), ["k=a\nk=b!", "k=c"]);
    assert_eq!(found(&list("k=a"), text), ["k=c", "k=d"]);
    let long = "k=a ".repeat(100_000);
    let begun = std::time::Instant::now();
    assert_eq!(found(&list("# test"), &long).len(), 100_000);
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}
