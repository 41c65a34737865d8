//! The links in a text, as those who show the text would make them.

/// The most links of a text that are looked up.
pub(super) const MAX_LINKS: usize = 64;
/// The fewest bytes of a link.
const MIN_LENGTH: usize = 5;
/// The most bytes of a host.
const MAX_HOST: usize = 253;

/// The links in a text: what has a scheme, `//` or `www.`, and hosts with a path, as in `example.com/a`.
pub(super) fn links(text: &str) -> impl Iterator<Item = &str> {
    let ends = |c: char| {
        c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`' | ')' | ']' | '}' | '|')
    };
    text.split(ends).filter_map(|word| {
        let link = word.get(begin(word)?..)?;
        let link = link.trim_end_matches(['.', ',', ';', ':', '!', '?']);
        (link.len() >= MIN_LENGTH).then_some(link)
    })
}

/// A link without its scheme and the slashes before its host.
pub(super) fn without_scheme(link: &str) -> &str {
    let slash = ['/', '\\'];
    let at = link.find(slash).unwrap_or(0);
    match link.split_at_checked(at) {
        Some((before, rest)) if before.is_empty() || before.ends_with(':') => {
            rest.trim_start_matches(slash)
        }
        _ => link,
    }
}

/// Where the first link of a word begins.
fn begin(word: &str) -> Option<usize> {
    [scheme(word), www(word), host_with_path(word)]
        .into_iter()
        .flatten()
        .min()
}

/// Where a scheme with `//` begins, or `//` itself. Browsers take a backslash for a slash.
fn scheme(word: &str) -> Option<usize> {
    let is_slash = |b: u8| matches!(b, b'/' | b'\\');
    let bytes = word.as_bytes();
    let at = bytes
        .windows(2)
        .position(|pair| pair.iter().all(|b| is_slash(*b)))?;
    let before = word.get(..at)?;
    let Some(before) = before.strip_suffix(':') else {
        return Some(at);
    };
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    Some(before.trim_end_matches(is_scheme).len())
}

fn www(word: &str) -> Option<usize> {
    word.as_bytes()
        .windows(4)
        .position(|bytes| bytes.eq_ignore_ascii_case(b"www."))
}

/// Where a host begins that a path, a query or a fragment follows.
fn host_with_path(word: &str) -> Option<usize> {
    let end = word.find(['/', '\\', '?', '#'])?;
    let before = word.get(..end)?;
    let is_host = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    let host = before.get(before.trim_end_matches(is_host).len()..)?;
    // `to:example.com/a` is a host after a word, `example.com:80/a` one with a port.
    let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
    let host = match port.bytes().all(|b| b.is_ascii_digit()) {
        true => host.get(name.rfind(':').map_or(0, |at| at + 1)..)?,
        false => port,
    };
    is_host_name(host).then_some(end - host.len())
}

/// Whether a text is a host, with or without a port: labels with dots, of which the last is not a number, or four
/// numbers.
fn is_host_name(text: &str) -> bool {
    let name = match text.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => text,
    };
    if name.len() > MAX_HOST || name.contains(':') {
        return false;
    }
    let labels: Vec<&str> = name.split('.').collect();
    let is_number = |label: &&str| label.bytes().all(|b| b.is_ascii_digit());
    let is_address = labels.len() == 4 && labels.iter().all(is_number);
    let last_is_name = labels
        .last()
        .is_some_and(|last| last.chars().count() > 1 && last.chars().any(char::is_alphabetic));
    labels.len() > 1 && labels.iter().all(|label| !label.is_empty()) && (is_address || last_is_name)
}

#[cfg(test)]
mod tests;
