//! Cedar for Tollgate: policy bundles, the schema, typed input, decisions, their explanation, and cases.
//!
//! Pure: time and randomness are parameters, and no file is read here.

pub mod case;
mod cedar_uid;
mod cedar_value;
pub mod pdp;
pub mod policy;
pub mod schema;
pub mod schema_path;
pub mod tool_input;
