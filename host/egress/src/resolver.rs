//! From a name to addresses, once per request.
//!
//! The operating system's resolver answers, as for every other program of the operator. The addresses that
//! it returns are decided, and only they are connected to, which prevents DNS rebinding. No cache, no
//! proxy.

use std::{
    fmt, io,
    net::{IpAddr, ToSocketAddrs as _},
    pin::Pin,
    sync::Arc,
};

use tokio::sync::Semaphore;

/// The most lookups in flight. A slow DNS server delays lookups, not the gate.
const MAX_LOOKUPS: usize = 64;

type Lookup = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// The source of addresses: the operating system, or a test.
#[derive(Clone)]
pub struct Resolver(Arc<dyn Fn(String) -> Lookup + Send + Sync>);

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self::system()
    }
}

impl Resolver {
    /// The operating system's.
    #[must_use]
    pub fn system() -> Self {
        let lookups = Arc::new(Semaphore::new(MAX_LOOKUPS));
        Self(Arc::new(move |name| {
            let lookups = Arc::clone(&lookups);
            Box::pin(async move {
                let permit = lookups.acquire_owned().await.map_err(io::Error::other)?;
                // The name exactly as it was decided: without the final dot, the system could append a
                // search domain.
                let absolute = match name.contains('.') && !name.ends_with('.') {
                    true => format!("{name}."),
                    false => name,
                };
                let lookup = move || {
                    // Held until the system answers, even if the request was abandoned.
                    let _permit = permit;
                    let found = (absolute.as_str(), 0).to_socket_addrs()?;
                    Ok(found.map(|address| address.ip()).collect())
                };
                tokio::task::spawn_blocking(lookup)
                    .await
                    .map_err(io::Error::other)?
            })
        }))
    }

    /// Answers from a function, which is called for each lookup.
    pub fn new(answer: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |name| {
            let answer = answer(&name);
            Box::pin(async move { answer })
        }))
    }

    pub(crate) async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        (self.0)(name.to_owned()).await
    }
}
