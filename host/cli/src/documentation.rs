//! The examples of the documentation: each one is loaded or parsed as it stands there.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
};

use clap::{CommandFactory as _, Parser as _};
use tollgate::{capture::Detectors, config::Config};
use tollgate_policy::case::Case;

use crate::args::Cli;

/// A code block of a page.
struct Block {
    page: PathBuf,
    /// Its first line, from 1.
    line: usize,
    /// What follows the fence, such as `toml`.
    language: String,
    text: String,
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.page.display(), self.line)
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn pages() -> Vec<PathBuf> {
    let root = repository();
    let mut pages = vec![
        root.join("README.md"),
        root.join("examples/README.md"),
        root.join("policies/README.md"),
    ];
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let mut open: Option<Block> = None;
        for (number, line) in text.lines().enumerate() {
            match (&mut open, line.strip_prefix("```")) {
                (None, Some(language)) => {
                    open = Some(Block {
                        page: page.clone(),
                        line: number + 2,
                        language: language.to_owned(),
                        text: String::new(),
                    });
                }
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(block), None) => block.text.push_str(&format!("{line}\n")),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a fence is open", page.display());
    }
    blocks
}

fn blocks_in(language: &str) -> Vec<Block> {
    let found: Vec<Block> = blocks()
        .into_iter()
        .filter(|block| block.language == language)
        .collect();
    assert!(!found.is_empty(), "there is no example in {language}");
    found
}

/// Tables that an example refers to and that its page shows elsewhere, unless the example has them.
const OTHER_TABLES: &[(&str, &str)] = &[
    ("[users.alice]", "[users.alice]\nroles = [\"operator\"]\n"),
    ("[users.bob]", "[users.bob]\n"),
    (
        "[agents.support]",
        "[agents.support]\noperator = \"alice\"\n",
    ),
];

/// The result of loading an example of another file than `tollgate.toml`: of policy cases, or of rules that
/// find secrets.
fn other_file(text: &str) -> Option<Result<(), String>> {
    if text.starts_with("[[case]]") {
        let cases: Result<CaseFile, _> = toml::from_str(text);
        let named = |cases: CaseFile| cases.case.iter().all(|case| !case.name.is_empty());
        return Some(match cases.map(named) {
            Ok(true) => Ok(()),
            Ok(false) => Err("a case has no name".into()),
            Err(error) => Err(error.to_string()),
        });
    }
    if text.starts_with("[[rules]]") {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("rules.toml");
        fs::write(&file, text).unwrap();
        let rules = Detectors::new(&BTreeMap::new(), &[file]);
        return Some(rules.map(drop).map_err(|error| error.to_string()));
    }
    None
}

/// A file of policy cases.
#[derive(serde::Deserialize)]
struct CaseFile {
    case: Vec<Case>,
}

#[test]
fn every_example_of_a_configuration_loads() {
    let mut faults = Vec::new();
    for block in blocks_in("toml") {
        if let Some(other) = other_file(&block.text) {
            faults.extend(other.err().map(|error| format!("{block}: {error}")));
            continue;
        }
        let mut text = block.text.clone();
        for (table, whole) in OTHER_TABLES {
            if !text.contains(table) {
                text.push_str(&format!("\n{whole}"));
            }
        }
        if let Err(error) = Config::parse(Path::new("/gate/tollgate.toml"), &text) {
            faults.push(format!("{block}: {error}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_example_in_json_is_json() {
    for block in blocks_in("json") {
        let parsed = serde_json::from_str::<serde_json::Value>(&block.text);
        assert!(parsed.is_ok(), "{block}: {parsed:?}");
    }
}

/// The words of a line of a shell, without comments and redirections.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word): (Vec<String>, Option<String>) = (Vec::new(), None);
    let mut quote = None;
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '\\') => word.get_or_insert_default().extend(characters.next()),
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, '#') if word.is_none() => break,
            // The next command, or a file.
            (None, '|' | '&' | ';' | '>' | '<') => break,
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// An id or a number where the documentation leaves one out.
fn filled(word: &str) -> String {
    if word.starts_with("sha256:") && word.ends_with('…') {
        return format!("sha256:{}", "0".repeat(64));
    }
    for prefix in ["apr-", "tok-"] {
        if word == format!("{prefix}…") {
            return format!("{prefix}0707070707070707");
        }
    }
    word.replace("dec-…", "dec-1")
}

/// Why a line with a command is not one that `tollgate` takes.
fn fault(line: &str) -> Option<String> {
    let line = line.trim_start().trim_start_matches("$ ");
    let words: Vec<String> = words(line).iter().map(|word| filled(word)).collect();
    if words.first().map(String::as_str) != Some("tollgate") {
        return None;
    }
    Cli::try_parse_from(words)
        .err()
        .map(|error| error.to_string())
}

/// Lines that end with a backslash, and those after them, as one.
fn joined(text: &str) -> String {
    text.replace("\\\n", " ")
}

#[test]
fn every_command_of_the_documentation_parses() {
    let (mut commands, mut faults) = (0, Vec::new());
    for block in blocks() {
        if !matches!(&*block.language, "" | "sh" | "text") {
            continue;
        }
        for line in joined(&block.text).lines() {
            let is_command = ["tollgate ", "$ tollgate "]
                .iter()
                .any(|begin| line.starts_with(begin));
            commands += usize::from(is_command);
            if is_command && let Some(fault) = fault(line) {
                faults.push(format!("{block}: {line}\n{fault}"));
            }
        }
    }
    assert!(commands > 50, "only {commands} commands were found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_command_in_a_help_text_parses() {
    fn check(command: &clap::Command, commands: &mut usize, faults: &mut Vec<String>) {
        let help = command.get_after_help().map(ToString::to_string);
        for line in joined(&help.unwrap_or_default()).lines() {
            if !line.trim_start().starts_with("$ tollgate ") {
                continue;
            }
            *commands += 1;
            faults.extend(fault(line).map(|fault| format!("{line}\n{fault}")));
        }
        for command in command.get_subcommands() {
            check(command, commands, faults);
        }
    }
    let (mut commands, mut faults) = (0, Vec::new());
    check(&Cli::command(), &mut commands, &mut faults);
    assert!(commands > 50, "only {commands} commands were found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
