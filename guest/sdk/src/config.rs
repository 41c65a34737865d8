//! Values that the operator configured for this component: what a program would read from its environment.
//!
//! ```
//! use tollgate_guest::{ToolError, config};
//!
//! /// Where to look, and how many answers to give.
//! fn settings() -> Result<(String, i64), ToolError> {
//!     let region: Option<String> = config::get("region")?;
//!     let limit = config::get("limit")?.unwrap_or(20);
//!     Ok((region.unwrap_or_else(|| "eu".to_owned()), limit))
//! }
//! # use tollgate_guest::testing;
//! # testing::config("limit", 5);
//! # assert_eq!(settings().unwrap(), ("eu".to_owned(), 5));
//! ```
//!
//! The operator writes them under `[components.NAME.config]`. Policy decides each read, so it may be refused:
//! pass the error on with `?`, and the agent reads the host's reason. There are no secrets among the values:
//! see [`secrets`](crate::secrets).

use core::fmt::{self, Display, Formatter};

use crate::bindings::tollgate::adapter::config as wit;
use crate::files::Denial;
#[cfg(not(target_family = "wasm"))]
use crate::testing::config_host as host;
#[cfg(target_family = "wasm")]
use wit as host;

pub use wit::Value;

/// Why a value was not read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The key does not have 1 to 64 ASCII letters, digits, `-` and `_`.
    InvalidKey(String),
    /// The operator configured a value of another type.
    WrongType {
        /// The type that was asked for.
        expected: &'static str,
        /// The type of the value.
        found: &'static str,
    },
    /// Policy refused it.
    Denied(Denial),
    /// The host could not read it.
    Failed(String),
}

/// Why a value was not read, and which.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    key: String,
    kind: ErrorKind,
}

impl Error {
    /// What went wrong, for code that treats some of it as normal.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read the configuration `{}`: ", self.key)?;
        match &self.kind {
            ErrorKind::InvalidKey(how) => write!(f, "not a valid key: {how}"),
            ErrorKind::WrongType { expected, found } => {
                write!(
                    f,
                    "it is {found} and should be {expected}; the operator can correct it"
                )
            }
            ErrorKind::Denied(denial) => {
                write!(f, "{} (decision {})", denial.reason, denial.decision)
            }
            ErrorKind::Failed(how) => f.write_str(how),
        }
    }
}

impl core::error::Error for Error {}

/// The value of a key, if the operator configured one. A `f64` takes an integer too; [`Value`] takes any type.
///
/// # Errors
/// When it may not be read, or has another type.
pub fn get<T: FromValue>(key: &str) -> Result<Option<T>, Error> {
    let on_key = |kind| Error {
        key: key.to_owned(),
        kind,
    };
    let value = host::get(key).map_err(|error| {
        on_key(match error {
            wit::Error::InvalidKey(how) => ErrorKind::InvalidKey(how),
            wit::Error::Denied(denial) => ErrorKind::Denied(denial),
            wit::Error::Failed(how) => ErrorKind::Failed(how),
        })
    })?;
    let typed = |value| {
        T::from_value(value).map_err(|value| {
            on_key(ErrorKind::WrongType {
                expected: T::NAME,
                found: name(&value),
            })
        })
    };
    value.map(typed).transpose()
}

/// The types that [`get`] gives.
pub trait FromValue: Sized {
    /// The type in words, for errors: such as `a text`.
    const NAME: &'static str;

    /// The value as this type.
    ///
    /// # Errors
    /// The value, if it has another type.
    fn from_value(value: Value) -> Result<Self, Value>;
}

impl FromValue for Value {
    const NAME: &'static str = "a value";

    fn from_value(value: Value) -> Result<Self, Value> {
        Ok(value)
    }
}

impl FromValue for f64 {
    const NAME: &'static str = "a number";

    fn from_value(value: Value) -> Result<Self, Value> {
        match value {
            Value::Float(float) => Ok(float),
            Value::Integer(integer) => Ok(integer as f64),
            other => Err(other),
        }
    }
}

/// One Rust type for one case of the variant, in both directions.
macro_rules! typed {
    ($($type:ty, $case:ident, $name:literal;)*) => {$(
        impl FromValue for $type {
            const NAME: &'static str = $name;

            fn from_value(value: Value) -> Result<Self, Value> {
                match value {
                    Value::$case(value) => Ok(value),
                    other => Err(other),
                }
            }
        }

        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$case(value)
            }
        }
    )*};
}

typed! {
    String, Text, "a text";
    i64, Integer, "an integer";
    bool, Boolean, "a boolean";
    Vec<String>, Texts, "a list of texts";
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

fn name(value: &Value) -> &'static str {
    match value {
        Value::Text(_) => String::NAME,
        Value::Integer(_) => i64::NAME,
        Value::Float(_) => f64::NAME,
        Value::Boolean(_) => bool::NAME,
        Value::Texts(_) => Vec::<String>::NAME,
    }
}

#[cfg(test)]
mod tests;
