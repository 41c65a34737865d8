//! A value is the user's, the operator's or trusted only if the source has it as it stands.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{RUN, empty, facts, origin, read, source, trust};
use crate::provenance::{ArgumentRoles, Origin, ReadIndex, Role};

/// Words that a person may write, with what may stand around them.
const WORDS: [&str; 24] = [
    "srv/app/tmp",
    "srv/app/tmp?",
    "srv/app/tmp/..",
    "/etc/hosts.",
    "c:\\users\\ann",
    "\"notes.txt\",",
    "ann@example.com",
    "(bob@example.com).",
    "https://bank.example/a/",
    "http://bank.example",
    "www.shop.example",
    "guide.example/lisbon",
    "plan.md",
    "1.1",
    "1.10",
    "$1,000.00",
    "1200",
    "5%",
    "+4915112345",
    "2024-05-01",
    "10:00",
    "'13'",
    "#general",
    "to:team-a;team-b",
];

fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(&WORDS[..]), 1..5)
        .prop_map(|words| words.join(" "))
}

/// A value that differs from words of a text by a few characters, or not at all.
fn value() -> impl Strategy<Value = String> {
    let signs = proptest::sample::select(
        &[
            "", "", ".", "..", "/", "/.", "/..", "?", "*", ",", ";", ":", "'", "\"", "(", ")", "<",
            ">", "#", "$", "%", "+", "-", "0", "00", ".0", "x", "https://", "http://", "z", "~",
            "\\",
        ][..],
    );
    (text(), signs.clone(), signs, any::<u8>(), any::<bool>()).prop_map(
        |(text, before, after, cut, is_cut)| {
            let mut bare = text;
            if is_cut {
                let at = bare.floor_char_boundary(usize::from(cut) % (bare.len() + 1));
                bare.truncate(at);
            }
            format!("{before}{bare}{after}")
        },
    )
}

const SIGNS: &str = ".,;:!?()[]{}<>\"'`’/#|=";

/// Whether one word of a source is a word of a value: all of it, or what is left between signs.
fn is_word(of: &str, word: &str) -> bool {
    let goes_up = |text: &str| {
        text.trim_end_matches(|c| c != '.' && SIGNS.contains(c))
            .ends_with("/..")
    };
    let is_sign = |c: Option<char>| c.is_none_or(|c| SIGNS.contains(c));
    let stands = |(at, _): (usize, &str)| {
        let (before, after) = (&of[..at], &of[at + word.len()..]);
        let rooted = before.ends_with('/') && !before.ends_with("//");
        is_sign(before.chars().next_back())
            && !rooted
            && is_sign(after.chars().next())
            && (!after.starts_with('/') || after.trim_matches(|c| SIGNS.contains(c)).is_empty())
            && (!goes_up(of) || goes_up(word) || after.contains(';'))
    };
    let root = word.strip_suffix('/').filter(|root| {
        !root
            .trim_start_matches("https://")
            .trim_start_matches("http://")
            .contains('/')
    });
    of.match_indices(word).any(stands)
        || form_of_time(of).is_some_and(|time| Some(time) == form_of_time(word))
        || (of.contains("://") || of.starts_with("www."))
            && root.is_some_and(|root| is_word(of, root))
        || word.strip_prefix("https://").is_some_and(|bare| {
            let host = bare.split('/').next().filter(|host| *host != bare);
            let is_page = bare.starts_with("www.") || host.is_some_and(|host| host.contains('.'));
            is_page && is_word(of, bare)
        })
}

fn form_of_time(text: &str) -> Option<(u32, u32, u32)> {
    let mut parts = text
        .trim_end_matches('z')
        .split(':')
        .map(|part| part.parse().ok());
    Some((
        parts.next()??,
        parts.next()??,
        parts.next().unwrap_or(Some(0))?,
    ))
}

/// A number with whether it can only be one, and its unit.
fn number(text: &str) -> Option<(f64, bool, Option<char>)> {
    let unit = text.chars().find(|c| "$%".contains(*c));
    let bare = text.trim_matches(['$', '%']);
    let has_groups = bare.contains(',');
    let plain = bare.replace(',', "").parse().ok()?;
    Some((plain, unit.is_some() || has_groups, unit))
}

fn is_number(of: &str, value: &str) -> bool {
    let of = of.trim_matches(|c| "\"'.,;:()".contains(c));
    let (Some((is, is_amount, unit)), Some((wanted, wants_amount, wanted_unit))) =
        (number(of), number(value))
    else {
        return false;
    };
    is == wanted && (is_amount || wants_amount) && (wanted_unit.is_none() || wanted_unit == unit)
}

/// Whether a text has a value as it stands, up to case, white space and one pair of quotes, or the same number.
fn has(text: &str, value: &str) -> bool {
    let (text, value) = (text.to_lowercase(), value.trim().to_lowercase());
    let value = value.replace("t1", " 1");
    let of: Vec<&str> = text.split_whitespace().collect();
    let unquoted = value
        .strip_prefix(['"', '\''])
        .and_then(|v| v.strip_suffix(['"', '\'']));
    [Some(value.as_str()), unquoted]
        .into_iter()
        .flatten()
        .any(|value| {
            let words: Vec<&str> = value.split_whitespace().collect();
            let same = |(of, word): (&&str, &&str)| is_word(of, word) || is_number(of, word);
            let hosts = of
                .iter()
                .any(|of| of.contains("://") && of.split(['/', '?']).nth(2) == Some(value));
            let all = !words.is_empty()
                && of
                    .windows(words.len())
                    .any(|of| of.iter().zip(&words).all(same));
            all || hosts
                || text
                    .split_whitespace()
                    .collect::<String>()
                    .contains(&words.concat())
                    && words.concat().len() >= 8
                    && words.concat().bytes().all(|b| b.is_ascii_alphanumeric())
        })
}

/// Whether a value is one that the text has, or a list of such.
fn is_named(text: &str, value: &str) -> bool {
    let list = || {
        let parts = value
            .split([',', ';', '|', '\n', '<', '>'])
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let parts: Vec<&str> = parts.collect();
        let rows: Vec<&str> = value.split_whitespace().collect();
        let all = |parts: &[&str]| parts.len() > 1 && parts.iter().all(|part| has(text, part));
        all(&parts) || all(&rows)
    };
    has(text, value) || list()
}

fn index(text: &str, kind: u8) -> ReadIndex {
    let mut index = read("", &[], "what strangers wrote");
    match kind {
        0 => index.read_request(RUN, text),
        1 => index.read_value(&source(&trust(&[""])), &json!(text)),
        _ => index.read_operator(text),
    }
    index
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Nothing is folded that makes another value.
    #[test]
    fn a_safe_value_is_in_the_source(text in text(), value in value(), own in any::<bool>(), kind in 0..3_u8) {
        let value = if own { format!("{} {value}", text.split(' ').next().unwrap()) } else { value };
        let found = origin(&index(&text, kind), &value);
        if found.is_some_and(|origin| origin < Origin::Model) {
            prop_assert!(is_named(&text, &value), "{value:?} is {found:?} by {text:?}");
        }
    }

    /// The same of one word of it with a sign, which most often differs by nothing else.
    #[test]
    fn a_sign_makes_another_value(
        word in proptest::sample::select(&WORDS[..]), sign in "[./?*,;:'\"()<>#$%+~0-9x\\\\]{1,3}", at in any::<bool>(), kind in 0..3_u8
    ) {
        let value = if at { format!("{word}{sign}") } else { format!("{sign}{word}") };
        let found = origin(&index(word, kind), &value);
        if found.is_some_and(|origin| origin < Origin::Model) {
            prop_assert!(is_named(word, &value), "{value:?} is {found:?} by {word:?}");
        }
    }

    /// What a name begins with is another one: only the items of a list, and what stands after a label, are values.
    #[test]
    fn a_part_of_a_name_is_another_value(
        word in "[a-z]{4,6}(/[a-z]{4,5})?([:=,;|?&#@/\\\\][a-z0-9]{4,5}){1,3}", kind in 0..2_u8, more in any::<bool>()
    ) {
        let all: Vec<&str> = word.split([',', ';', '|']).collect();
        let is_list = !word.contains(['/', '\\']) || all.iter().all(|item| item.contains('@'));
        prop_assume!(all.len() == 1 || !is_list);
        let text = if more { format!("{word} old backups") } else { word.clone() };
        let index = index(&text, kind);
        for (at, _) in word.match_indices([':', '=', ',', ';', '|', '?', '&', '#', '@', '/', '\\']) {
            let (part, rest) = word.split_at(at);
            let found = origin(&index, part);
            let is_named = found.is_some_and(|origin| origin < Origin::Model);
            prop_assert!(!is_named || rest.contains(part), "{part:?} is {found:?} by {text:?}");
        }
    }

    /// Dates are the same only with the same year, where both have one.
    #[test]
    fn a_date_has_its_year(year in 2020..2026, other in 2020..2026, kind in 0..2_u8, words in any::<bool>()) {
        let index = index(&if words { format!("on May 1st, {year}") } else { format!("{year}-05-01") }, kind);
        let found = origin(&index, &format!("{other}-05-01"));
        prop_assert_eq!(found == Some(Origin::User), kind == 0 && year == other);
        prop_assert!(kind == 0 || words || (found == Some(Origin::Trusted)) == (year == other));
    }
}

#[test]
fn a_year_may_be_missing_in_one() {
    let with = index("on May 1st, 2024", 0);
    let without = index("on May 1st", 0);
    assert_eq!(origin(&with, "May 1"), Some(Origin::User));
    assert_eq!(origin(&without, "2024-05-01"), Some(Origin::User));
    assert_eq!(origin(&with, "2023-05-01"), Some(Origin::Model));
    assert_eq!(origin(&with, "2024/05/01"), Some(Origin::Model));
}

/// The folder above, other versions and other dates are not what the user named.
#[test]
fn what_reads_nearly_the_same_is_another_target() {
    let request = "Please delete the folder srv/app/tmp and share the plan of 2024-05-01, version 1.1, with \
                   https://bank.example.";
    for kind in [0, 1, 2] {
        let index = index(if kind == 0 { request } else { "srv/app/tmp" }, kind);
        for value in [
            "srv/app/tmp/..",
            "srv/app/tmp/.",
            "srv/app/tmp?",
            "srv/app/tmp/",
            "srv/app/tmp..",
            "srv/app/tmp*",
            "2023-05-01",
            "1.10",
            "01.1",
            "http://bank.example",
            "??",
            "...",
        ] {
            let of =
                |value: &Value| facts(&index, &json!({ "x": value }), &[("/x", Role::Path)], &[]);
            let sinks = of(&json!(value)).sinks;
            assert!(
                sinks.first().is_some_and(|origin| *origin >= Origin::Model),
                "{kind} {value}: {sinks:?}"
            );
        }
        let found = origin(&index, "Srv/App/Tmp").unwrap();
        assert!(found < Origin::Model, "{kind}");
    }
}

#[test]
fn amounts_have_one_value_and_other_numbers_are_texts() {
    let index = read(
        "Pay $1,200.50 for version 2.10, then 98.70 more",
        &[],
        "text",
    );
    let of = |value: Value| {
        let found = facts(
            &index,
            &json!({ "x": value }),
            &[("/x", Role::Identifier)],
            &[],
        );
        found.sinks.into_iter().next()
    };
    for value in [
        json!(1200.5),
        json!("1200.50"),
        json!("$1200.5"),
        json!("1,200.50"),
        json!(98.7),
        json!("2.10"),
    ] {
        assert_eq!(of(value.clone()), Some(Origin::User), "{value}");
    }
    for value in [
        json!("€1200.5"),
        json!("1200.5%"),
        json!("2.1"),
        json!("02.10"),
        json!("+2.10"),
        json!("98.7"),
    ] {
        assert_eq!(of(value.clone()), Some(Origin::Model), "{value}");
    }
}

/// A command is not a list: what stands between its words counts.
#[test]
fn a_command_is_one_value() {
    let index = read("run build.sh and then clean.sh", &[], "text");
    let of = |role| {
        facts(
            &index,
            &json!({ "x": "build.sh|clean.sh" }),
            &[("/x", role)],
            &[],
        )
        .sinks
    };
    assert_eq!(of(Role::Command), [Origin::Model].into());
    assert_eq!(of(Role::Recipient), [Origin::User].into());
}

/// What differs from a value that someone vouched for is not vouched for when a tool repeats it.
#[test]
fn a_repetition_with_a_sign_is_not_trusted() {
    let mut index = read("delete srv/app/tmp please", &[], "text of strangers");
    index.begin_call(
        RUN,
        &ArgumentRoles::default(),
        &json!({ "note": "delete srv/app/tmp/.." }),
    );
    index.read_value(
        &source(&trust(&[""])),
        &json!({ "a": "srv/app/tmp/..", "b": "delete srv/app/tmp/.." }),
    );
    assert!(origin(&index, "srv/app/tmp/..").unwrap() >= Origin::Model);
    let _ = empty();
}

/// A page that is written without its scheme is read over HTTPS. A name that may be a file's is not a page.
#[test]
fn a_page_without_a_scheme_is_one_over_https() {
    for (request, value, expected) in [
        (
            "read guide.example/lisbon",
            "https://guide.example/lisbon",
            Origin::User,
        ),
        (
            "read guide.example/lisbon",
            "http://guide.example/lisbon",
            Origin::Model,
        ),
        (
            "read guide.example/lisbon",
            "https://guide.example/lisbon/..",
            Origin::Model,
        ),
        ("read plan.md", "https://plan.md", Origin::Model),
        ("read docs/plan.md", "https://docs/plan.md", Origin::Model),
    ] {
        let mut index = empty();
        index.read_request(RUN, request);
        assert_eq!(origin(&index, value), Some(expected), "{request} {value}");
    }
}

/// A stranger must not choose a part of what the user or a trusted field names: it is another target, often more.
#[test]
fn what_a_name_begins_with_is_another_target() {
    for (text, part) in [
        ("delete the image registry/app:old", "registry/app"),
        ("delete the folder /srv/app,old", "/srv/app"),
        ("drop the key user:1:session", "user"),
        ("empty arn:aws:s3:::bucket/key", "arn:aws:s3"),
        (
            "open https://x.example/pay?amount=5",
            "https://x.example/pay?amount",
        ),
        ("connect to postgres://admin:pw@db/x", "postgres://admin"),
        ("/srv/app old backups", "/srv/app"),
        ("C:\\Program Files\\X", "c:\\program"),
        ("/srv/app: old backups", "/srv/app"),
    ] {
        for kind in [0, 1] {
            // A request has words, and a path with spaces in it is several.
            if kind == 0 && text.starts_with(['/', 'C']) {
                continue;
            }
            let found = origin(&index(text, kind), part).unwrap();
            assert!(found >= Origin::Model, "{kind} {text}: {found}");
        }
    }
    let index = index("mail to:ann@x.example;bob@x.example and set env=prod", 0);
    for value in ["ann@x.example", "bob@x.example", "prod"] {
        assert_eq!(origin(&index, value), Some(Origin::User), "{value}");
    }
}
