//! `cargo xtask house`: rules of the code that the compiler does not check, as data in `.ci/house.json`.
//!
//! The rules: which crates may depend on which, that modules of a crate do not import each other in circles, how
//! long files and functions may be, which phrases must not be used, that links of pages lead somewhere, and that
//! the command and the tests choose the same features of their dependencies.

mod circles;
mod crates;
mod features;
pub(crate) mod links;
mod texts;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::command::{root, say};

const RULES: &str = ".ci/house.json";
/// The files that are read, as patterns of git.
const TEXTS: [&str; 11] = [
    "*.cedar",
    "*.cedarschema",
    "*.js",
    "*.md",
    "*.mjs",
    "*.py",
    "*.rs",
    "*.sql",
    "*.toml",
    "*.trycmd",
    "*.wit",
];

/// The rules, as the file holds them.
#[derive(Deserialize)]
struct Rules {
    files: Vec<LengthRule>,
    functions: Vec<LengthRule>,
    circles: CircleRule,
    phrases: Vec<PhraseRule>,
    phrases_except: BTreeSet<String>,
    crates: BTreeMap<String, CrateRule>,
}

/// How many Rust files or functions may have more lines than `max_lines`.
#[derive(Deserialize)]
struct LengthRule {
    max_lines: usize,
    longer: usize,
}

/// Modules of one parent must not import each other, neither directly nor through others.
#[derive(Deserialize)]
struct CircleRule {
    /// Imports that do not count, as `gate::config: raw -> identity`. Only ever fewer.
    except: BTreeSet<String>,
}

/// How often a phrase may occur. Whole words are compared, without regard to case.
#[derive(Deserialize)]
struct PhraseRule {
    phrase: String,
    /// Longer phrases that contain it and are not counted.
    #[serde(default)]
    but_not: Vec<String>,
    write: String,
    budget: usize,
}

/// Allowed dependencies of a crate of the workspace.
#[derive(Deserialize)]
struct CrateRule {
    /// It is only for tests: other crates may have it as a dev-dependency, and it is not published.
    #[serde(default)]
    for_tests: bool,
    /// Crates of the workspace.
    may_use: BTreeSet<String>,
    /// Crates that it must not depend on, even indirectly.
    never: BTreeSet<String>,
    because: String,
}

/// Checks all rules, and reports every violation.
///
/// # Errors
/// A rule is broken.
pub(crate) fn run() -> Result<()> {
    say("── rules of the house");
    let text = fs::read(root().join(RULES)).with_context(|| format!("{RULES} cannot be read"))?;
    let rules: Rules = serde_json::from_slice(&text).with_context(|| RULES)?;
    let sources = sources()?;
    let mut wrong = texts::check(&rules, &sources);
    wrong.extend(circles::check(&rules.circles, &sources));
    wrong.extend(links::check(&sources, |path| root().join(path).exists()));
    wrong.extend(crates::check(&rules.crates)?);
    wrong.extend(features::check()?);
    if wrong.is_empty() {
        return Ok(());
    }
    wrong.iter().for_each(|line| say(line));
    bail!("{} rules of {RULES} are broken", wrong.len())
}

/// A file of the repository and its text.
struct Source {
    path: String,
    text: String,
}

/// Every text file that is tracked by git.
fn sources() -> Result<Vec<Source>> {
    let output = Command::new("git")
        .current_dir(root())
        .args(["ls-files", "-z", "--"])
        .args(TEXTS)
        .output()
        .context("git cannot be run")?;
    let paths = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut sources = Vec::new();
    for path in paths.split('\0').filter(|path| !path.is_empty()) {
        // Deleted, and not committed yet.
        let Ok(text) = fs::read_to_string(root().join(path)) else {
            continue;
        };
        sources.push(Source {
            path: path.to_owned(),
            text,
        });
    }
    Ok(sources)
}
