//! Secrets: read when first needed, attached by the host, removed from responses.
//!
//! A value is in memory as long as the configuration that names it, is overwritten afterwards, and is never
//! printed. Guests never get a value, and records never contain one.

mod scrub;
mod settings;
mod source;

use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use self::scrub::Forms;
pub use self::{scrub::REMOVED, settings::SecretConfig, source::SecretSource};

/// A shorter value would match other text by chance, and could not be removed reliably.
pub const MIN_LENGTH: usize = 8;
/// The longest value.
pub const MAX_LENGTH: usize = 16 << 10;
/// Issued values that are remembered: the one in use, and those before it that may still come back.
const MAX_ISSUED: usize = 8;

/// Why a secret has no value. It never contains the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// It is not configured.
    #[error("there is no secret `{0}`; add [secrets.{0}] to tollgate.toml")]
    Unknown(String),
    /// Its source failed.
    #[error("the secret `{name}` cannot be read: {reason}")]
    Unreadable {
        /// Its name.
        name: String,
        /// The reason.
        reason: String,
    },
    /// Its value has an invalid length.
    #[error("the secret `{name}` has {length} bytes; use one of {MIN_LENGTH} to {MAX_LENGTH}")]
    Length {
        /// Its name.
        name: String,
        /// The length in bytes.
        length: usize,
    },
}

/// A value that this gate knows, and the forms in which it might come back.
pub struct Secret {
    name: String,
    value: Zeroizing<Vec<u8>>,
    forms: Forms,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Secret {
    /// A secret with this value.
    ///
    /// # Errors
    /// [`SecretError::Length`].
    pub fn new(name: &str, value: &[u8]) -> Result<Self, SecretError> {
        if !(MIN_LENGTH..=MAX_LENGTH).contains(&value.len()) {
            return Err(SecretError::Length {
                name: name.into(),
                length: value.len(),
            });
        }
        Ok(Self {
            name: name.into(),
            value: Zeroizing::new(value.to_vec()),
            forms: Forms::of(value),
        })
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value: only for attaching it to a request or passing it to a process.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }
}

/// The secrets of one configuration.
#[derive(Default)]
pub struct Vault {
    entries: Arc<BTreeMap<String, Entry>>,
    /// Values that were issued to this gate while it runs, such as access tokens; the latest last.
    issued: RwLock<VecDeque<Secret>>,
}

struct Entry {
    source: SecretSource,
    value: OnceCell<Arc<Secret>>,
    /// Whether it was read only in order to scrub it.
    tried: OnceCell<()>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.keys()).finish()
    }
}

impl Vault {
    /// The secrets of a configuration. Nothing is read yet.
    #[must_use]
    pub fn new(secrets: &BTreeMap<String, SecretConfig>) -> Self {
        let entry = |(name, secret): (&String, &SecretConfig)| {
            let (value, tried) = (OnceCell::new(), OnceCell::new());
            (
                name.clone(),
                Entry {
                    source: secret.source.clone(),
                    value,
                    tried,
                },
            )
        };
        Self {
            entries: Arc::new(secrets.iter().map(entry).collect()),
            issued: RwLock::default(),
        }
    }

    /// The same secrets, and issued values of its own: for a connection with its own credentials.
    #[must_use]
    pub fn for_connection(&self) -> Self {
        Self {
            entries: Arc::clone(&self.entries),
            issued: RwLock::default(),
        }
    }

    /// Takes a value that was issued to this gate, so that [`Vault::scrub`] knows it.
    ///
    /// # Errors
    /// [`SecretError::Length`].
    pub fn issue(&self, name: &str, value: &[u8]) -> Result<(), SecretError> {
        let is_known =
            |issued: &VecDeque<Secret>| issued.iter().any(|known| known.value() == value);
        if is_known(&self.issued()) {
            return Ok(());
        }
        let secret = Secret::new(name, value)?;
        let mut issued = self.issued.write().unwrap_or_else(PoisonError::into_inner);
        if issued.len() >= MAX_ISSUED {
            issued.pop_front();
        }
        issued.push_back(secret);
        Ok(())
    }

    fn issued(&self) -> RwLockReadGuard<'_, VecDeque<Secret>> {
        self.issued.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A secret, read on first use. A failed read is tried again next time.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn secret(&self, name: &str) -> Result<Arc<Secret>, SecretError> {
        let entry = self
            .entries
            .get(name)
            .ok_or_else(|| SecretError::Unknown(name.into()))?;
        let read = || async {
            let unreadable = |reason| SecretError::Unreadable {
                name: name.into(),
                reason,
            };
            let value = entry.source.read().await.map_err(unreadable)?;
            Secret::new(name, &value).map(Arc::new)
        };
        entry.value.get_or_try_init(read).await.cloned()
    }

    /// Reads these, each at most once for this purpose, so that [`Vault::scrub`] knows them.
    pub async fn know(&self, names: impl IntoIterator<Item = &String>) {
        for name in names {
            if let Some(entry) = self.entries.get(name) {
                // A secret that cannot be read was not attached either. A concurrent caller waits for the
                // first one.
                let read = async || drop(self.secret(name).await);
                entry.tried.get_or_init(read).await;
            }
        }
    }

    /// Whether no secret is configured, and none was issued.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && !self.has_issued()
    }

    /// Whether a value was issued.
    #[must_use]
    pub fn has_issued(&self) -> bool {
        !self.issued().is_empty()
    }

    /// Removes every secret that was read so far.
    #[must_use]
    pub fn scrub(&self, bytes: Vec<u8>) -> Vec<u8> {
        let known = self.entries.values().filter_map(|entry| entry.value.get());
        let issued = self.issued();
        let forms = known.map(|secret| &secret.forms);
        scrub::scrub(
            bytes,
            forms.chain(issued.iter().map(|secret| &secret.forms)),
        )
    }

    /// The same for text.
    #[must_use]
    pub fn scrub_text(&self, text: &str) -> String {
        self.clean(text).into_owned()
    }

    /// The same for text, which is copied only if it contains a secret.
    #[must_use]
    pub fn clean<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let occurs = |secret: &Secret| secret.forms.occur_in(text.as_bytes());
        let mut known = self.entries.values().filter_map(|entry| entry.value.get());
        match known.any(|secret| occurs(secret)) || self.issued().iter().any(occurs) {
            false => Cow::Borrowed(text),
            true => {
                let clean = self.scrub(text.as_bytes().to_vec());
                Cow::Owned(String::from_utf8_lossy(&clean).into_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests;
