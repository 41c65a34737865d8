//! The cache of compiled code, kept between starts of the gate.
//!
//! Loading cached code means running it, so it is in a directory that only the gate's user may write to.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use wasmtime::{Cache, CacheConfig};

use crate::SandboxError;

/// The cache in `dir`, which is created with mode 0700 and refused if others may have written to it.
pub(crate) fn open_private(dir: &Path) -> Result<Cache, SandboxError> {
    let failed = |reason: String| SandboxError::Cache {
        path: dir.to_owned(),
        reason,
    };
    let io = |e: std::io::Error| failed(e.kind().to_string());
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(io)?;
    let found = fs::symlink_metadata(dir).map_err(io)?;
    if !found.is_dir() {
        return Err(failed("it is not a directory".into()));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(failed("it belongs to another user".into()));
    }
    if found.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(io)?;
        if found.permissions().mode() & 0o022 != 0 {
            // Others could have put code there before.
            return Err(failed(
                "others could write to it until now: empty it, then try again".into(),
            ));
        }
    }
    let absolute = fs::canonicalize(dir).map_err(io)?;
    let mut config = CacheConfig::new();
    // In a separate folder: the cache deletes unknown files.
    config.with_directory(absolute.join("code"));
    Cache::new(config).map_err(|e| failed(format!("{e:#}")))
}
