//! Identifiers. Each has its own type, so that they cannot be confused.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// An identifier that does not have the form its type requires.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {what}: expected {form}")]
pub struct InvalidId {
    text: String,
    what: &'static str,
    form: &'static str,
}

fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// Lower-case hexadecimal digits of `bytes`.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |n: u8| DIGITS.get(usize::from(n)).copied().map_or('?', char::from);
    bytes
        .iter()
        .flat_map(|b| [digit(b >> 4), digit(b & 15)])
        .collect()
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $prefix:literal, $what:literal, $form:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// The identifier with these bytes.
            #[must_use]
            pub fn from_bytes(bytes: [u8; $bytes]) -> Self {
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
                    .ok_or_else(|| InvalidId { text: text.into(), what: $what, form: $form })
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
    /// A token that identifies an agent or a user.
    TokenId, 8, "tok-", "token id", "`tok-` and 16 hexadecimal digits"
);

impl RunId {
    /// A run id that sorts by time: a version 7 UUID (RFC 9562, section 5.7) from milliseconds since
    /// 1970 and ten random bytes.
    #[must_use]
    pub fn at(millis: u64, random: [u8; 10]) -> Self {
        let [_, _, t0, t1, t2, t3, t4, t5] = millis.to_be_bytes();
        let [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9] = random;
        Self([
            t0,
            t1,
            t2,
            t3,
            t4,
            t5,
            0x70 | (r0 & 0x0f),
            r1,
            0x80 | (r2 & 0x3f),
            r3,
            r4,
            r5,
            r6,
            r7,
            r8,
            r9,
        ])
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
                text: text.into(),
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
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_as_text() {
        let run = RunId::at(1_795_219_200_000, [0xff; 10]);
        assert_eq!(run.to_string().parse(), Ok(run));
        assert_eq!(run.as_bytes()[6] >> 4, 7, "UUID version");
        assert_eq!(run.as_bytes()[8] >> 6, 2, "UUID variant");
        let approval = ApprovalId::from_bytes([7; 8]);
        assert_eq!(approval.to_string(), "apr-0707070707070707");
        assert_eq!(approval.to_string().parse(), Ok(approval));
        assert_eq!("dec-42".parse(), Ok(DecisionId(42)));
    }

    #[test]
    fn malformed_ids_are_refused() {
        for text in ["", "dec-", "dec-+1", "dec-x", "42"] {
            assert!(text.parse::<DecisionId>().is_err(), "{text}");
        }
        for text in [
            "",
            "ABCDEF0123456789",
            "0123456789abcdeg",
            "é123456789abcde",
        ] {
            assert!(text.parse::<SpanId>().is_err(), "{text}");
        }
    }
}
