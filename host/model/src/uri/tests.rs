use proptest::prelude::*;

use super::*;

fn canonical(text: &str) -> String {
    CanonicalUri::parse(text).unwrap().into_string()
}

#[test]
fn every_spelling_of_a_uri_is_one() {
    for (text, expected) in [
        ("file:///srv/a.md", "file:///srv/a.md"),
        ("FILE:///srv/a.md", "file:///srv/a.md"),
        ("file:/srv/a.md", "file:///srv/a.md"),
        ("file://localhost/srv/a.md", "file:///srv/a.md"),
        ("file:///srv//x/../a.md", "file:///srv/a.md"),
        ("file:///srv/%2e%2E/srv/%61.md", "file:///srv/a.md"),
        ("file:///../../srv/./a.md", "file:///srv/a.md"),
        ("file:///srv/a b\u{fc}.md", "file:///srv/a%20b%C3%BC.md"),
        ("file:///srv/a%20b%c3%bc.md", "file:///srv/a%20b%C3%BC.md"),
        ("file:///srv/100%", "file:///srv/100%25"),
        ("HTTPS://Example.COM:443", "https://example.com/"),
        (
            "http://u:P@Example.com:/%7Ea?Q=%3D#F",
            "http://u:P@example.com/~a?Q=%3D#F",
        ),
        ("memo://Insights", "memo://Insights"),
        ("note:///a//../b", "note:///a/b"),
        ("urn:isbn:0-395-36341-1", "urn:isbn:0-395-36341-1"),
        ("xx:/.//b", "xx:/.//b"),
        ("x1:a/..b", "x1:a/..b"),
        ("http://[::1]:80:80", "http://[::1]/"),
        ("my_app://item/{id}", "my_app://item/%7Bid%7D"),
    ] {
        assert_eq!(canonical(text), expected, "{text}");
    }
}

#[test]
fn what_is_no_uri_is_refused_and_not_repeated() {
    let long = format!("file:///{}", "a".repeat(MAX_URI));
    for text in [
        "",
        "a.md",
        ":x",
        "C:\\a.txt",
        "1a:b",
        "fi le:x",
        "x1:a/../b",
        "note:a%2F..%2fb",
        "note:..\\b",
        "file:///a\nb",
        "file:srv/a",
        "file://h/a",
        "file://127.0.0.1/a",
        "file:///a?b",
        "file:///a#b",
        "docs://./private/x",
        "docs://%2E./docs/private/x",
        "note:a?/../../b",
        "docs://a/b#%2F..%5cc",
        "file:///\u{7f}",
        &long,
    ] {
        let error = CanonicalUri::parse(text).unwrap_err();
        assert!(!error.contains("a.md") && error.len() < 100, "{error}");
    }
}

/// A server decodes the path before it opens a file, so an escaped separator would be one for the server and none for
/// the policy.
#[test]
fn a_separator_is_never_escaped_in_a_path() {
    for scheme in ["file", "FILE", "https", "note", "custom+x"] {
        for slashes in ["///", "//host/", "/"] {
            for escape in ["%2F", "%2f", "%5C", "%5c", "\\", "%00"] {
                let text = format!("{scheme}:{slashes}srv/notes/..{escape}..{escape}etc/passwd");
                let error = CanonicalUri::parse(&text).unwrap_err();
                assert!(error.contains("path"), "{text}: {error}");
            }
        }
    }
    for text in [
        "https://h/a?q=%2F%5C",
        "https://h/a?next=../b",
        "https://h/a#%2f",
        "urn:example:a%2Fb",
        "file:///srv/50%25",
    ] {
        assert!(CanonicalUri::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn a_star_stands_for_any_text() {
    for (pattern, text, is_match) in [
        ("*", "", true),
        ("file:///srv/*", "file:///srv/a/b", true),
        ("file:///srv/*", "file:///etc/a", false),
        ("memo:a", "memo:a", true),
        ("memo:a", "memo:ab", false),
        ("a*b*c", "axxbyyc", true),
        ("a*b*c", "axxcyyb", false),
        ("a*a", "a", false),
        ("*.md", "x.md.md", true),
    ] {
        assert_eq!(matches(pattern, text), is_match, "{pattern} {text}");
    }
}

/// Parts of URIs that mean something to one reader or another.
const PARTS: &[&str] = &[
    "a",
    ".",
    "..",
    "%2e",
    "%2E%2e",
    "/",
    "%2F",
    "%2f",
    "\\",
    "%5C",
    "%5c",
    "%00",
    "%25",
    "?",
    "#",
    "//h/",
    "//./",
    "//../",
    "notes/",
    "srv/notes/",
    "docs",
    "/../..",
    "?/../..",
    "#%2F..%5c..",
];

/// How URIs begin.
const BEGINNINGS: &[&str] = &[
    "file:///srv/notes/",
    "file:",
    "file://h/srv/notes/a",
    "docs://notes/",
    "docs://",
    "docs://./notes/a",
    "docs://../docs/",
    "docs:",
    "note:notes/",
    "note:",
];

/// Folders as policies compare them, with the number of its first segments that each of the readers must find.
const FOLDERS: &[(&str, [usize; 3])] = &[
    ("file:///srv/notes/", [2, 2, 2]),
    ("docs://notes/", [0, 1, 1]),
    ("note:notes/", [0, 0, 1]),
];

/// What servers take as the path of a URI: the path of the URL, all after `SCHEME://`, all after `SCHEME:`.
fn readings(uri: &str) -> [Option<&str>; 3] {
    let rest = uri.split_once(':').unwrap().1;
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let hierarchy = &rest[..end];
    let after_host = hierarchy.strip_prefix("//");
    let path = after_host.map_or(Some(hierarchy), |rest| rest.find('/').map(|at| &rest[at..]));
    [path, rest.strip_prefix("//"), Some(rest)]
}

/// The segments of a path as a server opens it; absent if it leaves where it begins.
fn opened(path: &str) -> Option<Vec<String>> {
    let plain = path
        .replace('+', "%2B")
        .replace('&', "%26")
        .replace('=', "%3D");
    let decoded: String = url::form_urlencoded::parse(plain.as_bytes())
        .map(|(name, _)| name.into_owned())
        .collect();
    let mut segments = Vec::new();
    for segment in decoded.split(['/', '\\', '\0']) {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()?),
            segment => segments.push(segment.to_owned()),
        }
    }
    Some(segments)
}

proptest! {
    /// No text makes it panic. The canonical form is its own, is visible ASCII, and has no dot segments.
    #[test]
    fn the_form_is_canonical(
        scheme in "(file|http|https|note|a_b|[A-Za-z][A-Za-z0-9+.-]{0,5})",
        rest in prop_oneof!["[/.%2eE5cC:@?#a\\\\é\\[\\] {}]{0,40}", ".{0,40}"],
    ) {
        let Ok(uri) = CanonicalUri::parse(&format!("{scheme}:{rest}")) else { return Ok(()) };
        let text = uri.as_str();
        prop_assert!(text.bytes().all(|b| b.is_ascii_graphic()));
        prop_assert_eq!(&CanonicalUri::parse(text).unwrap(), &uri);
        if let Some(path) = text.strip_prefix("file:///") {
            let path = path.split(['?', '#']).next().unwrap();
            prop_assert!(path.split('/').all(|segment| segment != "." && segment != ".."), "{}", text);
        }
    }

    /// What a server takes as the path, and decodes, stays in the folder that a policy compares.
    #[test]
    fn a_decoded_path_stays_in_its_folder(
        begin in prop::sample::select(BEGINNINGS),
        rest in prop::collection::vec(prop::sample::select(PARTS), 0..8),
    ) {
        let text = format!("{begin}{}", rest.concat());
        let Ok(uri) = CanonicalUri::parse(&text) else { return Ok(()) };
        let uri = uri.as_str();
        for (folder, depths) in FOLDERS.iter().filter(|(folder, _)| uri.starts_with(folder)) {
            for ((read, own), depth) in readings(uri).into_iter().zip(readings(folder)).zip(depths) {
                let (Some(read), Some(own)) = (read, own) else { continue };
                let (found, own) = (opened(read), opened(own).unwrap());
                let stays = found.is_some_and(|found| found.starts_with(&own[..*depth]));
                prop_assert!(stays, "{uri} leaves {folder} for who reads {read}");
            }
        }
        // And no other spelling is in the folder, for who takes the path of any host, or all after `docs://`.
        let [path, rest, _] = readings(uri).map(|read| read.map(opened));
        let lies_in = |found: Option<Vec<String>>, folder: &[&str]| {
            found.is_some_and(|found| found.len() > folder.len() && found.starts_with(&folder.iter().map(ToString::to_string).collect::<Vec<_>>()))
        };
        if uri.starts_with("file:") {
            let in_folder = lies_in(path.flatten(), &["srv", "notes"]);
            prop_assert!(!in_folder || uri.starts_with("file:///srv/notes/"), "{uri} is another spelling");
        }
        if uri.starts_with("docs://") && !uri.starts_with("docs:///") {
            prop_assert!(rest != Some(None), "{uri} leaves the root");
            let in_folder = lies_in(rest.flatten(), &["notes"]);
            prop_assert!(!in_folder || uri.starts_with("docs://notes"), "{uri} is another spelling");
        }
    }

    /// Escaping any byte that needs no escape changes nothing.
    #[test]
    fn an_escape_that_is_not_needed_changes_nothing(path in "[a-z./]{0,20}", at in 0_usize..20) {
        let plain = format!("file:///{path}");
        let mut spelled = String::from("file:///");
        for (n, c) in path.chars().enumerate() {
            match n == at && c != '/' {
                true => spelled.push_str(&format!("%{:02x}", u32::from(c))),
                false => spelled.push(c),
            }
        }
        prop_assert_eq!(CanonicalUri::parse(&plain), CanonicalUri::parse(&spelled));
    }
}
