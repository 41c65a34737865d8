//! Features of dependencies: the same for the command as for the tests.
//!
//! If they differ, `cargo xtask test` rebuilds dependencies that `cargo xtask demo` has built, and
//! everything above them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use crate::command::cargo;

/// The sets of features in which each package is built.
type Features = BTreeMap<String, BTreeSet<String>>;

/// Violations, one line each.
pub(super) fn check() -> Result<Vec<String>> {
    let command = features("normal,build")?;
    let tests = features("normal,build,dev")?;
    Ok(differences(&command, &tests))
}

fn features(edges: &str) -> Result<Features> {
    let output = cargo(&["tree", "--workspace", "--locked", "--prefix", "none"])
        .args(["--format", "{p}|{f}", "--edges", edges])
        .output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut features = Features::new();
    for line in text.lines() {
        let line = line.strip_suffix(" (*)").unwrap_or(line);
        if let Some((package, set)) = line.split_once('|') {
            let sets = features.entry(package.to_owned()).or_default();
            sets.insert(set.to_owned());
        }
    }
    Ok(features)
}

fn differences(command: &Features, tests: &Features) -> Vec<String> {
    let differ = command.iter().filter(|(package, sets)| {
        tests
            .get(*package)
            .is_some_and(|there| !there.is_subset(sets))
    });
    differ
        .map(|(package, sets)| {
            format!(
                "{package} has the features {sets:?} for the command and {:?} for the tests: name what asks \
                 for them under [dependencies] of tests/Cargo.toml",
                tests.get(package).unwrap_or(&BTreeSet::new())
            )
        })
        .collect()
}

#[cfg(test)]
mod tests;
