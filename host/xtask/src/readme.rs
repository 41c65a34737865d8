//! Compares the README's pictures of the demo with the demo's real output.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::command::{root, say};

/// The section with pictures of the demo, and the following one.
const SECTION: &str = "## What you see";
const NEXT: &str = "\n## ";
/// Replaces parts that differ between two demos: a number, an id, a time.
const VARIABLE: &str = "#";
const UNITS: [&str; 4] = ["µs", "ms", "s", "min"];

/// Plays the demo with `program`, which is the path of this command, and compares.
///
/// # Errors
/// The demo fails, or the README shows lines that it does not print.
pub(crate) fn check(program: &Path) -> Result<()> {
    say("── demo, compared with the README");
    let output = demo(program)?;
    let readme = fs::read_to_string(root().join("README.md")).context("README.md")?;
    let missing = missing(pictures(&readme)?, &output);
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "README.md shows what the demo does not print:\n{}",
        missing.join("\n")
    )
}

/// The output of `cargo xtask demo`, which is shown as well.
fn demo(program: &Path) -> Result<String> {
    let mut child = Command::new(program)
        .arg("demo")
        .stdout(Stdio::piped())
        .spawn()
        .context("the demo cannot be started")?;
    let mut output = String::new();
    for line in child
        .stdout
        .take()
        .into_iter()
        .flat_map(|out| BufReader::new(out).lines())
    {
        let line = line?;
        say(&line);
        output.push_str(&line);
        output.push('\n');
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("the demo ended with {status}");
    }
    Ok(output)
}

/// The lines of the code blocks of the section.
fn pictures(readme: &str) -> Result<Vec<&str>> {
    let (_, rest) = readme
        .split_once(SECTION)
        .with_context(|| format!("README.md has no section `{SECTION}`"))?;
    let section = rest.split_once(NEXT).map_or(rest, |(section, _)| section);
    let blocks = section.split("```").skip(1).step_by(2);
    Ok(blocks.flat_map(str::lines).collect())
}

/// The lines that do not follow the previous line in `output`.
fn missing(lines: Vec<&str>, output: &str) -> Vec<String> {
    let output = words(output);
    let mut at = 0;
    let mut missing = Vec::new();
    for line in lines {
        let wanted = words(line);
        if wanted.is_empty() {
            continue;
        }
        let rest = output.get(at..).unwrap_or_default();
        match rest.windows(wanted.len()).position(|words| words == wanted) {
            Some(found) => at += found + wanted.len(),
            None => missing.push(line.to_owned()),
        }
    }
    missing
}

/// The words of a text, without parts that differ between two demos and without the drawing of the tree.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let is_drawn = word
            .chars()
            .all(|c| matches!(c, '│' | '├' | '└' | '─' | '…'));
        let is_variable = word.contains(|c: char| c.is_ascii_digit());
        let is_unit = UNITS.contains(&word) && words.last().is_some_and(|last| last == VARIABLE);
        if is_drawn || is_unit {
            continue;
        }
        words.push(if is_variable { VARIABLE } else { word }.to_owned());
    }
    words
}

#[cfg(test)]
mod tests;
