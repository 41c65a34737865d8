//! The sources of a tool, as far as it takes to see that they changed.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Folders and kinds of files that builds write.
const MADE: [&str; 6] = [
    "target",
    "node_modules",
    ".venv",
    "__pycache__",
    ".git",
    "dist",
];
/// The most files that are looked at.
const MAX_FILES: usize = 10_000;
/// The deepest folder.
const MAX_DEPTH: usize = 16;

/// Times and sizes of files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Sources(BTreeMap<PathBuf, (Option<SystemTime>, u64)>);

impl Sources {
    /// The sources below a folder. What cannot be read is left out, and links are not followed.
    pub(super) fn read(dir: &Path) -> Self {
        let mut sources = Self::default();
        sources.add(dir, MAX_DEPTH);
        sources
    }

    fn add(&mut self, dir: &Path, left: usize) {
        let Ok(entries) = fs::read_dir(dir) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if MADE.contains(&&*name) || is_output(&name) || self.0.len() >= MAX_FILES {
                continue;
            }
            match entry.metadata() {
                Ok(about) if about.is_dir() && left > 0 => self.add(&entry.path(), left - 1),
                Ok(about) if about.is_file() => {
                    let seen = (about.modified().ok(), about.len());
                    self.0.insert(entry.path(), seen);
                }
                _ => {}
            }
        }
    }
}

/// Components, and what editors and builds leave behind.
fn is_output(name: &str) -> bool {
    name.ends_with(".wasm")
        || name.ends_with('~')
        || name.ends_with(".swp")
        || name.starts_with(".tollgate")
}
