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
    /// Registries that it may be published to; absent if to any.
    publish: Option<Vec<String>>,
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
        if let Some(rule) = rules.get(name) {
            wrong.extend(forbidden(name, rule, id, &graph, metadata));
        }
        for used in graph.uses(id, ALL) {
            let test_crate = rules.get(graph.name(used)).filter(|rule| rule.for_tests);
            if let Some(rule) = test_crate {
                wrong.extend(misused(id, used, &rule.because, &graph));
            }
        }
    }
    let published = metadata.packages.iter().filter(|package| {
        let for_tests = rules.get(&package.name).is_some_and(|rule| rule.for_tests);
        for_tests && package.publish.as_ref().is_none_or(|to| !to.is_empty())
    });
    wrong.extend(published.map(|package| {
        let name = &package.name;
        format!("{name} is only for tests: write publish = false in its Cargo.toml")
    }));
    wrong
}

/// Normal dependencies of a member that its rule does not allow.
fn forbidden(
    name: &str,
    rule: &CrateRule,
    id: &str,
    graph: &Graph<'_>,
    metadata: &Metadata,
) -> Vec<String> {
    let because = &rule.because;
    let members = graph
        .uses(id, NORMAL)
        .filter(|used| metadata.workspace_members.contains(*used))
        .map(|used| graph.name(used))
        .filter(|used| !rule.may_use.contains(*used))
        .map(|used| format!("{name} depends on {used}, which it must not: {because}"));
    let reached = graph
        .reaches(id)
        .into_iter()
        .map(|used| graph.name(used))
        .filter(|used| rule.never.contains(*used))
        .map(|used| format!("{name} reaches {used}, which it must not: {because}"));
    members.chain(reached).collect()
}

/// Why `user` must not use `test_crate`, a crate that is only for tests, as it does.
fn misused(user: &str, test_crate: &str, because: &str, graph: &Graph<'_>) -> Option<String> {
    let (name, used) = (graph.name(user), graph.name(test_crate));
    if graph.uses(user, PRODUCT).any(|id| id == test_crate) {
        return Some(format!(
            "{name} depends on {used}, which may only be a dev-dependency: {because}"
        ));
    }
    graph.reaches(test_crate).contains(user).then(|| {
        format!(
            "{name} uses {used} for its tests, and {used} depends on {name}: its unit tests would see two \
             copies of its types; move those tests to tests/"
        )
    })
}

/// Kinds of dependencies, as `cargo metadata` names them.
type Kinds = &'static [Option<&'static str>];

/// Of the crate itself.
const NORMAL: Kinds = &[None];
/// Of the crate itself and of its build script.
const PRODUCT: Kinds = &[None, Some("build")];
const ALL: Kinds = &[None, Some("build"), Some("dev")];

/// Dependencies, by package id.
struct Graph<'a> {
    names: BTreeMap<&'a str, &'a str>,
    edges: BTreeMap<&'a str, &'a [Dependency]>,
}

impl<'a> Graph<'a> {
    fn of(metadata: &'a Metadata) -> Self {
        let names = metadata.packages.iter();
        let nodes = metadata.resolve.nodes.iter();
        Self {
            names: names.map(|p| (p.id.as_str(), p.name.as_str())).collect(),
            edges: nodes
                .map(|node| (node.id.as_str(), node.deps.as_slice()))
                .collect(),
        }
    }

    fn name(&self, id: &str) -> &'a str {
        self.names.get(id).copied().unwrap_or_default()
    }

    fn uses(&self, id: &str, kinds: Kinds) -> impl Iterator<Item = &'a str> + use<'a> {
        let all = self.edges.get(id).copied().unwrap_or_default().iter();
        let of_kind = move |dependency: &&Dependency| {
            let mut found = dependency.dep_kinds.iter();
            found.any(|kind| kinds.contains(&kind.kind.as_deref()))
        };
        all.filter(of_kind)
            .map(|dependency| dependency.pkg.as_str())
    }

    /// All direct and indirect normal dependencies of a package.
    fn reaches(&self, id: &str) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&str> = self.uses(id, NORMAL).collect();
        while let Some(next) = open.pop() {
            if reached.insert(next) {
                open.extend(self.uses(next, NORMAL));
            }
        }
        reached
    }
}

#[cfg(test)]
mod tests;
