//! Dependencies between crates.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::CrateRule;
use crate::command::cargo;

/// The used part of `cargo metadata`.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    /// Absent for a normal dependency; `dev` or `build` for others.
    kind: Option<String>,
}

/// Violations, one line each.
pub(super) fn check(rules: &BTreeMap<String, CrateRule>) -> Result<Vec<String>> {
    let output = cargo(&["metadata", "--locked", "--format-version", "1"]).output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    Ok(broken(rules, &metadata))
}

fn broken(rules: &BTreeMap<String, CrateRule>, metadata: &Metadata) -> Vec<String> {
    let graph = Graph::of(metadata);
    let mut wrong = Vec::new();
    for id in &metadata.workspace_members {
        let name = graph.name(id);
        let Some(rule) = rules.get(name) else {
            continue;
        };
        let because = &rule.because;
        for used in graph.uses(id) {
            let member = metadata.workspace_members.contains(used);
            if member && !rule.may_use.contains(graph.name(used)) {
                wrong.push(format!(
                    "{name} depends on {}, which it must not: {because}",
                    graph.name(used)
                ));
            }
        }
        for used in graph.reaches(id) {
            if rule.never.contains(graph.name(used)) {
                wrong.push(format!(
                    "{name} reaches {}, which it must not: {because}",
                    graph.name(used)
                ));
            }
        }
    }
    wrong
}

/// Normal dependencies, by package id.
struct Graph<'a> {
    names: BTreeMap<&'a str, &'a str>,
    edges: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Graph<'a> {
    fn of(metadata: &'a Metadata) -> Self {
        let names = metadata.packages.iter();
        let nodes = metadata.resolve.nodes.iter();
        Self {
            names: names.map(|p| (p.id.as_str(), p.name.as_str())).collect(),
            edges: nodes
                .map(|node| {
                    let normal = node.deps.iter().filter(|dependency| {
                        dependency.dep_kinds.iter().any(|kind| kind.kind.is_none())
                    });
                    (node.id.as_str(), normal.map(|d| d.pkg.as_str()).collect())
                })
                .collect(),
        }
    }

    fn name(&self, id: &str) -> &'a str {
        self.names.get(id).copied().unwrap_or_default()
    }

    fn uses(&self, id: &str) -> impl Iterator<Item = &'a str> {
        self.edges.get(id).into_iter().flatten().copied()
    }

    /// All direct and indirect dependencies of a package.
    fn reaches(&self, id: &str) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&str> = self.uses(id).collect();
        while let Some(next) = open.pop() {
            if reached.insert(next) {
                open.extend(self.uses(next));
            }
        }
        reached
    }
}

#[cfg(test)]
mod tests;
