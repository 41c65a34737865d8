//! The paths in a source file, read as tokens.

use super::ModulePath;

/// The module that a file below `src` is.
pub(super) fn module_path(file: &str) -> ModulePath {
    let stem = file.strip_suffix(".rs").unwrap_or(file);
    let mut path: ModulePath = stem.split('/').map(str::to_owned).collect();
    path.pop_if(|name| ["mod", "lib", "main"].contains(&name.as_str()));
    path
}

/// Whether a module is there for tests only.
pub(super) fn is_in_tests(module: &[String]) -> bool {
    module
        .iter()
        .any(|name| name == "tests" || name.ends_with("_tests"))
}

/// A path of its own crate that a module uses.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UsedPath {
    /// Without `crate` at its beginning.
    pub(super) path: ModulePath,
    /// The name under which the module exports it, if it does.
    pub(super) exported: Option<String>,
}

/// The paths of its own crate in the text of `module`, but not in the module of tests at its end.
pub(super) fn uses(text: &str, module: &[String]) -> Vec<UsedPath> {
    let tokens = tokens(text);
    let mut uses = Vec::new();
    let mut is_export = false;
    for (place, token) in tokens.iter().enumerate() {
        let before = place.checked_sub(1).and_then(|before| tokens.get(before));
        let before = before.map_or("", String::as_str);
        match token.as_str() {
            "use" => is_export = ["pub", ")"].contains(&before),
            ";" => is_export = false,
            _ => {}
        }
        let begins = is_export && before == "use";
        let begins_path = !["::", "$"].contains(&before)
            && tokens.get(place + 1).is_some_and(|next| next == "::");
        let (base, rest) = match token.as_str() {
            "crate" | "super" if !begins_path => continue,
            "crate" => (Vec::new(), place + 2),
            "self" if begins => (module.to_vec(), place + 2),
            "super" => {
                let mut base = module.to_vec();
                base.pop();
                let mut rest = place + 2;
                while tokens.get(rest).is_some_and(|token| token == "super") {
                    base.pop();
                    rest += 2;
                }
                (base, rest)
            }
            _ if begins => (module.to_vec(), place),
            _ => continue,
        };
        let mut reader = Tails {
            tokens: &tokens,
            next: rest,
            found: Vec::new(),
        };
        reader.read(&base);
        uses.extend(reader.found.into_iter().map(|(path, name)| UsedPath {
            path,
            exported: name.filter(|_| is_export),
        }));
    }
    uses
}

/// Reads what follows the beginning of a path: more segments, or a group of paths.
struct Tails<'a> {
    tokens: &'a [String],
    next: usize,
    /// Paths, and the names that they are used by.
    found: Vec<(ModulePath, Option<String>)>,
}

impl Tails<'_> {
    fn token(&self) -> &str {
        self.tokens.get(self.next).map_or("", String::as_str)
    }

    fn read(&mut self, base: &[String]) {
        if self.token() == "{" {
            while !["}", ""].contains(&self.token()) {
                self.next += 1;
                if self.token() != "}" {
                    self.read(base);
                }
            }
            self.next += 1;
            return;
        }
        if !is_name(self.token()) {
            self.next += usize::from(self.token() == "*");
            return;
        }
        let mut path = base.to_vec();
        let mut name = self.token().to_owned();
        if name == "self" {
            self.next += 1;
            self.found.push((path, base.last().cloned()));
            return;
        }
        path.push(name.clone());
        self.next += 1;
        if self.token() == "::" {
            self.next += 1;
            let before = self.found.len();
            self.read(&path);
            if self.found.len() == before {
                // A glob, or the arguments of a generic type.
                self.found.push((path, None));
            }
            return;
        }
        if self.token() == "as" {
            self.next += 1;
            self.token().clone_into(&mut name);
            self.next += 1;
        }
        self.found.push((path, Some(name)));
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// How the module of tests begins that is at the end of a file.
const TESTS: &str = "\n#[cfg(test)]\nmod tests {";

/// Words, `::`, and other characters one by one; without comments, and without what is in string literals.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let text = text.split_once(TESTS).map_or(text, |(code, _)| code);
    let code: Vec<&str> = text.lines().map(without_comment).collect();
    let mut code = code.join("\n");
    code.push('\n');
    let mut rest = code.as_str();
    while let Some(c) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = match c {
            '"' => string_length(rest),
            '\'' if rest.starts_with("'\"'") => 3,
            'r' if rest.starts_with("r#\"") => raw_length(rest),
            _ if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            _ if rest.starts_with("::") => 2,
            _ => c.len_utf8(),
        };
        let (token, after) = rest.split_at(length.min(rest.len()));
        if !c.is_whitespace() && !token.contains('"') {
            tokens.push(token.to_owned());
        }
        rest = after;
    }
    tokens
}

/// A line without the comment at its beginning or after a space.
fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with("//") {
        return "";
    }
    line.split_once(" // ").map_or(line, |(code, _)| code)
}

/// Bytes of the string literal that `text` begins with.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Bytes of the raw string literal that `text` begins with.
fn raw_length(text: &str) -> usize {
    let close = "\"#";
    let body = "r#\"".len();
    let end = text.get(body..).and_then(|text| text.find(close));
    end.map_or(text.len(), |end| body + end + close.len())
}
