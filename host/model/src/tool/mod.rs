//! Tools of any provider: their definitions, results and limits.
//!
//! A component in the sandbox, an upstream MCP server and a tool that the caller executes all use these types.

mod content;
mod definition;
mod execution;
mod failure;
mod limits;

pub use content::{BoundedContent, Content, EmbeddedResource, RawContent, ResourceBody, repeats};
pub use definition::{Annotations, MAX_TOOL_NAME, SchemaTexts, ToolDefinition};
pub use execution::{Execution, end_message};
pub use failure::{FailureKind, ToolFailure};
pub use limits::{Limits, Size, SizeError};
