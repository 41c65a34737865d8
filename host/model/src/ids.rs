//! Identifiers. Each has its own type, so that they cannot be confused.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::text::printable;

/// Bytes of a text that is not an identifier.
const MAX_SHOWN: usize = 80;

/// An identifier that does not have the form its type requires.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {what}: expected {form}")]
pub struct InvalidId {
    text: String,
    what: &'static str,
    form: &'static str,
}

/// Lower-case hexadecimal digits of `bytes`.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const_hex::encode(bytes)
}

/// The bytes whose lower-case hexadecimal digits `text` is, and nothing else.
fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    // The library also takes capital digits and a leading `0x`.
    let is_digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    text.bytes()
        .all(is_digit)
        .then(|| const_hex::decode_to_array(text).ok())
        .flatten()
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $prefix:literal, $what:literal, $form:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// The identifier with these bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// The bytes, as stored.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix($prefix)
                    .and_then(parse_hex)
                    .map(Self)
                    .ok_or_else(|| InvalidId { text: printable(text, MAX_SHOWN), what: $what, form: $form })
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                std::borrow::Cow::<'de, str>::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// A run: all the work done for one goal. It is the trace id of the run's trace (W3C Trace
    /// Context, section 3.2.2.3).
    RunId, 16, "", "run id", "32 hexadecimal digits"
);
id!(
    /// A span of a run's trace (W3C Trace Context, section 3.2.2.4).
    SpanId, 8, "", "span id", "16 hexadecimal digits"
);
id!(
    /// An approval.
    ApprovalId, 8, "apr-", "approval id", "`apr-` and 16 hexadecimal digits"
);

id!(
    /// A link by which one user may answer one approval.
    LinkId, 8, "lnk-", "link id", "`lnk-` and 16 hexadecimal digits"
);

id!(
    /// A standing approval.
    StandingId, 8, "sta-", "standing approval id", "`sta-` and 16 hexadecimal digits"
);

id!(
    /// A token that identifies an agent or a user.
    TokenId, 8, "tok-", "token id", "`tok-` and 16 hexadecimal digits"
);

id!(
    /// A series of a history fact: the calls that the fact counts together. Half a keyed digest of the fact and the
    /// values by which it counts.
    SeriesId, 16, "", "series id", "32 hexadecimal digits"
);
id!(
    /// A value that a history fact distinguishes from others. Half a keyed digest of its canonical JSON.
    ValueDigest, 16, "", "digest of a value", "32 hexadecimal digits"
);
id!(
    /// An amount that a history fact adds up, masked with a keyed digest.
    MaskedAmount, 8, "", "masked amount", "16 hexadecimal digits"
);

impl RunId {
    /// A run id that sorts by time: a version 7 UUID (RFC 9562, section 5.7) from milliseconds since
    /// 1970 and ten random bytes.
    #[must_use]
    pub fn at(millis: u64, random: [u8; 10]) -> Self {
        let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
        Self(uuid.into_bytes())
    }
}

/// A decision: the index of its record in the ledger.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct DecisionId(pub u64);

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dec-{}", self.0)
    }
}

impl FromStr for DecisionId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        text.strip_prefix("dec-")
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .map(Self)
            .ok_or_else(|| InvalidId {
                text: printable(text, MAX_SHOWN),
                what: "decision id",
                form: "`dec-` and a number",
            })
    }
}

impl Serialize for DecisionId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DecisionId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
