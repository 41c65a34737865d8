use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use tollgate_model::request::Action;

/// A component's request for a file or directory within one of its grants.
#[derive(Debug, Clone)]
pub struct FileAct {
    /// One of the actions on files and directories.
    pub action: Action,
    /// The grant's name.
    pub grant: String,
    /// The path within the grant: relative, normalised, empty for the grant's own directory.
    pub path: String,
    /// The grant's directory, without links: two grants may reach the same file.
    pub directory: PathBuf,
    /// Bytes to be written; 0 if none are.
    pub size: u64,
    /// The data to be written.
    pub content: Option<FileContent>,
    /// Labels that the operator gave the grant.
    pub grant_labels: BTreeSet<String>,
    /// Labels that the file has taken on. The port looks them up before it decides.
    pub file_labels: BTreeSet<String>,
}

/// Data to be written to a file.
#[derive(Debug, Clone)]
pub struct FileContent {
    /// `write`, `create` or `append`.
    pub operation: &'static str,
    /// Every byte.
    pub bytes: Arc<Vec<u8>>,
}
