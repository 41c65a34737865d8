//! Calls of other components' tools, by the names that agents see.
//!
//! ```
//! use tollgate_guest::{ToolError, calls, serde_json::json};
//!
//! /// The text of a ticket, however the `tickets` component gets it.
//! fn ticket(id: &str) -> Result<String, ToolError> {
//!     Ok(calls::call_for_text("tickets__read", &json!({ "id": id }))?)
//! }
//! # use tollgate_guest::{Content, testing};
//! # testing::answer("tickets__read", |arguments| Ok(vec![Content::text(arguments)]));
//! # assert_eq!(ticket("T-1").unwrap(), r#"{"id":"T-1"}"#);
//! ```
//!
//! Each passes through the whole pipeline of a call, in the same run, and is decided for the agent and for
//! this component. It may be refused: pass the error on with `?`, and the agent reads the host's reason.
//! The result is as untrusted as any tool's result.

use core::fmt::{self, Display, Formatter};

use serde::Serialize;

#[cfg(not(target_family = "wasm"))]
use crate::testing::calls as host;
use crate::{Content, bindings::tollgate::adapter::calls as wit};
#[cfg(target_family = "wasm")]
use wit as host;

pub use wit::Error as ErrorKind;

/// Why a call has no content.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    tool: String,
    kind: ErrorKind,
}

impl Error {
    /// The kind of failure, for code that handles some of them.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "cannot call `{}`: ", self.tool)?;
        match &self.kind {
            ErrorKind::Denied(denial) => {
                write!(f, "{} (decision {})", denial.reason, denial.decision)
            }
            ErrorKind::Invalid(text) | ErrorKind::Failed(text) | ErrorKind::Ended(text) => {
                f.write_str(text)
            }
        }
    }
}

impl core::error::Error for Error {}

/// Calls a tool. `arguments` must serialise to a JSON object.
///
/// # Errors
/// If it was not made, was refused, or the tool failed.
pub fn call(tool: &str, arguments: &impl Serialize) -> Result<Vec<Content>, Error> {
    let failed = |kind| Error {
        tool: tool.to_owned(),
        kind,
    };
    let arguments = serde_json::to_string(arguments).map_err(|e| {
        failed(ErrorKind::Invalid(format!(
            "the arguments cannot be written as JSON: {e}"
        )))
    })?;
    host::call(tool, &arguments).map_err(failed)
}

/// Calls a tool, and joins the texts of its result, one per line.
///
/// # Errors
/// The errors of [`call`].
pub fn call_for_text(tool: &str, arguments: &impl Serialize) -> Result<String, Error> {
    let texts: Vec<String> = call(tool, arguments)?
        .into_iter()
        .filter_map(|content| match content {
            Content::Text(text) => Some(text),
            _ => None,
        })
        .collect();
    Ok(texts.join("\n"))
}
