//! From HTML to text: the readable text, block by block.
//!
//! It follows the HTML standard's tokenizer only: no script runs, nothing else is loaded, and unmatched
//! tags only lose their formatting.

use fluent_uri::{Uri, UriRef};
use html5gum::{StartTag, Token, Tokenizer};

/// The longest text of a link that is kept, in characters.
const MAX_LINK_TEXT: usize = 200;

/// The contents of a page.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) title: Option<String>,
    pub(crate) text: String,
    pub(crate) links: Vec<Link>,
}

/// A link of a page.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) text: String,
    pub(crate) url: String,
}

/// Elements that end a line, and the number of line feeds.
fn breaks(name: &[u8]) -> usize {
    match name {
        b"br" | b"li" | b"tr" | b"dt" | b"dd" | b"option" | b"summary" | b"figcaption"
        | b"caption" => 1,
        b"p" | b"div" | b"section" | b"article" | b"header" | b"footer" | b"main" | b"nav"
        | b"aside" | b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" | b"ul" | b"ol" | b"dl"
        | b"table" | b"blockquote" | b"pre" | b"hr" | b"form" | b"figure" | b"details"
        | b"body" | b"title" | b"fieldset" | b"address" => 2,
        _ => 0,
    }
}

/// Elements that are skipped with their contents.
fn is_unread(name: &[u8]) -> bool {
    matches!(
        name,
        b"script"
            | b"style"
            | b"noscript"
            | b"template"
            | b"svg"
            | b"math"
            | b"iframe"
            | b"object"
            | b"select"
            | b"textarea"
            | b"canvas"
            | b"audio"
            | b"video"
    )
}

impl Page {
    pub(crate) fn of_text(text: String) -> Self {
        Self {
            text: text.trim_end().to_owned(),
            ..Self::default()
        }
    }

    /// `url` is where it came from: its links are relative to that.
    pub(crate) fn of_html(html: &str, url: &str) -> Self {
        let mut reader = Reader {
            base: base(url),
            ..Reader::default()
        };
        for token in Tokenizer::new(html) {
            match token {
                Ok(Token::StartTag(tag)) => reader.start(&tag),
                Ok(Token::EndTag(tag)) => reader.end(&tag.name),
                Ok(Token::String(text)) => reader.text(&String::from_utf8_lossy(&text.value)),
                _ => {}
            }
        }
        reader.finish()
    }
}

#[derive(Default)]
struct Reader {
    page: Page,
    base: Option<Uri<String>>,
    /// The skipped element, and its nesting in elements of the same name.
    unread: Option<(Vec<u8>, usize)>,
    in_title: bool,
    in_pre: usize,
    /// Line feeds to write, and whether a space is due, before the next text.
    due: usize,
    space: bool,
    /// The open link, and its text so far.
    link: Option<Link>,
}

impl Reader {
    fn start(&mut self, tag: &StartTag<()>) {
        let name: &[u8] = &tag.name;
        if let Some((unread, depth)) = &mut self.unread {
            *depth += usize::from(unread == name && !tag.self_closing);
            return;
        }
        if is_unread(name) {
            if !tag.self_closing {
                self.unread = Some((name.to_vec(), 1));
            }
            return;
        }
        let attribute = |wanted: &[u8]| {
            tag.attributes
                .get(wanted)
                .map(|value| String::from_utf8_lossy(value).trim().to_owned())
        };
        self.due = self.due.max(breaks(name));
        match name {
            b"title" => self.in_title = self.page.title.is_none(),
            b"base" => {
                let href = attribute(b"href").and_then(|href| self.resolve(&href));
                self.base = href
                    .and_then(|href| base(&href))
                    .or_else(|| self.base.take());
            }
            b"pre" => self.in_pre += 1,
            b"li" => self.word("- "),
            b"h1" => self.word("# "),
            b"h2" => self.word("## "),
            b"h3" | b"h4" | b"h5" | b"h6" => self.word("### "),
            b"td" | b"th" => self.space = true,
            b"img" => {
                if let Some(alt) = attribute(b"alt").filter(|alt| !alt.is_empty()) {
                    self.text(&format!("[{alt}]"));
                }
            }
            b"a" => {
                self.close_link();
                let url = attribute(b"href").and_then(|href| self.resolve(&href));
                self.link = url.map(|url| Link {
                    text: String::new(),
                    url,
                });
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &[u8]) {
        if let Some((unread, depth)) = &mut self.unread {
            *depth -= usize::from(unread == name);
            if *depth == 0 {
                self.unread = None;
            }
            return;
        }
        self.due = self.due.max(breaks(name));
        match name {
            b"title" => self.in_title = false,
            b"pre" => self.in_pre = self.in_pre.saturating_sub(1),
            b"a" => self.close_link(),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if self.unread.is_some() {
            return;
        }
        if self.in_title {
            let title: Vec<&str> = text.split_whitespace().collect();
            self.page.title = Some(title.join(" ")).filter(|title| !title.is_empty());
            return;
        }
        if self.in_pre > 0 {
            self.break_lines();
            self.page.text.push_str(text);
            return;
        }
        self.space |= text.starts_with(char::is_whitespace);
        for word in text.split_whitespace() {
            self.word(word);
            self.space = true;
        }
        self.space &= text.ends_with(char::is_whitespace) || text.trim().is_empty();
    }

    fn break_lines(&mut self) {
        let due = core::mem::take(&mut self.due);
        if due == 0 || self.page.text.is_empty() {
            return;
        }
        let kept = self.page.text.trim_end_matches([' ', '\n']).len();
        self.page.text.truncate(kept);
        self.page.text.push_str(if due > 1 { "\n\n" } else { "\n" });
        self.space = false;
    }

    fn word(&mut self, word: &str) {
        self.break_lines();
        let begins = self.page.text.is_empty() || self.page.text.ends_with(['\n', ' ']);
        if self.space && !begins {
            self.page.text.push(' ');
        }
        if let Some(link) = &mut self.link {
            if self.space && !link.text.is_empty() {
                link.text.push(' ');
            }
            link.text.push_str(word);
        }
        self.space = false;
        self.page.text.push_str(word);
    }

    /// An absolute address, if it is a web address.
    fn resolve(&self, href: &str) -> Option<String> {
        let base = self.base.as_ref()?;
        let escaped = escaped(href);
        let resolved = UriRef::parse(escaped.as_str())
            .ok()?
            .resolve_against(base)
            .ok()?;
        let is_web = ["http", "https"].contains(&resolved.scheme().as_str());
        let whole = resolved.as_str();
        let address = whole.split('#').next().unwrap_or(whole).to_owned();
        is_web.then_some(address)
    }

    fn close_link(&mut self) {
        if let Some(mut link) = self.link.take() {
            link.text = link.text.chars().take(MAX_LINK_TEXT).collect();
            self.page.links.push(link);
        }
    }

    fn finish(mut self) -> Page {
        self.close_link();
        let kept = self.page.text.trim_end().len();
        self.page.text.truncate(kept);
        self.page
    }
}

/// The base of relative addresses.
fn base(url: &str) -> Option<Uri<String>> {
    let url = escaped(url);
    let whole = url.split('#').next().unwrap_or_default().to_owned();
    Uri::parse(whole).ok()
}

/// Pages contain invalid addresses, with spaces and any letters.
fn escaped(href: &str) -> String {
    let mut out = String::with_capacity(href.len());
    for byte in href.trim().bytes() {
        match byte {
            b'\t' | b'\n' | b'\r' => {}
            b'!' | b'#'..=b';' | b'=' | b'?'..=b'[' | b']' | b'_' | b'a'..=b'z' | b'~' => {
                out.push(char::from(byte))
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests;
