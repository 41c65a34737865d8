//! Files of policies.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use tollgate_policy::policy::PolicyFile;

use super::ConfigError;

/// Bytes that a file of policies may have; 50,000 policies fit.
const MAX_POLICY_FILE: u64 = 16 << 20;

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
    let mut text = String::new();
    let read = fs::File::open(path)
        .and_then(|file| file.take(MAX_POLICY_FILE + 1).read_to_string(&mut text));
    match read {
        Ok(bytes) if bytes as u64 > MAX_POLICY_FILE => Err(failed(
            format!("it is larger than {} MiB", MAX_POLICY_FILE >> 20),
            "split it into several files, or move it out of the policies",
        )),
        Ok(_) => Ok(text),
        Err(e) => Err(failed(
            format!("it cannot be read: {e}"),
            "make it a readable text file in UTF-8, or move it out of the policies",
        )),
    }
}

/// Adds `dir` and every directory and file below it, as policies are loaded: links to directories are followed.
///
/// # Errors
/// The directory that cannot be read. What was found before is added.
pub fn policy_paths(dir: &Path, paths: &mut Vec<PathBuf>) -> Result<(), (PathBuf, io::Error)> {
    let mut pending = vec![dir.to_path_buf()];
    while let Some(directory) = pending.pop() {
        paths.push(directory.clone());
        let failed = |error| (directory.clone(), error);
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
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
        help: "set `dir` under [policies] to a directory of .cedar files".into(),
    };
    let mut paths = Vec::new();
    let listed = policy_paths(dir, &mut paths);
    listed.map_err(|(path, error)| failed(&path, &error))?;
    let mut files = Vec::new();
    for path in paths {
        if path.extension().is_some_and(|e| e == "cedar") && !path.is_dir() {
            let text = policy_file(&path)?;
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
