//! Files of policies.

use std::{
    collections::HashSet,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use tollgate_policy::policy::{PolicyFile, nearest};

use super::ConfigError;

/// Bytes that a file of policies may have; 50,000 policies fit.
const MAX_POLICY_FILE: u64 = 16 << 20;

/// Bytes that all files of policies may have.
const MAX_POLICIES: usize = 128 << 20;

/// Files and folders that a directory of policies may have.
const MAX_ENTRIES: usize = 20_000;

/// The mark at the beginning of a text in UTF-8 that some editors write.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The text of one file of policies.
///
/// # Errors
/// If it cannot be read, or is larger than any file of policies is.
pub fn policy_file(path: &Path) -> Result<String, ConfigError> {
    let failed = |message: String, help: &str| ConfigError {
        file: path.to_path_buf(),
        line: 0,
        column: 0,
        message,
        help: help.into(),
    };
    // A pipe would never end.
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(failed(
            "it is not a file".into(),
            "move it out of the policies",
        ));
    }
    let mut text = String::new();
    let read = fs::File::open(path)
        .and_then(|file| file.take(MAX_POLICY_FILE + 1).read_to_string(&mut text));
    match read {
        Ok(bytes) if bytes as u64 > MAX_POLICY_FILE => Err(failed(
            format!("it is larger than {} MiB", MAX_POLICY_FILE >> 20),
            "split it into several files, or move it out of the policies",
        )),
        Ok(_) if text.contains('\0') => Err(failed(
            "it contains a NUL, so it is not a text in UTF-8".into(),
            "write it anew as text in UTF-8",
        )),
        Ok(_) => Ok(match text.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) => rest.to_owned(),
            None => text,
        }),
        Err(e) => Err(failed(
            format!("it cannot be read: {e}"),
            "make it a readable text file in UTF-8, or move it out of the policies",
        )),
    }
}

/// Adds `dir` and every directory and file below it, as policies are loaded: links to directories are followed.
///
/// # Errors
/// The directory that cannot be read, that is found twice because of a link, or with which they are too many. What was
/// found before is added.
pub fn policy_paths(dir: &Path, paths: &mut Vec<PathBuf>) -> Result<(), (PathBuf, io::Error)> {
    let mut pending = vec![dir.to_path_buf()];
    let mut seen = HashSet::new();
    let before = paths.len();
    while let Some(directory) = pending.pop() {
        paths.push(directory.clone());
        let failed = |error| (directory.clone(), error);
        if !seen.insert(fs::canonicalize(&directory).map_err(failed)?) {
            let twice = "it is found twice because of a link: remove the link";
            return Err(failed(io::Error::other(twice)));
        }
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if paths.len() + pending.len() - before >= MAX_ENTRIES {
                let many = format!(
                    "the policies are more than {MAX_ENTRIES} files and folders: write more policies into each file"
                );
                return Err(failed(io::Error::other(many)));
            }
            match path.is_dir() {
                true => pending.push(path),
                false => paths.push(path),
            }
        }
    }
    Ok(())
}

/// Every `*.cedar` file below `dir`, by name.
///
/// # Errors
/// If the directory or a file in it cannot be read.
pub fn policy_files(dir: &Path) -> Result<Vec<PolicyFile>, ConfigError> {
    let failed = |path: &Path, e: &io::Error| ConfigError {
        file: path.to_path_buf(),
        line: 0,
        column: 0,
        message: format!("it cannot be read: {e}"),
        help: "`dir` and `shadow` under [policies] are directories of .cedar files".into(),
    };
    let mut paths = Vec::new();
    let listed = policy_paths(dir, &mut paths);
    listed.map_err(|(path, error)| failed(&path, &error))?;
    let mut files = Vec::new();
    let mut bytes = 0;
    for path in paths {
        if path.extension().is_some_and(|e| e == "cedar") && !path.is_dir() {
            let text = policy_file(&path)?;
            bytes += text.len();
            if bytes > MAX_POLICIES {
                let many = format!("the policies are larger than {} MiB", MAX_POLICIES >> 20);
                return Err(failed(&path, &io::Error::other(many)));
            }
            let name = path.strip_prefix(dir).unwrap_or(&path);
            let name: Vec<String> = name
                .components()
                .map(|c| c.as_os_str().to_string_lossy().into_owned())
                .collect();
            files.push(PolicyFile {
                name: name.join("/"),
                text,
            });
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// Files below `dir` that are not loaded although their name resembles that of a file of policies.
#[must_use]
pub fn misnamed_policy_files(dir: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    // What cannot be read has been reported by then.
    let _ = policy_paths(dir, &mut paths);
    let resembles = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some((_, extension)) = name.rsplit_once('.') else {
            return false;
        };
        let lower = extension.to_lowercase();
        extension != "cedar"
            && (nearest(&lower, ["cedar"].into_iter()).is_some() || name.ends_with(".cedar.txt"))
    };
    paths.retain(|path| resembles(path) && path.is_file());
    paths.sort();
    paths
}

#[cfg(test)]
mod tests;
