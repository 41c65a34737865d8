//! The client for outgoing requests: name resolution, trusted roots, and a connection to exactly one
//! address.
//!
//! Certificates are checked against Mozilla's roots, which are compiled in, and those that the operator
//! names. Neither the environment nor the machine's certificate store decides what the gate trusts. Each
//! request is decided separately and has its own connection; there is no pool. Proxies are not used.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        self, ClientConfig, RootCertStore,
        client::Resumption,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
        version::{TLS12, TLS13},
    },
};

use tollgate_model::text::printable;

use crate::{EgressError, NetworkError, Resolver, Target, address};

/// The most addresses that are tried, one after the other.
const MAX_ADDRESSES: usize = 4;
/// How long to wait for one address if there are others.
const CONNECT: Duration = Duration::from_secs(5);

/// The client for outgoing requests. Cheap to clone.
#[derive(Clone)]
pub struct Network {
    resolver: Resolver,
    tls: Arc<ClientConfig>,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").finish_non_exhaustive()
    }
}

impl Network {
    /// Trusts the certificates in these PEM files in addition to Mozilla's.
    ///
    /// # Errors
    /// [`NetworkError`] if a file cannot be read or contains no certificate.
    pub fn new(resolver: Resolver, trust: &[PathBuf]) -> Result<Self, NetworkError> {
        let mut roots = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        for path in trust {
            let failed = |reason: String| NetworkError::Trust {
                path: path.clone(),
                reason,
            };
            let pem = CertificateDer::pem_file_iter(path).map_err(|e| failed(e.to_string()))?;
            let before = roots.len();
            for certificate in pem {
                let certificate = certificate.map_err(|e| failed(e.to_string()))?;
                roots.add(certificate).map_err(|e| failed(e.to_string()))?;
            }
            if roots.len() == before {
                return Err(failed("it contains no certificate".into()));
            }
        }
        let provider = Arc::new(ring::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|e| NetworkError::Tls {
                reason: e.to_string(),
            })?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        // TLS session state of one component's connection must not be visible to another's.
        tls.resumption = Resumption::disabled();
        Ok(Self {
            resolver,
            tls: Arc::new(tls),
        })
    }

    /// The trusted certificates, for clients of other protocols to servers that the operator names.
    #[must_use]
    pub fn tls(&self) -> &Arc<ClientConfig> {
        &self.tls
    }

    /// The addresses of a host, without duplicates.
    ///
    /// # Errors
    /// [`EgressError::Unresolved`].
    pub async fn resolve(&self, target: &Target) -> Result<Vec<IpAddr>, EgressError> {
        if let Some(address) = target.address() {
            return Ok(vec![address]);
        }
        let none = || EgressError::Unresolved(format!("{} has no address", target.host()));
        let found = self
            .resolver
            .addresses(target.host())
            .await
            .map_err(|_| none())?;
        let mut addresses: Vec<IpAddr> = Vec::new();
        for found in found.into_iter().map(address::canonical) {
            if !addresses.contains(&found) {
                addresses.push(found);
            }
        }
        if addresses.is_empty() {
            return Err(none());
        }
        Ok(addresses)
    }

    /// A connection to one of these addresses only.
    pub(crate) async fn connect(
        &self,
        target: &Target,
        addresses: &[IpAddr],
    ) -> Result<(Connection, IpAddr), EgressError> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses.iter().take(MAX_ADDRESSES) {
            let connecting = TcpStream::connect(SocketAddr::new(*address, target.port()));
            match timeout(CONNECT, connecting).await {
                Ok(Ok(stream)) => {
                    let _ = stream.set_nodelay(true);
                    return Ok((self.secured(target, stream).await?, *address));
                }
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(EgressError::Unreachable(format!(
            "{}: {}",
            target.host(),
            last.kind()
        )))
    }

    async fn secured(&self, target: &Target, stream: TcpStream) -> Result<Connection, EgressError> {
        if !target.is_tls() {
            return Ok(Connection::Plain(stream));
        }
        let about = |how: &str| format!("{}: {how}", target.host());
        let name = match target.address() {
            Some(address) => ServerName::IpAddress(address.into()),
            None => ServerName::try_from(target.host().to_owned()).map_err(|_| {
                EgressError::Certificate(about("no certificate can be for this name"))
            })?,
        };
        let stream = TlsConnector::from(Arc::clone(&self.tls))
            .connect(name, stream)
            .await
            .map_err(|e| {
                let how = about(&printable(&e.to_string(), 200));
                if is_about_certificate(&e) {
                    EgressError::Certificate(how)
                } else {
                    EgressError::Tls(how)
                }
            })?;
        Ok(Connection::Tls(Box::new(stream)))
    }
}

fn is_about_certificate(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|e| e.downcast_ref());
    matches!(
        inner,
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented)
    )
}

/// A connection, encrypted or not.
pub(crate) enum Connection {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests;
