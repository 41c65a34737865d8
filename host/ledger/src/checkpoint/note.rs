//! Signed notes (c2sp.org/signed-note) with Ed25519 keys, compatible with Go's
//! `golang.org/x/mod/sumdb/note`.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};
use tollgate_model::ids::hex;
use zeroize::Zeroizing;

/// The type byte of Ed25519 in keys and key ids.
const ED25519: u8 = 1;
/// The prefix of a secret key.
const SECRET_PREFIX: &str = "PRIVATE+KEY+";
/// The most bytes of a note, including signatures.
pub(crate) const MAX_NOTE: usize = 64 << 10;

/// Why a key or a note cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// The name is empty, or has spaces, control characters or a plus sign.
    #[error(
        "`{0}` cannot name a key: use a name such as `example.com/gate`, without spaces and `+`"
    )]
    Name(String),
    /// A key does not have the form `name+id+base64`.
    #[error("this is not a {0} key in the form of c2sp.org/signed-note")]
    Key(&'static str),
    /// The text is not a note.
    #[error("this is not a signed note: {0}")]
    Malformed(&'static str),
    /// No signature is by the expected key.
    #[error("the note is not signed by {0}")]
    Unsigned(String),
    /// A signature by the expected key is not over this text.
    #[error("the signature by {0} does not fit the note: it was changed after signing")]
    Forged(String),
}

/// The first four bytes of SHA-256 of name, newline, type and public key.
fn key_id(name: &str, public: &VerifyingKey) -> [u8; 4] {
    let hash = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', ED25519])
        .chain_update(public.as_bytes())
        .finalize();
    let mut id = [0; 4];
    id.iter_mut().zip(hash).for_each(|(id, byte)| *id = byte);
    id
}

fn is_name(name: &str) -> bool {
    let bad = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    !name.is_empty() && !name.contains(bad)
}

/// `name+id+base64(type || key)` in its parts.
fn parse_key<'a>(
    text: &'a str,
    what: &'static str,
) -> Result<(&'a str, &'a str, Zeroizing<[u8; 32]>), NoteError> {
    let malformed = || NoteError::Key(what);
    let mut parts = text.trim_end().splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(malformed());
    };
    let bytes = Zeroizing::new(STANDARD.decode(key).map_err(|_| malformed())?);
    match bytes.split_first() {
        Some((&ED25519, key)) if is_name(name) => {
            let key: [u8; 32] = key.try_into().map_err(|_| malformed())?;
            Ok((name, id, Zeroizing::new(key)))
        }
        _ => Err(malformed()),
    }
}

/// A public key with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteVerifier {
    name: String,
    public: VerifyingKey,
}

impl NoteVerifier {
    /// The key in the form `name+id+base64`.
    ///
    /// # Errors
    /// [`NoteError::Key`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let malformed = || NoteError::Key("public");
        let (name, id, key) = parse_key(text, "public")?;
        let public = VerifyingKey::from_bytes(&key).map_err(|_| malformed())?;
        if id != hex(&key_id(name, &public)) {
            return Err(malformed());
        }
        Ok(Self {
            name: name.to_owned(),
            public,
        })
    }

    /// The key's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text of a note that this key has signed.
    ///
    /// # Errors
    /// [`NoteError`]: it is not a note, or not signed by this key.
    pub fn open<'a>(&self, note: &'a str) -> Result<&'a str, NoteError> {
        let (text, signatures) = parse(note)?;
        let id = key_id(&self.name, &self.public);
        for (name, signature) in signatures {
            let Some((by, signature)) = signature.split_first_chunk::<4>() else {
                return Err(NoteError::Malformed("a signature is too short"));
            };
            if name != self.name || *by != id {
                continue;
            }
            let genuine = Signature::from_slice(signature)
                .and_then(|signature| self.public.verify_strict(text.as_bytes(), &signature));
            return match genuine {
                Ok(()) => Ok(text),
                Err(_) => Err(NoteError::Forged(self.name.clone())),
            };
        }
        Err(NoteError::Unsigned(self.name.clone()))
    }
}

impl fmt::Display for NoteVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = hex(&key_id(&self.name, &self.public));
        let key = [&[ED25519], self.public.as_bytes().as_slice()].concat();
        write!(f, "{}+{id}+{}", self.name, STANDARD.encode(key))
    }
}

/// A secret key with its name.
#[derive(Clone)]
pub struct NoteSigner {
    name: String,
    secret: SigningKey,
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoteSigner")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl NoteSigner {
    /// The key with this seed (RFC 8032, section 5.1.5).
    ///
    /// # Errors
    /// [`NoteError::Name`].
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        if !is_name(name) {
            return Err(NoteError::Name(name.to_owned()));
        }
        Ok(Self {
            name: name.to_owned(),
            secret: SigningKey::from_bytes(seed),
        })
    }

    /// The key in the form `PRIVATE+KEY+name+id+base64`.
    ///
    /// # Errors
    /// [`NoteError::Key`]; it never shows the key.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let malformed = || NoteError::Key("secret");
        let rest = text.strip_prefix(SECRET_PREFIX).ok_or_else(malformed)?;
        let (name, id, seed) = parse_key(rest, "secret")?;
        let signer = Self::new(name, &seed).map_err(|_| malformed())?;
        if id != hex(&key_id(name, &signer.secret.verifying_key())) {
            return Err(malformed());
        }
        Ok(signer)
    }

    /// The secret key as text, for a file that only its owner can read.
    #[must_use]
    pub fn to_secret(&self) -> Zeroizing<String> {
        let id = hex(&key_id(&self.name, &self.secret.verifying_key()));
        let key = Zeroizing::new([&[ED25519], self.secret.as_bytes().as_slice()].concat());
        let key = Zeroizing::new(STANDARD.encode(key.as_slice()));
        Zeroizing::new(format!(
            "{SECRET_PREFIX}{}+{id}+{}",
            self.name,
            key.as_str()
        ))
    }

    /// The key's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key.
    #[must_use]
    pub fn verifier(&self) -> NoteVerifier {
        NoteVerifier {
            name: self.name.clone(),
            public: self.secret.verifying_key(),
        }
    }

    /// A signed note of `text`, which ends in a newline.
    #[must_use]
    pub fn sign(&self, text: &str) -> String {
        let signature = self.secret.sign(text.as_bytes()).to_bytes();
        let id = key_id(&self.name, &self.secret.verifying_key());
        let signature = STANDARD.encode([id.as_slice(), signature.as_slice()].concat());
        format!("{text}\n\u{2014} {} {signature}\n", self.name)
    }
}

/// A signature line: the key's name, id and signature.
type SignatureLine<'a> = (&'a str, Vec<u8>);

/// Text and signatures of a note, not checked yet.
fn parse(note: &str) -> Result<(&str, Vec<SignatureLine<'_>>), NoteError> {
    if note.len() > MAX_NOTE {
        return Err(NoteError::Malformed("it is too long"));
    }
    if note.chars().any(|c| c < ' ' && c != '\n') {
        return Err(NoteError::Malformed("it has control characters"));
    }
    let (before, signatures) = note
        .rsplit_once("\n\n")
        .ok_or(NoteError::Malformed("it has no signatures"))?;
    let text = note.get(..before.len() + 1).unwrap_or_default();
    let signatures = signatures
        .strip_suffix('\n')
        .ok_or(NoteError::Malformed("its last line does not end"))?;
    let parsed = signatures
        .split('\n')
        .map(signature_line)
        .collect::<Option<Vec<_>>>();
    Ok((
        text,
        parsed.ok_or(NoteError::Malformed("a signature line is not one"))?,
    ))
}

fn signature_line(line: &str) -> Option<SignatureLine<'_>> {
    let (name, signature) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    is_name(name).then_some(())?;
    Some((name, STANDARD.decode(signature).ok()?))
}

#[cfg(test)]
mod tests;
