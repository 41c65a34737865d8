//! A run as a file that other programs read. Nothing here reads the store or writes a file.
//!
//! | file | contents |
//! |---|---|
//! | `own` | the gate's own spans, without names of people |
//! | `otlp` | OTLP's JSON encoding |
//! | `lines` | one span per line, as JSON |
//! | `parquet` | one span per row, as Apache Parquet |
//! | `eval` | the run as an evaluation case |

mod eval;
mod lines;
mod otlp;
mod own;
mod parquet;

pub use eval::{EvalCase, ExpectedStep, eval};
pub use lines::lines;
pub use otlp::otlp;
pub use own::{hash_parts, named, own};
pub use parquet::{ParquetError, parquet};
