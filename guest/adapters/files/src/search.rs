//! The tool `search`: files by name, by content, or both. Bounded; it reports what it left out.

use tollgate_guest::files::Kind;
use tollgate_guest::{Json, ToolError, arguments, files, output, tool};

use crate::grant::chosen;
use crate::pattern;

/// The deepest directory level.
const DEEPEST: usize = 32;
/// The most directory entries.
const MOST_ENTRIES: usize = 5_000;
/// The largest file whose content is searched: each is read whole.
const LARGEST: u64 = 1 << 20;
/// The most characters of a line that are shown.
const LONGEST_LINE: usize = 200;
/// The most skipped paths that are named.
const MOST_SKIPPED: usize = 20;

/// What to search for.
#[arguments]
pub(crate) struct Search {
    /// The directory's name, as the operator granted it. Leave it out when there is only one.
    grant: Option<String>,
    /// Search only in this directory; empty for the granted directory itself.
    #[serde(default)]
    path: String,
    /// A pattern for the file's name, such as `*.md`, or for its path, such as `notes/**/*.md`.
    names: Option<String>,
    /// A text that a line of the file must contain, to the letter.
    text: Option<String>,
    /// Treat capital and small letters alike in `text`.
    #[serde(default)]
    ignore_case: bool,
    /// How many matches to return.
    #[serde(default = "default_limit")]
    #[schemars(range(min = 1, max = 200))]
    limit: u32,
}

fn default_limit() -> u32 {
    50
}

/// What was found.
#[output]
#[derive(Default)]
pub(crate) struct Found {
    /// The matches, by path and line.
    matches: Vec<Match>,
    /// Whether there may be more: the limit was reached, or not everything was looked at.
    incomplete: bool,
    /// What was not looked at, and why: the first twenty.
    skipped: Vec<String>,
}

/// A match.
#[output]
struct Match {
    /// The file's path in the grant.
    path: String,
    /// The line's number, from 1. Absent when only names were searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    /// The line, shortened if it is long.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// Searches files by name, by content, or both. Give `names`, `text`, or both of them.
#[tool(read_only, idempotent)]
pub(crate) fn search(args: Search) -> Result<(String, Json<Found>), ToolError> {
    if args.names.is_none() && args.text.as_deref().is_none_or(str::is_empty) {
        return Err(ToolError::invalid("give `names`, `text`, or both of them"));
    }
    let grant = chosen(args.grant.clone())?;
    let mut walk = Walk {
        grant: &grant,
        args: &args,
        found: Found::default(),
        entries: 0,
    };
    walk.directory(&args.path, 0)?;
    let found = walk.found;
    Ok((rendered(&found), Json(found)))
}

struct Walk<'a> {
    grant: &'a str,
    args: &'a Search,
    found: Found,
    entries: usize,
}

impl Walk<'_> {
    /// Only the requested directory must be readable; below it, refused entries are skipped.
    fn directory(&mut self, path: &str, depth: usize) -> Result<(), ToolError> {
        for entry in files::list(self.grant, path)? {
            self.entries += 1;
            if self.full() {
                self.found.incomplete = true;
                return Ok(());
            }
            let path = if path.is_empty() {
                entry.name
            } else {
                format!("{path}/{}", entry.name)
            };
            match entry.kind {
                Kind::Directory if depth >= DEEPEST => self.skip(&path, "too deep"),
                Kind::Directory => {
                    if let Err(error) = self.directory(&path, depth + 1) {
                        self.skip(&path, error);
                    }
                }
                Kind::File => self.file(path, entry.size),
            }
        }
        Ok(())
    }

    fn file(&mut self, path: String, size: u64) {
        if self
            .args
            .names
            .as_deref()
            .is_some_and(|names| !pattern::fits(names, &path))
        {
            return;
        }
        let Some(wanted) = self.args.text.as_deref().filter(|text| !text.is_empty()) else {
            self.found.matches.push(Match {
                path,
                line: None,
                text: None,
            });
            return;
        };
        if size > LARGEST {
            return self.skip(&path, format_args!("over {LARGEST} bytes"));
        }
        let content = match files::read_to_string(self.grant, &path) {
            Ok(content) => content,
            Err(error) => return self.skip(&path, error),
        };
        let wanted = if self.args.ignore_case {
            wanted.to_lowercase()
        } else {
            wanted.to_owned()
        };
        for (number, line) in (1..).zip(content.lines()) {
            let hit = if self.args.ignore_case {
                line.to_lowercase().contains(&wanted)
            } else {
                line.contains(&wanted)
            };
            if !hit {
                continue;
            }
            if self.full() {
                self.found.incomplete = true;
                return;
            }
            self.found.matches.push(Match {
                path: path.clone(),
                line: Some(number),
                text: Some(shortened(line)),
            });
        }
    }

    fn full(&self) -> bool {
        self.found.matches.len() >= self.args.limit as usize || self.entries > MOST_ENTRIES
    }

    fn skip(&mut self, path: &str, why: impl core::fmt::Display) {
        self.found.incomplete = true;
        if self.found.skipped.len() < MOST_SKIPPED {
            self.found.skipped.push(format!("{path}: {why}"));
        }
    }
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(LONGEST_LINE) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or(line)),
        None => line.to_owned(),
    }
}

fn rendered(found: &Found) -> String {
    let mut lines: Vec<String> = found
        .matches
        .iter()
        .map(|found| match (&found.line, &found.text) {
            (Some(line), Some(text)) => format!("{}:{line}: {text}", found.path),
            _ => found.path.clone(),
        })
        .collect();
    if lines.is_empty() {
        lines.push("Nothing was found.".to_owned());
    }
    if found.incomplete {
        lines.push("There may be more.".to_owned());
    }
    lines.extend(
        found
            .skipped
            .iter()
            .map(|skipped| format!("Not searched: {skipped}")),
    );
    lines.join("\n")
}

#[cfg(test)]
mod tests;
