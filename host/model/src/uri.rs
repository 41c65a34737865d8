//! URIs of resources, in one canonical form: what policies compare is what the server is asked for.
//!
//! The form is that of RFC 3986, section 6.2.2: the scheme in lower case, escapes in upper case and only where they are
//! needed, no dot segments. The host of a scheme that is known to have one is in lower case, without its default port.
//! Paths of `file` have no empty segments and no host `localhost`.
//!
//! A text that a server could read in another way than a policy does is refused: see [`CanonicalUri::parse`].

use std::fmt::Write as _;

/// The most bytes of a URI, as it is given and in canonical form.
pub const MAX_URI: usize = 4 << 10;
/// Schemes whose hosts are names of the DNS, with their default ports.
const WITH_HOST: &[(&str, &str)] = &[
    ("ftp", "21"),
    ("http", "80"),
    ("https", "443"),
    ("ws", "80"),
    ("wss", "443"),
];

/// `/`, `\` and NUL as escapes: a server that decodes them finds another path.
const ESCAPED_SEPARATORS: &[&str] = &["%2F", "%5C", "%00"];

/// A URI in canonical form: visible ASCII.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CanonicalUri(String);

impl CanonicalUri {
    /// The canonical form of `text`.
    ///
    /// A server decodes escapes before it opens a file, so that `..%2F..%2Fetc` leaves the folder that a policy
    /// compares. Therefore no host and no absolute path has an escaped `/`, a `\` or a NUL, and no other path has dot
    /// segments. Many servers cut the scheme off and take the rest as a path: so a host is not `.` or `..`, no query and
    /// no fragment has dot segments, and `file:` has neither of them, and no host but `localhost`.
    ///
    /// # Errors
    /// What is wrong with it, without its text.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_URI {
            let size = text.len();
            return Err(format!("the URI has {size} bytes, more than {MAX_URI}"));
        }
        if text.chars().any(char::is_control) {
            return Err("the URI has control characters".into());
        }
        let (scheme, rest) = text.split_once(':').ok_or("the URI has no scheme")?;
        let letter = |b: u8| b.is_ascii_alphanumeric() || b"+-._".contains(&b);
        let is_scheme = scheme.len() > 1
            && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(letter);
        if !is_scheme {
            return Err("the URI has no scheme, such as `file:`".into());
        }
        let scheme = scheme.to_ascii_lowercase();
        let (rest, fragment) = cut(rest, '#');
        let (rest, query) = cut(rest, '?');
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let end = rest.find('/').unwrap_or(rest.len());
                let (authority, path) = rest.split_at(end);
                (Some(canonical_authority(&scheme, authority)), path)
            }
            None => (None, rest),
        };
        let mut canonical = format!("{scheme}:");
        let path = escaped(path, b"/:@");
        check_separators(authority.as_deref(), &path)?;
        check_authority(&scheme, authority.as_deref())?;
        if scheme == "file" && !path.starts_with('/') {
            return Err("the URI is a `file:` URI whose path does not begin with `/`".into());
        }
        canonical.push_str(&hierarchy(&scheme, authority, &path));
        for (sign, part) in [('?', query), ('#', fragment)] {
            if let Some(part) = part {
                let part = escaped(part, b"/:@?");
                check_suffix(&scheme, &part)?;
                canonical.push(sign);
                canonical.push_str(&part);
            }
        }
        match canonical.len() > MAX_URI {
            true => Err(format!(
                "the URI in canonical form has more than {MAX_URI} bytes"
            )),
            false => Ok(Self(canonical)),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same, owned.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

/// Checks that a server which decodes the path finds the segments that are written, and no dot segments.
fn check_separators(authority: Option<&str>, path: &str) -> Result<(), String> {
    let is_hidden = |text: &str| {
        ESCAPED_SEPARATORS
            .iter()
            .any(|hidden| text.contains(hidden))
    };
    if authority.is_some() || path.starts_with('/') {
        return match authority.is_some_and(is_hidden) || is_hidden(path) {
            true => {
                Err("the URI has an escaped `/`, a `\\` or a NUL in its host or its path".into())
            }
            false => Ok(()),
        };
    }
    match decoded_segments(path).split('/').any(is_dot) {
        true => Err("the URI has `.` or `..` in its path, which does not begin with `/`".into()),
        false => Ok(()),
    }
}

/// `text` with escaped separators as `/`.
fn decoded_segments(text: &str) -> String {
    ESCAPED_SEPARATORS
        .iter()
        .fold(text.to_owned(), |text, hidden| text.replace(hidden, "/"))
}

fn is_dot(segment: &str) -> bool {
    matches!(segment, "." | "..")
}

/// Checks that a server which takes all after `SCHEME://` as a path, or the path of any host as its own, finds what is
/// written.
fn check_authority(scheme: &str, authority: Option<&str>) -> Result<(), String> {
    match authority.unwrap_or_default() {
        "" => Ok(()),
        _ if scheme == "file" => Err(
            "the URI is a `file:` URI with a host, which is another spelling of one without".into(),
        ),
        host if is_dot(host) => Err("the URI has `.` or `..` as its host".into()),
        _ => Ok(()),
    }
}

/// Checks that a server which takes a query or a fragment as a part of the path stays where a policy sees it.
fn check_suffix(scheme: &str, part: &str) -> Result<(), String> {
    if scheme == "file" {
        return Err(
            "the URI is a `file:` URI with `?` or `#`; write `%3F` or `%23` in a file's name"
                .into(),
        );
    }
    match decoded_segments(part).split('/').skip(1).any(is_dot) {
        true => Err("the URI has `.` or `..` in its query or fragment".into()),
        false => Ok(()),
    }
}

/// The part before `sign`, and the part after it if there is one.
fn cut(text: &str, sign: char) -> (&str, Option<&str>) {
    match text.split_once(sign) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

/// `text` with escapes only where they are needed. Besides what needs none anywhere (RFC 3986, sections 2.2 and 2.3),
/// this part may have the bytes of `also`.
fn escaped(text: &str, also: &[u8]) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let mut escaped = String::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let given = match (byte, after) {
            (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match given {
            Some((high, low)) => {
                rest = after.get(2..).unwrap_or_default();
                match high << 4 | low {
                    byte if plain(byte) => escaped.push(char::from(byte)),
                    byte => push_escape(&mut escaped, byte),
                }
            }
            None if plain(byte) || b"!$&'()*+,;=".contains(&byte) || also.contains(&byte) => {
                escaped.push(char::from(byte));
            }
            None => push_escape(&mut escaped, byte),
        }
    }
    escaped
}

fn push_escape(text: &mut String, byte: u8) {
    // Writing to a string does not fail.
    let _ = write!(text, "%{byte:02X}");
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

fn canonical_authority(scheme: &str, authority: &str) -> String {
    let authority = escaped(authority, b":@[]");
    let Some((_, port)) = WITH_HOST.iter().find(|(known, _)| *known == scheme) else {
        // Elsewhere it may be any name, in which case matters.
        return match scheme == "file" && authority.eq_ignore_ascii_case("localhost") {
            true => String::new(),
            false => authority,
        };
    };
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (format!("{user}@"), host),
        None => (String::new(), authority.as_str()),
    };
    let mut host = host.to_ascii_lowercase();
    while let Some((name, given)) = host.rsplit_once(':')
        && (given.is_empty() || given == *port)
    {
        host = name.to_owned();
    }
    // The digits of an escape stay in upper case.
    format!("{user}{}", escaped(&host, b":@[]"))
}

/// What is between the scheme and the query.
fn hierarchy(scheme: &str, authority: Option<String>, path: &str) -> String {
    let is_file = scheme == "file";
    let has_host = WITH_HOST.iter().any(|(known, _)| *known == scheme);
    let path = match path.starts_with('/') {
        true if is_file => without_dots(&without_empty(path)),
        true => without_dots(path),
        false if has_host && authority.is_some() => "/".into(),
        false => path.to_owned(),
    };
    match authority {
        Some(authority) => format!("//{authority}{path}"),
        None if is_file && path.starts_with('/') => format!("//{path}"),
        // It would be read as an authority (RFC 3986, section 3.3).
        None if path.starts_with("//") => format!("/.{path}"),
        None => path,
    }
}

/// An absolute path without empty segments, except at its end.
fn without_empty(path: &str) -> String {
    let mut shorter = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !shorter.ends_with('/') {
            shorter.push(c);
        }
    }
    shorter
}

/// An absolute path without `.` and `..` (RFC 3986, section 5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.trim_start_matches('/').split('/').peekable();
    let leading = path.len() - path.trim_start_matches('/').len();
    kept.extend(std::iter::repeat_n("", leading.saturating_sub(1)));
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => {
                kept.push(segment);
                continue;
            }
        }
        if is_last {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

/// Whether `pattern`, in which `*` stands for any text, is all of `text`.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests;
