//! Documentation of a component's functions, from the `package-docs` section in which WIT tools store it.
//! It is text for people and models, and nothing depends on it. What cannot be read is ignored.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A larger section is ignored.
const MAX_SECTION: usize = 1 << 20;

/// The documentation of a package.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Docs {
    worlds: BTreeMap<String, World>,
    interfaces: BTreeMap<String, Interface>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct World {
    func_imports_or_exports: BTreeMap<String, Function>,
    func_exports: BTreeMap<String, Function>,
    interface_imports_or_exports: BTreeMap<String, Interface>,
    interface_exports: BTreeMap<String, Interface>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Interface {
    funcs: BTreeMap<String, Function>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Function {
    Text(String),
    More { docs: Option<String> },
}

impl Docs {
    /// The section's contents: a version byte, then JSON.
    pub(crate) fn read(section: &[u8]) -> Self {
        match section.split_first() {
            Some((0 | 1, json)) if json.len() <= MAX_SECTION => {
                serde_json::from_slice(json).unwrap_or_default()
            }
            _ => Self::default(),
        }
    }

    /// The documentation of a function of an interface, or of the world itself.
    pub(crate) fn of(&self, interface: Option<&str>, function: &str) -> Option<&str> {
        let found = match interface {
            Some(name) => {
                let inline = self.worlds.values().flat_map(|world| {
                    let exports = world.interface_exports.get(name);
                    exports.or_else(|| world.interface_imports_or_exports.get(name))
                });
                let mut all = self.interfaces.get(name).into_iter().chain(inline);
                all.find_map(|interface| interface.funcs.get(function))
            }
            None => self.worlds.values().find_map(|world| {
                let exports = world.func_exports.get(function);
                exports.or_else(|| world.func_imports_or_exports.get(function))
            }),
        };
        match found? {
            Function::Text(text) => Some(text),
            Function::More { docs } => docs.as_deref(),
        }
    }
}
