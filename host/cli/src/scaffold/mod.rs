//! The sources of a new tool, with SDK and WIT, from this binary.
//!
//! They are files of this repository, so `tollgate init` writes tested sources. Building them needs a Rust compiler
//! and the crate registry. This module only lists the files; it writes none.

mod embedded;
mod language;

use std::borrow::Cow;
use std::path::PathBuf;

use thiserror::Error;

pub(crate) use language::Language;

/// A file to write: its path relative to the project's folder, and its text.
pub(crate) type Source = (PathBuf, Cow<'static, str>);

/// The folder of the tools' workspace.
pub(crate) const FOLDER: &str = "tools";
/// The name that the tool has in this repository.
const TEMPLATE: &str = "hello";
/// The longest name of a tool's component, so that the names of its tools fit.
const LONGEST: usize = 40;
/// Reserved names of folders in the workspace.
const TAKEN: [&str; 2] = ["sdk", "target"];

const HEAD: &str = "\
# The tools of this gate: one crate each, and the SDK. Add a tool: copy a crate, change its name, add it here.
# Build one with `tollgate component build tools/NAME`.
";

/// Why a tool cannot have this name.
#[derive(Debug, PartialEq, Eq, Error)]
#[error(
    "`{name}` cannot be a tool's name; take a-z, 0-9 and `-`, beginning with a letter, at most {LONGEST} in \
     all, and none of: {}",
    TAKEN.join(", ")
)]
pub(crate) struct InvalidName {
    name: String,
}

/// The files of a tool called `name`, in `tools/`: its crate, the SDK, the WIT, and their workspace.
pub(crate) fn tool_sources(name: &str) -> Result<Vec<Source>, InvalidName> {
    checked(name)?;
    let mut sources: Vec<Source> = vec![
        at("Cargo.toml", workspace(name)),
        // The tested versions; cargo removes unused entries.
        at("Cargo.lock", embedded::LOCK),
        at("clippy.toml", embedded::CLIPPY),
        at(".gitignore", "target/\n*.wasm\n"),
        at(&format!("{name}/Cargo.toml"), manifest(name)),
        at(&format!("{name}/src/lib.rs"), own(embedded::TOOL, name)),
    ];
    sources.extend(
        embedded::SDK
            .iter()
            .map(|(path, text)| at(&format!("sdk/{path}"), *text)),
    );
    Ok(sources)
}

/// The workspace's manifest with another member, if it has a line for them.
pub(crate) fn with_member(manifest: &str, name: &str) -> Option<String> {
    let line = manifest
        .lines()
        .find(|line| line.starts_with("members = [") && line.trim_end().ends_with(']'))?;
    let (members, _) = line.rsplit_once(']')?;
    Some(manifest.replacen(line, &format!("{members}, \"{name}\"]"), 1))
}

/// Whether a tool can have this name.
fn checked(name: &str) -> Result<(), InvalidName> {
    let fits = (1..=LONGEST).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !TAKEN.contains(&name);
    if !fits {
        return Err(InvalidName {
            name: name.to_owned(),
        });
    }
    Ok(())
}

fn at(path: &str, text: impl Into<Cow<'static, str>>) -> Source {
    (PathBuf::from(FOLDER).join(path), text.into())
}

/// The manifest of the workspace, with this tool as the only member.
fn workspace(name: &str) -> String {
    let mut text = HEAD.to_owned();
    for line in embedded::WORKSPACE
        .lines()
        .skip_while(|line| line.starts_with('#'))
    {
        if line.starts_with("members = ") {
            text.push_str(&format!("members = [\"sdk\", \"sdk/macros\", \"{name}\"]"));
        } else {
            text.push_str(line);
        }
        text.push('\n');
    }
    text
}

/// A text of the template for a tool with this name.
fn own(text: &'static str, name: &str) -> Cow<'static, str> {
    match name {
        TEMPLATE => text.into(),
        _ => language::headed(text, name).into(),
    }
}

fn manifest(name: &str) -> String {
    own(embedded::MANIFEST, name).replacen(
        &format!("name = \"{TEMPLATE}\""),
        &format!("name = \"{name}\""),
        1,
    )
}

#[cfg(test)]
mod tests;
