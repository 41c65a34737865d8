//! Why a schema cannot be used, and what is wrong with a call's arguments.

use std::fmt;

/// Why a tool's schema cannot be used. Names places, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// The schema of the arguments describes something other than an object.
    #[error("the input schema must describe an object: its `type` is another one")]
    NotAnObject,
    /// The schema violates JSON Schema.
    #[error("the input schema is not valid at `{pointer}`: {reason}")]
    Schema {
        /// JSON pointer into the schema.
        pointer: String,
        /// What is wrong.
        reason: String,
    },
    /// A reference that does not lead to a schema of this document.
    #[error(
        "the input schema refers to `{reference}` at `{pointer}`, which is not in it: references to other \
         documents are not followed"
    )]
    Reference {
        /// JSON pointer into the schema.
        pointer: String,
        /// The reference in source form.
        reference: String,
    },
    /// References that form a circle without descending into a member.
    #[error("the input schema refers to itself in a circle at `{pointer}`")]
    Circular {
        /// JSON pointer into the schema.
        pointer: String,
    },
    /// Evaluating the schema could take too long.
    #[error(
        "the input schema is too costly: one value could be compared with more than {limit} schemas; \
         simplify `allOf`, `anyOf`, `oneOf` and `$ref`"
    )]
    TooCostly {
        /// The most schemas that one value may be compared with.
        limit: u64,
    },
    /// The schema is too large to be typed.
    #[error("the input schema has more than {limit} parts")]
    TooLarge {
        /// The most objects in the schema.
        limit: usize,
    },
    /// A number mapping whose pointer does not lead to a number.
    #[error("`{pointer}` is mapped to another type but the schema has no number there")]
    UnknownMapping {
        /// JSON pointer into the arguments.
        pointer: String,
    },
}

/// One problem of a call's arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgumentProblem {
    /// JSON pointer (RFC 6901) into the arguments; `/` for the whole.
    pub pointer: String,
    /// What is wrong, without the value.
    pub problem: String,
}

impl ArgumentProblem {
    pub(super) fn new(pointer: &str, problem: impl Into<String>) -> Self {
        Self {
            pointer: match pointer {
                "" => "/".into(),
                pointer => pointer.into(),
            },
            problem: problem.into(),
        }
    }
}

impl fmt::Display for ArgumentProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pointer.as_str() {
            "/" => f.write_str(&self.problem),
            pointer => write!(f, "`{pointer}`: {}", self.problem),
        }
    }
}
