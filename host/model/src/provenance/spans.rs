//! The words of a source that someone vouches for, in each form in which a value may repeat them.
//!
//! In a sentence, quotes, brackets and punctuation stand around words. Each word counts with and without them, so
//! that a value need not have them; a value that has others is another value.

use super::{
    form,
    phrase::plain_time,
    words::{CLOSING, NAMING, OPENING, QUOTES, TRAILING, lower},
};

/// The most layers of punctuation around a word that are taken off.
const MAX_LAYERS: usize = 16;

/// A word of a source, or a part of one. A value of several words follows spans of which one begins where the
/// other ends.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
    /// In lower case: as it stands, and with ever less around it.
    pub(super) forms: Vec<String>,
    /// The last of these that is a part of it.
    pub(super) core: String,
    /// Whether it has no parts that are spans of their own.
    pub(super) is_leaf: bool,
    /// Whether it stands after white space with nothing before it, and before white space with nothing after it.
    pub(super) is_bare: (bool, bool),
    /// Whether the text marks it as a value: in quotes, after `#`, or after `id`.
    pub(super) is_marked: bool,
    /// Whether a sentence begins with it.
    pub(super) is_first: bool,
}

/// What a sentence ends with.
const SENTENCE_ENDS: [char; 5] = ['.', '!', '?', ':', ';'];

/// The spans of a text. The first begins at `start`; returns where the last one ends.
pub(super) fn spans(text: &str, start: u32) -> (Vec<Span>, u32) {
    let mut reader = SpanReader {
        spans: Vec::new(),
        at: start,
        between: u32::MAX,
        is_named: false,
    };
    let lower = lower(text);
    let mut begins = true;
    for chunk in lower.split_inclusive(char::is_whitespace) {
        let word = chunk.trim_end();
        let is_blank = !word.chars().any(char::is_alphanumeric);
        if !word.is_empty() {
            reader.chunk(word, begins && !is_blank);
        }
        let ends = chunk.ends_with('\n') || word.ends_with(SENTENCE_ENDS);
        begins = ends || (begins && is_blank);
    }
    (reader.spans, reader.at)
}

struct SpanReader {
    spans: Vec<Span>,
    at: u32,
    /// Counts the places between the parts of words downwards: no span begins where another part ends.
    between: u32,
    /// Whether the next word is a value by the one before.
    is_named: bool,
}

impl SpanReader {
    fn chunk(&mut self, word: &str, is_first: bool) {
        let (start, end) = (self.at, self.at.saturating_add(1));
        self.at = end;
        let whole = Forms::of(word);
        if let Some((date, time)) = whole.core_form(form::moment) {
            let middle = self.place();
            let (date, time) = (date.to_owned(), time.to_owned());
            self.push(
                Forms::of(&date),
                start,
                middle,
                (true, true),
                is_first,
                true,
            );
            return self.push(Forms::of(&time), middle, end, (true, true), false, true);
        }
        let parts = match whole.is_number() {
            true => Vec::new(),
            false => parts(word),
        };
        let named = self.is_named;
        self.push(whole, start, end, (true, true), is_first, parts.is_empty());
        if parts.is_empty() {
            return;
        }
        self.is_named = named;
        for part in parts {
            let begins = part.at == 0;
            let ends = part.at + part.text.len() == word.len();
            let from = if begins { start } else { self.place() };
            let to = if ends { end } else { self.place() };
            if let Some(label) = part.label {
                self.is_named = NAMING.contains(&label);
            }
            let is_first = is_first && begins;
            self.push(
                Forms::of(part.text),
                from,
                to,
                (begins, ends),
                is_first,
                true,
            );
        }
    }

    fn place(&mut self) -> u32 {
        self.between = self.between.saturating_sub(1);
        self.between
    }

    fn push(
        &mut self,
        forms: Forms,
        start: u32,
        end: u32,
        bare: (bool, bool),
        is_first: bool,
        is_leaf: bool,
    ) {
        let word = forms.forms.first().cloned().unwrap_or_default();
        let is_bare = (
            bare.0 && word.starts_with(&forms.core),
            bare.1 && word.ends_with(&forms.core),
        );
        let is_marked = forms.is_marked || self.is_named;
        self.is_named = NAMING.contains(&forms.core.as_str());
        self.spans.push(Span {
            start,
            end,
            forms: forms.all(),
            core: forms.core,
            is_leaf,
            is_bare,
            is_marked,
            is_first,
        });
    }
}

/// A part of a word that is a value by itself.
struct Part<'a> {
    /// Where in the word it begins, in bytes.
    at: usize,
    text: &'a str,
    /// What stands before it, as in `id=5`.
    label: Option<&'a str>,
}

/// The values in a word that is several: the items of a list, and what stands after a label. What a value begins
/// with is not one: a path may have a comma, and the name of an image a colon.
fn parts(word: &str) -> Vec<Part<'_>> {
    let items = items(word, &LIST_SIGNS).unwrap_or_else(|| vec![(0, word)]);
    let is_whole = items.len() == 1;
    let part = |(at, item)| match label(item) {
        Some((label, length)) => Some(Part {
            at: at + length,
            text: item.get(length..)?,
            label: Some(label),
        }),
        None if is_whole => None,
        None => Some(Part {
            at,
            text: item,
            label: None,
        }),
    };
    items.into_iter().filter_map(part).collect()
}

/// What stands between the items of a list in one word.
const LIST_SIGNS: [char; 3] = [',', ';', '|'];

/// The items of a list, each with where it begins. `None` if it is not a list of values of one kind: of addresses, or of
/// names that are not paths.
pub(super) fn items<'a>(text: &'a str, signs: &[char]) -> Option<Vec<(usize, &'a str)>> {
    let mut at = 0;
    let mut items = Vec::new();
    for item in text.split_inclusive(signs) {
        let bare = item.strip_suffix(signs).unwrap_or(item);
        if !bare.trim().is_empty() {
            items.push((at, bare));
        }
        at += item.len();
    }
    let has_path = text.contains(['/', '\\']);
    let is_list = || !has_path || items.iter().all(|(_, item)| is_address(item));
    (items.len() > 1 && is_list()).then_some(items)
}

/// Whether it is an address with a path, or one of a person.
fn is_address(item: &str) -> bool {
    item.contains('@') && !item.contains("://") && !item.trim_start().starts_with(['/', '\\'])
}

/// The plain name before the first `:` or `=` of a word with more after it, and how many bytes it takes with the sign.
fn label(word: &str) -> Option<(&str, usize)> {
    let at = word.find([':', '='])?;
    let (before, after) = (word.get(..at)?, word.get(at + 1..)?);
    let bare = before
        .trim_start_matches(OPENING)
        .trim_matches(QUOTES.as_slice());
    let is_plain = !bare.is_empty()
        && bare
            .chars()
            .all(|c| c.is_alphabetic() || matches!(c, '_' | '-'));
    let goes_on = after.chars().any(char::is_alphanumeric)
        && !after.starts_with("//")
        && !after.starts_with('\\');
    (is_plain && goes_on).then_some((bare, at + 1))
}

/// The forms of a word.
struct Forms {
    forms: Vec<String>,
    core: String,
    is_marked: bool,
}

impl Forms {
    fn of(word: &str) -> Self {
        let mut forms = vec![word.to_owned()];
        let mut bare = word;
        let (mut opened, mut closed, mut hash) = (false, false, false);
        for _ in 0..MAX_LAYERS {
            let Some((next, layer)) = peel(bare) else {
                break;
            };
            opened |= matches!(layer, Layer::Quotes | Layer::Opening);
            closed |= matches!(layer, Layer::Quotes | Layer::Closing);
            hash |= layer == Layer::Hash;
            bare = next;
            forms.push(bare.to_owned());
        }
        Self {
            forms,
            core: bare.to_owned(),
            is_marked: (opened && closed) || hash,
        }
    }

    fn is_number(&self) -> bool {
        let mut short = self
            .forms
            .iter()
            .filter(|form| form.len() <= form::MAX_FORM);
        short.any(|form| form::Number::read(form).is_some())
    }

    fn core_form<'a, T>(&'a self, read: impl FnOnce(&'a str) -> Option<T>) -> Option<T> {
        (self.core.len() <= form::MAX_FORM)
            .then(|| read(&self.core))
            .flatten()
    }

    /// All of them, and those of times and URLs.
    fn all(&self) -> Vec<String> {
        let mut all = self.forms.clone();
        let short = self
            .forms
            .iter()
            .filter(|form| form.len() <= form::MAX_FORM);
        for form in short {
            let without_zone = form.strip_suffix('z').unwrap_or(form);
            if form::clock(without_zone).is_some() {
                all.push(plain_time(without_zone));
            }
        }
        all.extend(self.forms.iter().flat_map(|form| urls(form)));
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// What names the same as a URL: it without its scheme, and with the slash of its root.
fn urls(form: &str) -> Vec<String> {
    let bare = form
        .strip_prefix("https://")
        .or_else(|| form.strip_prefix("http://"));
    let mut urls = match bare {
        Some(bare) => vec![bare.to_owned(), form.to_owned()],
        // Its scheme is understood.
        None if is_page(form) => vec![format!("https://{form}"), form.to_owned()],
        None => return Vec::new(),
    };
    let host = bare.unwrap_or(form);
    if !host.is_empty() && !host.contains(['/', '?', '#', '\\']) {
        let with_slash = urls.iter().map(|url| format!("{url}/")).collect::<Vec<_>>();
        urls.extend(with_slash);
    }
    urls.retain(|url| !url.is_empty() && url != form);
    urls
}

/// Whether people write it for a page of the web: it begins with `www.`, or is a host with a path. A host alone may
/// be the name of a file.
fn is_page(form: &str) -> bool {
    let is_host = |host: &str| {
        let labels = host.split('.');
        let is_label = |label: &str| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let last = host.rsplit_once('.').map(|(_, last)| last);
        let is_top = |last: &str| last.len() > 1 && last.bytes().all(|b| b.is_ascii_alphabetic());
        labels.clone().all(is_label) && last.is_some_and(is_top)
    };
    form.starts_with("www.") || form.split_once('/').is_some_and(|(host, _)| is_host(host))
}

/// What was around a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    Quotes,
    Opening,
    Closing,
    Hash,
    Other,
}

/// A word without the outermost sign around it. `None` if there is none, or nothing else.
fn peel(word: &str) -> Option<(&str, Layer)> {
    let (first, last) = (word.chars().next()?, word.chars().next_back()?);
    let rest = word.get(first.len_utf8()..)?;
    let begin = word.get(..word.len() - last.len_utf8())?;
    let inner = rest.strip_suffix(last);
    let has = |all: &[char], c: char| all.contains(&c);
    let bracket = |c: char| OPENING.iter().position(|o| *o == c);
    let closing = |c: char| CLOSING.iter().position(|o| *o == c);
    let (next, layer) = if has(&QUOTES, first) && has(&QUOTES, last) {
        (inner?, Layer::Quotes)
    } else if bracket(first).is_some() && bracket(first) == closing(last) {
        (inner?, Layer::Other)
    } else if has(&TRAILING, last) && !is_path_of_dots(word) {
        (begin, Layer::Other)
    } else if has(&QUOTES, last) {
        (begin, Layer::Closing)
    } else if let Some(at) = closing(last)
        && OPENING
            .get(at)
            .is_some_and(|opening| !word.contains(*opening))
    {
        (begin, Layer::Other)
    } else if has(&QUOTES, first) {
        (rest, Layer::Opening)
    } else if let Some(at) = bracket(first)
        && CLOSING
            .get(at)
            .is_some_and(|closing| !word.contains(*closing))
    {
        (rest, Layer::Other)
    } else if let Some(owner) = word.strip_suffix("'s").or_else(|| word.strip_suffix("’s")) {
        (owner, Layer::Other)
    } else if first == '#' {
        (rest, Layer::Hash)
    } else if last == '/' && !begin.ends_with(['/', ':']) {
        (begin, Layer::Other)
    } else {
        return None;
    };
    (!next.is_empty()).then_some((next, layer))
}

/// Whether a word ends in a path's `..`, which is not punctuation.
fn is_path_of_dots(word: &str) -> bool {
    let before = word.trim_end_matches('.');
    word.len() - before.len() >= 2 && (before.is_empty() || before.ends_with(['/', '\\']))
}

#[cfg(test)]
mod tests;
