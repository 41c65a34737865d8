//! What the operator configures, with the bounds that components rely on.

use std::collections::BTreeSet;

/// Bytes of a key.
const MAX_KEY: usize = 64;
/// Bytes of a value; of a list's texts taken together.
pub const MAX_VALUE: usize = 16 << 10;
/// Texts of a list.
pub const MAX_TEXTS: usize = 256;

/// A value that the operator configured for a component.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigEntry {
    /// The value.
    pub value: ConfigValue,
    /// What reading it adds to the run.
    pub labels: BTreeSet<String>,
}

/// A value with its type.
#[derive(Debug, Clone, PartialEq)]
pub enum ConfigValue {
    /// Text.
    Text(String),
    /// An integer.
    Integer(i64),
    /// A finite number.
    Float(f64),
    /// Yes or no.
    Boolean(bool),
    /// Several texts, in order.
    Texts(Vec<String>),
}

impl ConfigValue {
    /// The texts in it.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let texts = match self {
            Self::Text(text) => std::slice::from_ref(text),
            Self::Texts(texts) => texts,
            Self::Integer(_) | Self::Float(_) | Self::Boolean(_) => &[],
        };
        texts.iter().map(String::as_str)
    }

    /// Bytes that a component gets.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Text(_) | Self::Texts(_) => self.texts().map(str::len).sum(),
            Self::Integer(_) | Self::Float(_) => 8,
            Self::Boolean(_) => 1,
        }
    }
}

/// Whether this can be the key of an entry: 1 to 64 ASCII letters, digits, `-` and `_`.
#[must_use]
pub fn is_key(key: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(legal)
}
