//! Circles of imports: within each module of a crate, its child modules must not import each other, neither
//! directly nor through others.
//!
//! Paths in the source are read as text: `crate::…` and `super::…`, with groups, and `pub use` as it is followed.
//! Tests do not count.

mod paths;

use std::collections::{BTreeMap, BTreeSet};

use super::{CircleRule, Source};
use paths::{is_in_tests, module_path, uses};

/// A module as the segments of its path, without `crate`.
type ModulePath = Vec<String>;

/// What is wrong, a line each.
pub(super) fn check(rule: &CircleRule, sources: &[Source]) -> Vec<String> {
    let mut crates: BTreeMap<&str, Vec<(ModulePath, &str)>> = BTreeMap::new();
    for source in sources {
        let file = source
            .path
            .strip_prefix("host/")
            .and_then(|path| path.split_once("/src/"));
        let Some((name, file)) = file.filter(|(_, file)| file.ends_with(".rs")) else {
            continue;
        };
        let module = module_path(file);
        if !is_in_tests(&module) {
            let files = crates.entry(name).or_default();
            files.push((module, &source.text));
        }
    }
    let mut edges = BTreeMap::new();
    for (name, files) in &crates {
        edges.extend(Modules::of(files).edges(name, files));
    }
    let mut unused: BTreeSet<&String> = rule.except.iter().collect();
    edges.retain(|edge, _| {
        let excepted = format!("{}: {} -> {}", edge.parent, edge.from, edge.to);
        unused.remove(&excepted);
        !rule.except.contains(&excepted)
    });
    let mut wrong: Vec<String> = circular(&edges)
        .map(|(edge, place)| {
            let Edge { parent, from, to } = edge;
            format!("{parent}: {from} imports {to}, which leads back to {from}; see {place}")
        })
        .collect();
    wrong.extend(unused.into_iter().map(|excepted| {
        format!("“{excepted}” under `circles` is not there any more: take it out")
    }));
    wrong
}

/// One child module of `parent` imports another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    /// The module that both are in, beginning with the crate's folder.
    parent: String,
    from: String,
    to: String,
}

/// The edges that are part of a circle, each with a place.
fn circular(edges: &BTreeMap<Edge, String>) -> impl Iterator<Item = (&Edge, &String)> {
    edges.iter().filter(|(edge, _)| {
        let mut reached = BTreeSet::new();
        let mut open = vec![&edge.to];
        while let Some(next) = open.pop() {
            let further = edges.keys().filter(|other| other.parent == edge.parent);
            for other in further.filter(|other| other.from == *next) {
                if reached.insert(&other.to) {
                    open.push(&other.to);
                }
            }
        }
        reached.contains(&edge.from)
    })
}

/// The modules of one crate, and what they export again.
struct Modules<'a> {
    modules: BTreeSet<&'a [String]>,
    /// The path of a name that is exported again, by the path under which it is.
    exported: BTreeMap<ModulePath, ModulePath>,
}

/// Exports that lead to another export are followed so often.
const MAX_EXPORTS: usize = 8;

impl<'a> Modules<'a> {
    fn of(files: &'a [(ModulePath, &str)]) -> Self {
        let mut exported = BTreeMap::new();
        for (module, text) in files {
            for used in uses(text, module) {
                let Some(name) = used.exported else { continue };
                let under = [module.as_slice(), &[name]].concat();
                if under != used.path {
                    exported.insert(under, used.path);
                }
            }
        }
        Self {
            modules: files.iter().map(|(module, _)| module.as_slice()).collect(),
            exported,
        }
    }

    /// The module in which what is at `path` is.
    fn module(&self, path: &[String]) -> ModulePath {
        let mut path = path.to_vec();
        for _ in 0..MAX_EXPORTS {
            let length = (0..=path.len())
                .rev()
                .find(|length| {
                    path.get(..*length)
                        .is_some_and(|m| self.modules.contains(m))
                })
                .unwrap_or(0);
            let (name, rest) = path.split_at((length + 1).min(path.len()));
            match self.exported.get(name) {
                Some(target) => path = [target.as_slice(), rest].concat(),
                None => {
                    path.truncate(length);
                    break;
                }
            }
        }
        path
    }

    /// Imports between children of the same module, each with one place.
    fn edges(&self, name: &str, files: &[(ModulePath, &str)]) -> BTreeMap<Edge, String> {
        let mut edges = BTreeMap::new();
        for (from, text) in files {
            for used in uses(text, from) {
                let to = self.module(&used.path);
                let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
                let (Some(child), Some(sibling)) = (from.get(common), to.get(common)) else {
                    continue;
                };
                let parent = [&[name.to_owned()], from.get(..common).unwrap_or_default()];
                let edge = Edge {
                    parent: parent.concat().join("::"),
                    from: child.clone(),
                    to: sibling.clone(),
                };
                let place = format!("{} -> {}", from.join("::"), used.path.join("::"));
                edges.entry(edge).or_insert(place);
            }
        }
        edges
    }
}

#[cfg(test)]
mod tests;
