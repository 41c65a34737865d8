//! Keys: one key outside the store wraps all keys inside it.
//!
//! Digests are keyed per tenant, payloads sealed per tenant and day. Destroying a day's key ends the
//! retention of what it sealed; the records still verify, because they hold digests of ciphertexts.

use std::{
    collections::HashMap,
    fmt,
    fs::File,
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead as _, KeyInit as _, Payload as AeadPayload},
};
use rusqlite::{Connection, OptionalExtension as _, params};
use tollgate_model::{
    canonical::Sha256Digest,
    ids::{MaskedAmount, hex},
    record::{KeyedDigest, keyed_hash},
    time::Timestamp,
};
use zeroize::Zeroizing;

use crate::{AmountPlace, LedgerError, Payload, durable_file, error::ReadError};

const NONCE: usize = 24;
const DAY: i64 = 86_400_000_000;

type Key = Arc<Zeroizing<[u8; 32]>>;

/// What happens where a day has no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MissingKey {
    Make,
    Refuse,
}

/// The keys of a ledger. Clones are the same keys.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    master: Zeroizing<[u8; 32]>,
    /// For creating and destroying keys, which is rare. The writer's own connection waits for it at most as
    /// long as one small commit.
    store: Mutex<Connection>,
    path: String,
    digests: RwLock<HashMap<String, (u32, Key)>>,
    days: RwLock<HashMap<(String, i64), Key>>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

/// Read the wrapping key.
///
/// # Errors
/// [`LedgerError::Key`]: missing, readable by others, or not a key.
pub(crate) fn read_master(path: &Path) -> Result<Zeroizing<[u8; 32]>, LedgerError> {
    let refuse = |reason: String| LedgerError::Key {
        path: path.display().to_string(),
        reason,
    };
    let file = File::open(path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => refuse(
            "the key of this ledger is missing; put it back from your backup, or move the ledger away to begin a \
             new one"
                .into(),
        ),
        _ => refuse(format!("the key cannot be read: {e}")),
    })?;
    let metadata = file.metadata().map_err(|e| refuse(e.to_string()))?;
    if metadata.mode() & 0o077 != 0 {
        return Err(refuse(format!(
            "others can read the key (mode {:o}); run `chmod 600` on it",
            metadata.mode() & 0o777
        )));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(128));
    file.take(128)
        .read_to_end(&mut bytes)
        .map_err(|e| refuse(e.to_string()))?;
    parse_master(&bytes)
        .ok_or_else(|| refuse("this is not a key: expected 64 hexadecimal digits".into()))
}

fn parse_master(bytes: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let text = std::str::from_utf8(bytes).ok()?.trim_end();
    let mut key = Zeroizing::new([0; 32]);
    // The library would take a leading `0x`.
    if !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    const_hex::decode_to_slice(text, key.as_mut_slice()).ok()?;
    Some(key)
}

/// Make a wrapping key for a new store. Never replaces a file.
///
/// # Errors
/// [`LedgerError::Key`].
pub(crate) fn make_master(path: &Path) -> Result<(), LedgerError> {
    let refuse = |e: io::Error| LedgerError::Key {
        path: path.display().to_string(),
        reason: format!("the ledger's key cannot be made: {e}"),
    };
    let key = random::<32>().map_err(|e| refuse(io::Error::other(e)))?;
    let text = Zeroizing::new(format!(
        "{}\n",
        Zeroizing::new(hex(key.as_slice())).as_str()
    ));
    // The name must be as durable as the key: without it everything sealed is lost.
    durable_file::create_private(path, text.as_bytes()).map_err(refuse)
}

/// Random bytes from the operating system.
pub(crate) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, getrandom::Error> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice())?;
    Ok(bytes)
}

fn cipher(key: &[u8; 32]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.into())
}

/// Nonce and ciphertext.
fn encrypt(key: &[u8; 32], plain: &[u8], aad: &[u8]) -> Result<Vec<u8>, ReadError> {
    let failed = || ReadError::Other("the operating system has no randomness to give".into());
    let nonce = random::<NONCE>().map_err(|_| failed())?;
    let sealed = cipher(key)
        .encrypt(&XNonce::from(*nonce), AeadPayload { msg: plain, aad })
        .map_err(|_| ReadError::Other("a payload is too large to seal".into()))?;
    let mut bytes = Vec::with_capacity(NONCE + sealed.len());
    bytes.extend_from_slice(nonce.as_slice());
    bytes.extend_from_slice(&sealed);
    Ok(bytes)
}

/// The plaintext; `None` if the key, the bytes or `aad` differ from those used for sealing.
fn decrypt(key: &[u8; 32], sealed: &[u8], aad: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE>()?;
    let plain = cipher(key)
        .decrypt(
            &XNonce::from(*nonce),
            AeadPayload {
                msg: ciphertext,
                aad,
            },
        )
        .ok()?;
    Some(Zeroizing::new(plain))
}

/// The associated data of a sealed value. Parts are separated by their lengths.
fn bound(parts: &[&[u8]]) -> Vec<u8> {
    let mut aad = Vec::with_capacity(64);
    for part in parts {
        aad.extend_from_slice(&(part.len() as u64).to_be_bytes());
        aad.extend_from_slice(part);
    }
    aad
}

/// A value that only this wrapping key opens. It detects a wrong key.
pub(crate) fn key_check(master: &[u8; 32], store: &[u8]) -> Result<Vec<u8>, LedgerError> {
    encrypt(master, b"tollgate", &bound(&[b"check", store])).map_err(|e| e.at("the key"))
}

/// Whether this is the wrapping key of that store.
pub(crate) fn fits(master: &[u8; 32], store: &[u8], check: &[u8]) -> bool {
    decrypt(master, check, &bound(&[b"check", store]))
        .is_some_and(|plain| plain.as_slice() == b"tollgate")
}

/// Days since 1970.
pub(crate) fn day_of(at: Timestamp) -> i64 {
    at.0.div_euclid(DAY)
}

impl Keys {
    pub(crate) fn new(master: Zeroizing<[u8; 32]>, store: Connection, path: String) -> Self {
        let (digests, days) = (RwLock::default(), RwLock::default());
        Self(Arc::new(Inner {
            master,
            store: Mutex::new(store),
            path,
            digests,
            days,
        }))
    }

    /// The connection for what is kept outside any batch. What it deletes is overwritten.
    pub(crate) fn store(&self) -> MutexGuard<'_, Connection> {
        // If a panic happened while it was held, its transaction was rolled back.
        self.0.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn failed(&self, error: impl Into<ReadError>) -> LedgerError {
        error.into().at(&self.0.path)
    }

    /// A keyed digest of `parts` under the tenant's key.
    ///
    /// # Errors
    /// [`LedgerError`] if the tenant's key cannot be read or created.
    pub fn digest(&self, tenant: &str, parts: &[&[u8]]) -> Result<KeyedDigest, LedgerError> {
        let (version, key) = self.digest_key(tenant)?;
        Ok(KeyedDigest::of(&key, version, parts))
    }

    /// Half a keyed digest of `parts` under the tenant's key, for ids that must not tell what they stand for.
    ///
    /// # Errors
    /// As for [`Keys::digest`].
    pub fn short_digest(&self, tenant: &str, parts: &[&[u8]]) -> Result<[u8; 16], LedgerError> {
        let (_, key) = self.digest_key(tenant)?;
        let mut short = [0; 16];
        let hash = keyed_hash(&key, parts);
        short.iter_mut().zip(hash).for_each(|(s, h)| *s = h);
        Ok(short)
    }

    /// An amount that a history fact adds up, as it is recorded.
    ///
    /// # Errors
    /// As for [`Keys::digest`].
    pub fn mask_amount(
        &self,
        tenant: &str,
        place: AmountPlace,
        amount: i64,
    ) -> Result<MaskedAmount, LedgerError> {
        let masked = amount ^ self.mask(tenant, place)?;
        Ok(MaskedAmount::from_bytes(masked.to_be_bytes()))
    }

    /// The amount that [`Keys::mask_amount`] masked.
    pub(crate) fn unmask_amount(
        &self,
        tenant: &str,
        place: AmountPlace,
        masked: MaskedAmount,
    ) -> Result<i64, LedgerError> {
        Ok(i64::from_be_bytes(*masked.as_bytes()) ^ self.mask(tenant, place)?)
    }

    /// A one-time pad: no two amounts have the same place.
    fn mask(&self, tenant: &str, place: AmountPlace) -> Result<i64, LedgerError> {
        let (_, key) = self.digest_key(tenant)?;
        let time = place.time.0.to_be_bytes();
        let parts: [&[u8]; 4] = [
            b"amount of a fact",
            place.series.as_bytes(),
            place.call.as_bytes(),
            &time,
        ];
        let hash = keyed_hash(&key, &parts);
        let mut mask = [0; 8];
        mask.iter_mut().zip(hash).for_each(|(m, h)| *m = h);
        Ok(i64::from_be_bytes(mask))
    }

    fn digest_key(&self, tenant: &str) -> Result<(u32, Key), LedgerError> {
        let cached = self
            .0
            .digests
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(tenant)
            .cloned();
        if let Some(found) = cached {
            return Ok(found);
        }
        let store = self.store();
        let select = "SELECT version, wrapped FROM digest_keys WHERE tenant = ?1 ORDER BY version DESC LIMIT 1";
        let row = || {
            store
                .query_row(select, [tenant], |row| {
                    Ok((row.get::<_, u32>(0)?, row.get::<_, Vec<u8>>(1)?))
                })
                .optional()
        };
        let (version, wrapped) = match row().map_err(|e| self.failed(e))? {
            Some(found) => found,
            None => {
                let key =
                    random::<32>().map_err(|e| self.failed(ReadError::Other(e.to_string())))?;
                let aad = bound(&[b"digest", tenant.as_bytes(), b"1"]);
                let wrapped =
                    encrypt(&self.0.master, key.as_slice(), &aad).map_err(|e| self.failed(e))?;
                store
                    .execute(
                        "INSERT INTO digest_keys (tenant, version, wrapped) VALUES (?1, 1, ?2)",
                        params![tenant, wrapped],
                    )
                    .map_err(|e| self.failed(e))?;
                (1, wrapped)
            }
        };
        let aad = bound(&[b"digest", tenant.as_bytes(), version.to_string().as_bytes()]);
        let key = self.unwrap(&wrapped, &aad)?;
        let mut cache = self
            .0
            .digests
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        cache.insert(tenant.to_owned(), (version, Arc::clone(&key)));
        Ok((version, key))
    }

    fn unwrap(&self, wrapped: &[u8], aad: &[u8]) -> Result<Key, LedgerError> {
        let plain = decrypt(&self.0.master, wrapped, aad);
        match plain.as_ref().and_then(|plain| plain.first_chunk::<32>()) {
            Some(key) => Ok(Arc::new(Zeroizing::new(*key))),
            None => Err(LedgerError::Damaged {
                path: self.0.path.clone(),
                reason: "a wrapped key does not open".into(),
            }),
        }
    }

    /// Seals `plain` with the tenant's key of the day. `kind` must be the same when it is opened.
    ///
    /// # Errors
    /// [`LedgerError`] if the day's key cannot be read or durably created, [`LedgerError::Sealed`] if it
    /// was destroyed.
    pub fn seal(
        &self,
        tenant: &str,
        now: Timestamp,
        plain: &[u8],
        kind: &str,
    ) -> Result<Payload, LedgerError> {
        let day = day_of(now);
        let key = self.day_key(tenant, day, MissingKey::Make)?;
        let ciphertext =
            encrypt(&key, plain, &payload_aad(tenant, day, kind)).map_err(|e| self.failed(e))?;
        let digest = Sha256Digest::of(&ciphertext);
        Ok(Payload {
            ciphertext,
            day,
            digest,
            tenant: tenant.to_owned(),
        })
    }

    /// Opens what [`Keys::seal`] sealed.
    ///
    /// # Errors
    /// [`LedgerError::Sealed`] if the day's key was destroyed, [`LedgerError::Damaged`] if the payload was
    /// altered.
    pub fn open(&self, payload: &Payload, kind: &str) -> Result<Zeroizing<Vec<u8>>, LedgerError> {
        let key = self.day_key(&payload.tenant, payload.day, MissingKey::Refuse)?;
        let aad = payload_aad(&payload.tenant, payload.day, kind);
        decrypt(&key, &payload.ciphertext, &aad).ok_or_else(|| LedgerError::Damaged {
            path: self.0.path.clone(),
            reason: format!("payload {} does not open as {kind}", payload.digest),
        })
    }

    fn day_key(&self, tenant: &str, day: i64, missing: MissingKey) -> Result<Key, LedgerError> {
        let name = (tenant.to_owned(), day);
        let cached = self
            .0
            .days
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&name)
            .cloned();
        if let Some(key) = cached {
            return Ok(key);
        }
        let store = self.store();
        let aad = bound(&[b"day", tenant.as_bytes(), &day.to_be_bytes()]);
        let row: Option<Option<Vec<u8>>> = store
            .query_row(
                "SELECT wrapped FROM day_keys WHERE tenant = ?1 AND day = ?2",
                params![tenant, day],
                |row| row.get(0),
            )
            .optional()
            .map_err(|e| self.failed(e))?;
        let wrapped = match row {
            Some(Some(wrapped)) => wrapped,
            None if missing == MissingKey::Make => {
                let key =
                    random::<32>().map_err(|e| self.failed(ReadError::Other(e.to_string())))?;
                let wrapped =
                    encrypt(&self.0.master, key.as_slice(), &aad).map_err(|e| self.failed(e))?;
                store
                    .execute(
                        "INSERT INTO day_keys (tenant, day, wrapped) VALUES (?1, ?2, ?3)",
                        params![tenant, day, wrapped],
                    )
                    .map_err(|e| self.failed(e))?;
                wrapped
            }
            _ => return Err(LedgerError::Sealed { day }),
        };
        let key = self.unwrap(&wrapped, &aad)?;
        let mut cache = self.0.days.write().unwrap_or_else(PoisonError::into_inner);
        // Reading history must not collect keys: days are few, but tenants may be many.
        if cache.len() >= 64 {
            cache.clear();
        }
        cache.insert(name, Arc::clone(&key));
        Ok(key)
    }

    /// Seals a credential, which outlives the keys of days, with the key outside the store. `parts` must be the same
    /// when it is opened.
    pub(crate) fn seal_credential(
        &self,
        parts: &[&[u8]],
        plain: &[u8],
    ) -> Result<Vec<u8>, LedgerError> {
        encrypt(&self.0.master, plain, &credential_aad(parts)).map_err(|e| self.failed(e))
    }

    /// Opens what [`Keys::seal_credential`] sealed.
    pub(crate) fn open_credential(
        &self,
        parts: &[&[u8]],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, LedgerError> {
        decrypt(&self.0.master, sealed, &credential_aad(parts)).ok_or_else(|| {
            LedgerError::Damaged {
                path: self.0.path.clone(),
                reason: "a sealed credential does not open".into(),
            }
        })
    }

    /// Destroys the tenant's key of a day: payloads sealed with it can never be read again, except from
    /// backups that still contain the key.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn destroy_day(&self, tenant: &str, day: i64) -> Result<(), LedgerError> {
        let store = self.store();
        store
            .execute(
                "INSERT INTO day_keys (tenant, day, wrapped) VALUES (?1, ?2, NULL) \
                 ON CONFLICT DO UPDATE SET wrapped = NULL",
                params![tenant, day],
            )
            .map_err(|e| self.failed(e))?;
        let mut cache = self.0.days.write().unwrap_or_else(PoisonError::into_inner);
        cache.remove(&(tenant.to_owned(), day));
        drop(cache);
        // `secure_delete` overwrites the key in its page; older copies of the page in the log go with it.
        store
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .map_err(|e| self.failed(e))
    }
}

fn credential_aad(parts: &[&[u8]]) -> Vec<u8> {
    let mut all: Vec<&[u8]> = vec![b"credential"];
    all.extend_from_slice(parts);
    bound(&all)
}

fn payload_aad(tenant: &str, day: i64, kind: &str) -> Vec<u8> {
    bound(&[
        b"payload",
        tenant.as_bytes(),
        &day.to_be_bytes(),
        kind.as_bytes(),
    ])
}
