//! Rust types of the published WIT package, generated from `wit/` itself so that they cannot differ.
//!
//! Exports are called through the generated code. Imports are linked by hand, because generated ones copy a
//! guest's values before their size can be checked.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "tollgate:adapter/adapter@0.1.0",
    exports: { default: async },
});

pub(crate) use self::exports::tollgate::adapter::tools::{Annotations, Tool, ToolError};
pub(crate) use self::tollgate::adapter::{calls, config, files, http, log, random, state, types};
