//! YAML as programs write it, read strictly.
//!
//! Block and flow collections of plain, quoted, literal and folded scalars, with indentation by spaces.
//! Anchors, aliases, tags, comments, several documents, complex keys and repeated keys are refused, and so is
//! every scalar that another reader could end elsewhere: what one reader takes for text must never become a
//! field here. What is refused is one text to the caller.

mod scalar;

use serde_json::{Map, Value};

use scalar::{ScalarEnd, is_plain_key, plain_line};

/// The most levels of collections.
const MAX_DEPTH: usize = 32;

/// The value of a text in block style. `None` if it is not a mapping or a sequence that is understood.
pub(super) fn block(text: &str) -> Option<Value> {
    let mut lines = Lines::of(text)?;
    if lines.peek()?.text == "---" {
        lines.at += 1;
    }
    let first = lines.peek()?;
    let (indent, is_collection) = (first.indent, first.opens_collection());
    if !is_collection {
        return None;
    }
    let value = lines.collection(indent, 0)?;
    lines.peek().is_none().then_some(value)
}

/// The value of a text in flow style, such as `{'a': [1, 2]}`.
pub(super) fn flow(text: &str) -> Option<Value> {
    let mut flow = Flow { text, at: 0 };
    let value = flow.value(0)?;
    flow.space();
    (flow.at == text.len()).then_some(value)
}

/// A line without its indentation.
#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    indent: usize,
    text: &'a str,
}

impl Line<'_> {
    fn is_item(&self) -> bool {
        self.text == "-" || self.text.starts_with("- ")
    }

    fn opens_collection(&self) -> bool {
        self.is_item() || key(self.text).is_some()
    }
}

struct Lines<'a> {
    all: Vec<Line<'a>>,
    at: usize,
}

/// A key at the beginning of a line, and what follows its colon.
fn key(text: &str) -> Option<(String, &str)> {
    let (key, rest) = match text.bytes().next()? {
        quote @ (b'\'' | b'"') => match scalar::quoted(text.get(1..)?, quote)? {
            ScalarEnd::Here { value, rest } => (value, rest),
            ScalarEnd::Open => return None,
        },
        _ => {
            let colon = text
                .find(": ")
                .or_else(|| text.strip_suffix(':').map(str::len))?;
            let key = text.get(..colon)?;
            is_plain_key(key).then(|| (key.to_owned(), text.get(colon..).unwrap_or_default()))?
        }
    };
    let rest = rest.strip_prefix(':')?;
    (rest.is_empty() || rest.starts_with(' ')).then(|| (key, rest.trim_matches(' ')))
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let line = |line: &'a str| {
            let bare = line.trim_start_matches(' ');
            // Tabs, and the line ends that only YAML knows, are ambiguous.
            let odd =
                bare.starts_with('\t') || line.contains(['\r', '\u{85}', '\u{2028}', '\u{2029}']);
            (!odd).then(|| Line {
                indent: line.len() - bare.len(),
                text: bare.trim_end_matches(' '),
            })
        };
        let all = text.split('\n').map(line).collect::<Option<Vec<_>>>()?;
        Some(Self { all, at: 0 })
    }

    /// The next line that is not empty.
    fn peek(&mut self) -> Option<Line<'a>> {
        while self
            .all
            .get(self.at)
            .is_some_and(|line| line.text.is_empty())
        {
            self.at += 1;
        }
        self.all.get(self.at).copied()
    }

    fn collection(&mut self, indent: usize, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        match self.peek()?.is_item() {
            true => self.sequence(indent, depth),
            false => self.mapping(indent, depth),
        }
    }

    fn sequence(&mut self, indent: usize, depth: usize) -> Option<Value> {
        let mut items = Vec::new();
        while let Some(line) = self.peek() {
            if line.indent != indent || !line.is_item() {
                break;
            }
            let rest = line.text.get(1..)?;
            let bare = rest.trim_start_matches(' ');
            let inner = Line {
                indent: indent + 1 + rest.len() - bare.len(),
                text: bare,
            };
            if inner.text.is_empty() {
                self.at += 1;
                items.push(self.nested(indent + 1, depth)?);
            } else if inner.opens_collection() {
                *self.all.get_mut(self.at)? = inner;
                items.push(self.collection(inner.indent, depth + 1)?);
            } else {
                self.at += 1;
                items.push(self.scalar(inner.text, indent + 1, depth)?);
            }
        }
        self.ended(indent)?;
        Some(Value::Array(items))
    }

    fn mapping(&mut self, indent: usize, depth: usize) -> Option<Value> {
        let mut members = Map::new();
        while let Some(line) = self.peek() {
            if line.indent != indent || line.is_item() {
                break;
            }
            let (key, rest) = key(line.text)?;
            self.at += 1;
            let value = match rest {
                "" => match self.peek() {
                    // Items of a member may stand as far left as the member.
                    Some(next) if next.indent == indent && next.is_item() => {
                        self.collection(indent, depth + 1)?
                    }
                    _ => self.nested(indent + 1, depth)?,
                },
                rest => self.scalar(rest, indent + 1, depth)?,
            };
            if members.insert(key, value).is_some() {
                return None;
            }
        }
        self.ended(indent)?;
        Some(Value::Object(members))
    }

    /// After a collection, a line is further left, or belongs to the member around it.
    fn ended(&mut self, indent: usize) -> Option<()> {
        match self.peek() {
            Some(line) if line.indent > indent => None,
            _ => Some(()),
        }
    }

    /// What stands below a key or a dash without a value: a collection that is at least this far right, or
    /// nothing.
    fn nested(&mut self, least: usize, depth: usize) -> Option<Value> {
        match self.peek() {
            Some(line) if line.indent >= least => match line.opens_collection() {
                true => self.collection(line.indent, depth + 1),
                false => None,
            },
            _ => Some(Value::Null),
        }
    }

    /// A scalar or a flow collection that begins with `text` and continues in lines at least this far right.
    fn scalar(&mut self, text: &str, least: usize, depth: usize) -> Option<Value> {
        match text.bytes().next()? {
            quote @ (b'\'' | b'"') => self.quoted(text, quote, least),
            b'|' | b'>' => self.literal(text, least),
            b'[' | b'{' => self.flow(text, least, depth),
            _ => self.plain(text, least),
        }
    }

    fn quoted(&mut self, text: &str, quote: u8, least: usize) -> Option<Value> {
        let mut whole = text.get(1..)?.to_owned();
        let mut is_closed = scalar::closes(&whole, quote);
        while !is_closed {
            let line = self.all.get(self.at)?;
            if !line.text.is_empty() && line.indent < least {
                return None;
            }
            is_closed = scalar::closes(line.text, quote);
            whole.push('\n');
            whole.push_str(line.text);
            self.at += 1;
        }
        match scalar::quoted(&whole, quote)? {
            ScalarEnd::Here { value, rest } => rest.is_empty().then_some(Value::String(value)),
            ScalarEnd::Open => None,
        }
    }

    /// A literal or folded block scalar.
    fn literal(&mut self, header: &str, least: usize) -> Option<Value> {
        let mut indent = None;
        for c in header.chars().skip(1) {
            match c {
                '+' | '-' => {}
                '1'..='9' if indent.is_none() => {
                    indent = Some(least - 1 + usize::try_from(c.to_digit(10)?).ok()?);
                }
                _ => return None,
            }
        }
        let mut text = String::new();
        while let Some(line) = self.all.get(self.at) {
            if line.text.is_empty() {
                text.push('\n');
                self.at += 1;
                continue;
            }
            let indent = *indent.get_or_insert(line.indent);
            if line.indent < indent || indent < least {
                break;
            }
            text.extend(std::iter::repeat_n(' ', line.indent - indent));
            text.push_str(line.text);
            text.push('\n');
            self.at += 1;
        }
        // A line that is further left than the text and further right than its key belongs to neither.
        match self.peek() {
            Some(line) if line.indent >= least => None,
            _ => Some(Value::String(text)),
        }
    }

    fn plain(&mut self, text: &str, least: usize) -> Option<Value> {
        let mut whole = plain_line(text, true)?.to_owned();
        while let Some(line) = self.peek() {
            if line.indent < least {
                break;
            }
            whole.push(' ');
            whole.push_str(plain_line(line.text, false)?);
            self.at += 1;
        }
        Some(Value::String(whole))
    }

    fn flow(&mut self, text: &str, least: usize, depth: usize) -> Option<Value> {
        let mut whole = text.to_owned();
        while let Some(line) = self.peek() {
            if line.indent < least {
                break;
            }
            whole.push('\n');
            whole.push_str(line.text);
            self.at += 1;
        }
        let mut flow = Flow {
            text: &whole,
            at: 0,
        };
        let value = flow.value(depth + 1)?;
        flow.space();
        (flow.at == whole.len()).then_some(value)
    }
}

/// A reader of flow style.
struct Flow<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Flow<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\n']).len();
    }

    fn take(&mut self, wanted: char) -> Option<()> {
        self.space();
        self.rest()
            .starts_with(wanted)
            .then(|| self.at += wanted.len_utf8())
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.space();
        match self.rest().bytes().next()? {
            b'[' => self.sequence(depth),
            b'{' => self.mapping(depth),
            _ => self.scalar().map(Value::String),
        }
    }

    fn sequence(&mut self, depth: usize) -> Option<Value> {
        self.take('[')?;
        let mut items = Vec::new();
        while self.take(']').is_none() {
            items.push(self.value(depth + 1)?);
            if self.take(',').is_none() {
                self.take(']')?;
                break;
            }
        }
        Some(Value::Array(items))
    }

    fn mapping(&mut self, depth: usize) -> Option<Value> {
        self.take('{')?;
        let mut members = Map::new();
        while self.take('}').is_none() {
            self.space();
            let key = self.scalar()?;
            self.take(':')?;
            let value = self.value(depth + 1)?;
            if members.insert(key, value).is_some() {
                return None;
            }
            if self.take(',').is_none() {
                self.take('}')?;
                break;
            }
        }
        Some(Value::Object(members))
    }

    fn scalar(&mut self) -> Option<String> {
        let rest = self.rest();
        if let Some(quote @ (b'\'' | b'"')) = rest.bytes().next() {
            let inner = rest.get(1..)?;
            let ScalarEnd::Here { value, rest: after } = scalar::quoted(inner, quote)? else {
                return None;
            };
            self.at = self.text.len() - after.len();
            return Some(value);
        }
        let end = rest.find([',', ':', '[', ']', '{', '}', '\n'])?;
        // A colon within a plain scalar, as in a time, is left to others.
        let plain = plain_line(rest.get(..end)?.trim_matches(' '), true)?;
        if plain.contains(['\'', '"', '\\']) {
            return None;
        }
        self.at += end;
        Some(plain.to_owned())
    }
}

#[cfg(test)]
mod tests;
