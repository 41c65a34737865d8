//! TLS by rustls, where it is configured. Certificates are read again when their files change; a bad one
//! changes nothing.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use axum_server::{
    Server,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use rustls::{ServerConfig, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tollgate::config::TlsConfig;

/// How often it is looked whether the files have changed.
const INTERVAL: Duration = Duration::from_secs(10);

/// Why certificate and key do not serve.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct TlsError {
    /// The file.
    pub path: String,
    /// What is wrong with it. Never what it holds.
    pub reason: String,
}

/// What two files were like when they were read last.
type FileVersions = [Option<(SystemTime, u64)>; 2];

/// Certificate and key, as they are used for new connections. Clones are the same.
#[derive(Clone)]
pub struct Tls {
    files: TlsConfig,
    used: RustlsConfig,
    versions: Arc<Mutex<FileVersions>>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Read certificate and key.
    ///
    /// # Errors
    /// [`TlsError`] if they cannot be read, or do not belong together.
    pub fn load(files: &TlsConfig) -> Result<Self, TlsError> {
        let versions = versions_of(files);
        Ok(Self {
            used: RustlsConfig::from_config(Arc::new(read(files)?)),
            files: files.clone(),
            versions: Arc::new(Mutex::new(versions)),
        })
    }

    /// Reads the files again if one has changed, and returns whether one had. Open connections are not affected.
    ///
    /// # Errors
    /// [`TlsError`]; the previous certificate stays in use.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let now = versions_of(&self.files);
        if *self.versions.lock().unwrap_or_else(PoisonError::into_inner) == now {
            return Ok(false);
        }
        self.used.reload_from_config(Arc::new(read(&self.files)?));
        *self.versions.lock().unwrap_or_else(PoisonError::into_inner) = now;
        Ok(true)
    }

    /// Reads the files again whenever one changes. Calls `failed` once for each new error. After an error, the
    /// files are read again at every interval.
    pub async fn follow(self, failed: impl Fn(&TlsError)) {
        let mut interval = tokio::time::interval(INTERVAL);
        let mut reported = None;
        loop {
            interval.tick().await;
            reported = self.check_again(reported, &failed);
        }
    }

    /// One check. `reported` is the error that was reported last; returns the current one.
    fn check_again(
        &self,
        reported: Option<TlsError>,
        failed: impl Fn(&TlsError),
    ) -> Option<TlsError> {
        let error = self.reload().err()?;
        if reported.as_ref() != Some(&error) {
            failed(&error);
        }
        Some(error)
    }

    /// A server on `listener`.
    ///
    /// # Errors
    /// If the listener fails.
    pub fn server(&self, listener: TcpListener) -> io::Result<Server<SocketAddr, RustlsAcceptor>> {
        axum_server::from_tcp_rustls(listener, self.used.clone())
    }
}

fn versions_of(files: &TlsConfig) -> FileVersions {
    [&files.cert, &files.key].map(|path| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.modified().ok()?, about.len()))
    })
}

fn read(files: &TlsConfig) -> Result<ServerConfig, TlsError> {
    let failed = |path: &Path, reason: String| TlsError {
        path: path.display().to_string(),
        reason,
    };
    let cert = |reason: String| failed(&files.cert, reason);
    let chain: Vec<CertificateDer<'_>> = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect)
        .map_err(|e| cert(format!("no certificate can be read: {e}")))?;
    if chain.is_empty() {
        return Err(cert("it holds no certificate".into()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|e| failed(&files.key, format!("no private key can be read: {e}")))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| cert(e.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|e| cert(format!("it does not serve with this key: {e}")))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests;
