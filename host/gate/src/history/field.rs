//! Fields of a call: places in its arguments or in its result.

use std::fmt;

use serde_json::Value;
use tollgate_model::canonical::{escape_segment, unescape_segment};

/// Before a pointer into the result.
const RESULT: &str = "result:";

/// A JSON pointer (RFC 6901) in which `*` stands for any member or item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pointer(Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Any,
    Named(String),
}

/// What a pointer finds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FoundValues<'v> {
    /// The values.
    pub values: Vec<&'v Value>,
    /// How often there is no value: a member is missing, or a list is empty.
    pub missing: u64,
}

/// A place in the arguments or the result of a call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// In its arguments.
    Argument(Pointer),
    /// In its result: in the structured content, else in the text that is JSON.
    Result(Pointer),
}

/// Why a text does not name a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a field: it is a JSON pointer such as \"/to\", or \"result:/id\" for one of the result"
)]
pub struct FieldError(String);

impl Pointer {
    /// Reads a pointer to a member or an item.
    ///
    /// # Errors
    /// [`FieldError`] unless the text begins with `/`.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let rest = text.strip_prefix('/');
        let rest = rest.ok_or_else(|| FieldError(text.to_owned()))?;
        let segment = |part: &str| match part {
            "*" => Segment::Any,
            name => Segment::Named(unescape_segment(name)),
        };
        Ok(Self(rest.split('/').map(segment).collect()))
    }

    /// Whether it stands for several places.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        self.0.contains(&Segment::Any)
    }

    /// The name of the outermost member, unless it is any.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        match self.0.first() {
            Some(Segment::Named(name)) => Some(name),
            Some(Segment::Any) | None => None,
        }
    }

    /// The values that it points to.
    #[must_use]
    pub fn values<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        self.found(value).values
    }

    /// The values that it points to, and how often it leads nowhere.
    #[must_use]
    pub fn found<'v>(&self, value: &'v Value) -> FoundValues<'v> {
        let mut found = FoundValues {
            values: vec![value],
            missing: 0,
        };
        for segment in &self.0 {
            for value in std::mem::take(&mut found.values) {
                let of_value = segment.of(value);
                found.missing += u64::from(of_value.is_empty());
                found.values.extend(of_value);
            }
        }
        found
    }
}

impl Segment {
    fn of<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        match (self, value) {
            (Self::Any, Value::Array(items)) => items.iter().collect(),
            (Self::Any, Value::Object(members)) => members.values().collect(),
            // One that is not in a list, where a tool takes either.
            (Self::Any, Value::Bool(_) | Value::Number(_) | Value::String(_)) => vec![value],
            (Self::Named(name), Value::Object(members)) => members.get(name).into_iter().collect(),
            (Self::Named(name), Value::Array(items)) => {
                let index = name.parse::<usize>().ok();
                index
                    .and_then(|index| items.get(index))
                    .into_iter()
                    .collect()
            }
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.0 {
            match segment {
                Segment::Any => f.write_str("/*")?,
                Segment::Named(name) => write!(f, "/{}", escape_segment(name))?,
            }
        }
        Ok(())
    }
}

impl Field {
    /// Reads a field: `/to`, or `result:/id`.
    ///
    /// # Errors
    /// [`FieldError`].
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let whole = |_| FieldError(text.to_owned());
        match text.strip_prefix(RESULT) {
            Some(pointer) => Pointer::parse(pointer).map(Self::Result).map_err(whole),
            None => Pointer::parse(text).map(Self::Argument).map_err(whole),
        }
    }

    /// Whether it is in the result, and so not known before the call has ended.
    #[must_use]
    pub fn is_of_result(&self) -> bool {
        matches!(self, Self::Result(_))
    }

    /// Its pointer.
    #[must_use]
    pub fn pointer(&self) -> &Pointer {
        match self {
            Self::Argument(pointer) | Self::Result(pointer) => pointer,
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(pointer) => pointer.fmt(f),
            Self::Result(pointer) => write!(f, "{RESULT}{pointer}"),
        }
    }
}
