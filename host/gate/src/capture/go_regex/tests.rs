use regex::Regex;

use super::*;

/// Expressions of Go, with a text that each matches there and one that it does not.
#[test]
fn expressions_mean_what_they_mean_in_go() {
    for (pattern, matched, other) in [
        (r"^\w+$", "a_1", "é"),
        (r"^\W$", "é", "a"),
        (r"^\d$", "1", "٣"),
        (r"^\D$", "٣", "1"),
        (r"^\s$", "\t", "\u{a0}"),
        (r"^\S$", "\u{a0}", "\t"),
        (r"\bab\b", "éabé", "xab"),
        (r"^[\w.-]+$", "a.b-c", "é"),
        (r"^[^\s]$", "\u{a0}", " "),
        (r"^[^\W]$", "a", "é"),
        (r"^a{2}$", "aa", "a{2}"),
        (r"^a{2,}b{1,2}$", "aaab", "abbb"),
        (r"^{a}$", "{a}", "a"),
        (r"^a{,2}$", "a{,2}", "aa"),
        (r"^[a[]$", "[", "]"),
        (r"^[]a]$", "]", "["),
        (r"^[^]a]$", "[", "]"),
        (r"^[a&&b]$", "&", "c"),
        (r"^[a~~b]$", "~", "c"),
        (r"^[+--]$", ",", "."),
        (r"^[[:alpha:]_]$", "x", ":"),
        (r"^\<a\>$", "<a>", "a"),
        (r"^[\<\>]$", "<", "a"),
        (r"^\x41\x{42}$", "AB", "ab"),
        (r"(?i)^ab\z", "AB", "AB\n"),
        (r"(?s:^.$)", "\n", ""),
    ] {
        let translated = translate(pattern);
        let regex = Regex::new(&translated).unwrap_or_else(|e| panic!("{pattern}: {e}"));
        assert!(regex.is_match(matched), "{pattern} as {translated}");
        assert!(!regex.is_match(other), "{pattern} as {translated}");
    }
}

#[test]
fn what_this_engine_does_not_know_is_refused() {
    for pattern in [r"\Qa\E", r"\p{Unknown}", "a\\", "[a", r"(a", r"(?=a)"] {
        assert!(Regex::new(&translate(pattern)).is_err(), "{pattern}");
    }
}
