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
        at(&format!("{name}/src/lib.rs"), embedded::TOOL),
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

fn manifest(name: &str) -> String {
    embedded::MANIFEST.replacen(
        &format!("name = \"{TEMPLATE}\""),
        &format!("name = \"{name}\""),
        1,
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_of_the_sdk_is_embedded() {
        let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest/sdk");
        let mut found = BTreeSet::new();
        walk(&sdk, "", &mut found);
        let embedded: BTreeSet<String> = embedded::SDK
            .iter()
            .map(|(path, _)| (*path).to_owned())
            .collect();
        assert_eq!(embedded, found);
    }

    fn walk(dir: &Path, below: &str, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{below}{}", path.file_name().unwrap().to_str().unwrap());
            // Follows the link to wit/.
            if path.is_dir() {
                walk(&path, &format!("{name}/"), found);
            } else {
                found.insert(name);
            }
        }
    }

    #[test]
    fn every_file_of_the_other_sdks_is_embedded() {
        let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest");
        for (lang, folder, made) in [
            (Language::Js, "js", "node_modules"),
            (Language::Python, "python", "__pycache__"),
        ] {
            let mut found = BTreeSet::new();
            walk(&guest.join(folder).join("sdk"), "sdk/", &mut found);
            walk(&guest.join(folder).join("template"), "", &mut found);
            found.retain(|path| !path.contains(made));
            found.insert(".gitignore".into());
            let written: BTreeSet<String> = lang
                .sources("x")
                .unwrap()
                .into_iter()
                .map(|(path, _)| path.strip_prefix("tools/x").unwrap().display().to_string())
                .collect();
            assert_eq!(written, found);
            assert!(lang.sources("../x").is_err());
        }
    }

    #[test]
    fn a_workspace_gets_a_member_more() {
        let joined = with_member("[workspace]\nmembers = [\"sdk\", \"hello\"]\nx = 1\n", "b");
        let expected = "[workspace]\nmembers = [\"sdk\", \"hello\", \"b\"]\nx = 1\n";
        assert_eq!(joined.as_deref(), Some(expected));
        assert_eq!(with_member("members = [\n  \"sdk\",\n]", "b"), None);
    }

    #[test]
    fn the_tool_takes_the_name() {
        let sources = tool_sources("weather").unwrap();
        let text = |path: &str| {
            sources
                .iter()
                .find(|(at, _)| at == Path::new(path))
                .unwrap()
                .1
                .clone()
        };
        assert!(text("tools/weather/Cargo.toml").contains("name = \"weather\""));
        assert!(
            text("tools/Cargo.toml").contains("members = [\"sdk\", \"sdk/macros\", \"weather\"]\n")
        );
        assert!(text("tools/Cargo.toml").contains("[workspace.lints.clippy]"));
        assert!(text("tools/sdk/wit/world.wit").contains("world adapter"));
        assert!(text("tools/weather/src/lib.rs").contains("adapter!("));
        let manifests = sources
            .iter()
            .filter(|(path, _)| path.ends_with("Cargo.toml"));
        assert!(
            manifests.into_iter().all(|(_, text)| !text.contains("../")),
            "nothing reaches outside"
        );
    }

    #[test]
    fn names_are_checked() {
        for name in ["a", "my-tool-2"] {
            assert!(tool_sources(name).is_ok(), "{name}");
        }
        for name in [
            "",
            "sdk",
            "-a",
            "2a",
            "A",
            "a_b",
            "a/b",
            "../a",
            "é",
            &"a".repeat(41),
        ] {
            assert!(tool_sources(name).is_err(), "{name}");
        }
    }
}
