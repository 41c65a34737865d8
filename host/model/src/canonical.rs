//! JSON, read strictly and written canonically.
//!
//! The same bytes are decided, hashed and given to a guest: the RFC 8785 canonical JSON of a document that
//! is unambiguous. This module never guesses: a duplicate key, a number that a double cannot represent, or
//! too deep nesting is an error with its position.

use std::{cell::RefCell, fmt};

use serde::{
    Serialize,
    de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use sha2::{Digest as _, Sha256};

use crate::ids::hex;

/// The largest integer that all JSON readers interpret alike: 2^53 − 1 (RFC 8259, section 6).
pub const MAX_INTEGER: i64 = (1 << 53) - 1;

/// The deepest accepted nesting. Tools need less, and recursion over values stays safe.
pub const MAX_DEPTH: usize = 64;

/// Why a document was refused. It contains positions, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Not JSON (RFC 8259).
    #[error("not JSON: {reason} at line {line}, column {column}")]
    Syntax {
        /// What the parser expected.
        reason: &'static str,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// An object names a member twice, so readers disagree on which one counts.
    #[error("`{pointer}` occurs twice (line {line}, column {column}): remove one of them")]
    DuplicateKey {
        /// JSON pointer (RFC 6901) of the member.
        pointer: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// A number beyond ±(2^53 − 1).
    #[error("the number at `{pointer}` is beyond ±(2^53−1)")]
    NumberRange {
        /// JSON pointer (RFC 6901) of the number.
        pointer: String,
    },
    /// Arrays and objects within each other beyond [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels at `{pointer}`: flatten it")]
    TooDeep {
        /// JSON pointer (RFC 6901), shortened.
        pointer: String,
    },
}

/// The treatment of integers beyond ±(2^53 − 1), which some JSON readers round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum LargeNumbers {
    #[default]
    Refused,
    /// As they are, as far as 64 bits hold them.
    Kept,
    /// As the nearest double, which is what their canonical form says.
    Rounded,
}

#[derive(Default)]
struct Reader {
    large: LargeNumbers,
    /// Where we are, as pointer segments.
    path: RefCell<Vec<String>>,
    error: RefCell<Option<JsonError>>,
}

impl Reader {
    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for segment in self.path.borrow().iter() {
            pointer.push('/');
            pointer.push_str(&escape_segment(segment));
        }
        // Keys come from outside: an error that quotes one must stay short and on one line.
        let printable: String = pointer
            .chars()
            .filter(|c| !c.is_control())
            .take(120)
            .collect();
        if printable.is_empty() {
            "/".into()
        } else {
            printable
        }
    }

    fn fail<E: de::Error>(&self, error: JsonError) -> E {
        self.error.borrow_mut().get_or_insert(error);
        E::custom("refused")
    }
}

/// One segment of a JSON pointer, escaped (RFC 6901, section 3).
#[must_use]
pub fn escape_segment(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

/// The text of one escaped segment of a JSON pointer (RFC 6901, section 4).
#[must_use]
pub fn unescape_segment(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

struct Seed<'a>(&'a Reader);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        if self.0.path.borrow().len() > MAX_DEPTH {
            let pointer = self.0.pointer();
            return Err(self.0.fail(JsonError::TooDeep { pointer }));
        }
        d.deserialize_any(self)
    }
}

impl Seed<'_> {
    /// An integer beyond ±(2^53 − 1), and the nearest double.
    fn large_integer<E: de::Error>(self, exact: Number, nearest: f64) -> Result<Value, E> {
        let number = match self.0.large {
            LargeNumbers::Refused => None,
            LargeNumbers::Kept => Some(exact),
            LargeNumbers::Rounded => Number::from_f64(nearest),
        };
        number.map(Value::Number).ok_or_else(|| {
            self.0.fail(JsonError::NumberRange {
                pointer: self.0.pointer(),
            })
        })
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::String(v))
    }

    fn visit_i64<E: de::Error>(self, v: i64) -> Result<Value, E> {
        match v.unsigned_abs() > MAX_INTEGER.unsigned_abs() {
            true => self.large_integer(v.into(), v as f64),
            false => Ok(Value::Number(v.into())),
        }
    }

    fn visit_u64<E: de::Error>(self, v: u64) -> Result<Value, E> {
        match i64::try_from(v) {
            Ok(v) => self.visit_i64(v),
            Err(_) => self.large_integer(v.into(), v as f64),
        }
    }

    fn visit_f64<E: de::Error>(self, v: f64) -> Result<Value, E> {
        let is_refused = self.0.large == LargeNumbers::Refused;
        let any = || Number::from_f64(v).filter(|_| !is_refused);
        match normal_number(v).or_else(any) {
            Some(number) => Ok(Value::Number(number)),
            None => Err(self.0.fail(JsonError::NumberRange {
                pointer: self.0.pointer(),
            })),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        loop {
            self.0.path.borrow_mut().push(items.len().to_string());
            let item = seq.next_element_seed(Seed(self.0))?;
            self.0.path.borrow_mut().pop();
            match item {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            self.0.path.borrow_mut().push(key.clone());
            if members.contains_key(&key) {
                let pointer = self.0.pointer();
                // Line and column are filled in by `parse`, which sees serde_json's error.
                return Err(self.0.fail(JsonError::DuplicateKey {
                    pointer,
                    line: 0,
                    column: 0,
                }));
            }
            let value = map.next_value_seed(Seed(self.0))?;
            self.0.path.borrow_mut().pop();
            members.insert(key, value);
        }
        Ok(Value::Object(members))
    }
}

/// A number as RFC 8785 would write it: `5.0` is the integer 5. `None` beyond ±(2^53 − 1), where doubles
/// cannot distinguish neighbouring integers.
fn normal_number(v: f64) -> Option<Number> {
    #[expect(clippy::cast_precision_loss, reason = "2^53 - 1 is a double exactly")]
    let limit = MAX_INTEGER as f64;
    if !v.is_finite() || v.abs() > limit {
        return None;
    }
    if v.fract() == 0.0 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole and within ±(2^53 - 1)"
        )]
        return Some((v as i64).into());
    }
    Number::from_f64(v)
}

/// Reads one JSON document. Refuses anything that readers could interpret differently.
///
/// # Errors
/// [`JsonError`] says what and where: syntax, a duplicate key, a number beyond ±(2^53 − 1), nesting
/// beyond [`MAX_DEPTH`].
pub fn parse(text: &str) -> Result<Value, JsonError> {
    read(text, Reader::default())
}

/// Read one JSON document as [`parse`] does, with numbers of any size that 64 bits hold: for text from outside that no
/// decision depends on.
///
/// # Errors
/// [`JsonError`], as [`parse`].
pub fn parse_with_any_number(text: &str) -> Result<Value, JsonError> {
    let reader = Reader {
        large: LargeNumbers::Kept,
        ..Reader::default()
    };
    read(text, reader)
}

/// Read one JSON document as [`parse`] does, with numbers beyond ±(2^53 − 1) as the nearest doubles, so that what is
/// read is what its canonical form says: for schemas, whose bounds are often those of 64 bits.
///
/// # Errors
/// [`JsonError`], as [`parse`].
pub fn parse_with_rounded_numbers(text: &str) -> Result<Value, JsonError> {
    let reader = Reader {
        large: LargeNumbers::Rounded,
        ..Reader::default()
    };
    read(text, reader)
}

fn read(text: &str, reader: Reader) -> Result<Value, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parsed = Seed(&reader)
        .deserialize(&mut deserializer)
        .and_then(|value| {
            deserializer.end()?;
            Ok(value)
        });
    parsed.map_err(|e| {
        let (line, column) = (e.line().max(1), e.column().max(1));
        match reader.error.take() {
            Some(JsonError::DuplicateKey { pointer, .. }) => JsonError::DuplicateKey {
                pointer,
                line,
                column,
            },
            Some(error) => error,
            None if e.is_eof() => JsonError::Syntax {
                reason: "the document ends early",
                line,
                column,
            },
            None => JsonError::Syntax {
                reason: "unexpected character or token",
                line,
                column,
            },
        }
    })
}

/// The RFC 8785 canonical form of a value.
///
/// # Errors
/// Only for values that JSON cannot represent, such as maps with keys that are not strings.
pub fn to_canonical<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    serde_json_canonicalizer::to_vec(value)
}

/// A plain SHA-256 of data that is not secret: policies, schemas, components. As text, `sha256:` and 64
/// hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha256Digest([u8; 32]);

impl Sha256Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first twelve hexadecimal digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        hex(&self.0).chars().take(12).collect()
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex(&self.0))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Sha256Digest {
    type Err = JsonError;

    fn from_str(text: &str) -> Result<Self, JsonError> {
        let bytes = text
            .strip_prefix("sha256:")
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|digits| const_hex::decode_to_array(digits).ok());
        bytes.map(Self).ok_or(JsonError::Syntax {
            reason: "a digest is `sha256:` and 64 hexadecimal digits",
            line: 1,
            column: 1,
        })
    }
}

impl Serialize for Sha256Digest {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Sha256Digest {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(d)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
