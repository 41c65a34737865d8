//! The policy enforcement point as a library: a call is decided, recorded, run in a sandbox, and recorded.
//!
//! [`Gate::call`] and [`Gate::authorize`] are the entry points. This crate opens no listening socket;
//! surfaces that speak a protocol are built on top of it. The steps of a call are in `pipeline/`, one file
//! each.
//!
//! A gate in a program of your own, without a socket:
//!
//! ```
//! use std::fs;
//!
//! use tollgate::{CallOptions, CallOutcome, CallRequest, Caller, Config, Gate, GateOptions, RunKey};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let dir = tempfile::tempdir()?;
//! let file = dir.path().join("tollgate.toml");
//! fs::write(
//!     &file,
//!     r#"
//!     [external.claude]
//!     preset = "claude-code"
//!     [users.alice]
//!     [agents.coder]
//!     operator = "alice"
//!     "#,
//! )?;
//! fs::create_dir(dir.path().join("policies"))?;
//! fs::write(
//!     dir.path().join("policies/read.cedar"),
//!     r#"
//!     @id("coder-reads") @owner("platform")
//!     permit (principal == Tollgate::Agent::"coder", action == Tollgate::Action::"claude__Read", resource);
//!     "#,
//! )?;
//! let gate = Gate::open(Config::read(&file)?, GateOptions::default()).await?;
//!
//! let coder = Caller::Agent { name: "coder".into(), on_behalf_of: None };
//! let run = RunKey::Named("fix-the-build".into());
//! let call = |tool: &str, arguments: &str| CallRequest {
//!     tool: tool.into(),
//!     arguments: arguments.into(),
//! };
//!
//! // Policy permits the first call and does not mention the second.
//! let read = call("claude__Read", r#"{"file_path":"/src/main.rs"}"#);
//! let allowed = gate.authorize(&coder, &run, read, None, CallOptions::default()).await;
//! assert!(allowed.is_ok());
//! let bash = call("claude__Bash", r#"{"command":"curl example.com"}"#);
//! let denied = gate.authorize(&coder, &run, bash, None, CallOptions::default()).await;
//! assert_eq!(denied.map_err(|answer| answer.outcome()), Err(CallOutcome::Denied));
//!
//! // Both are in the ledger.
//! let runs = gate.ledger().reader().runs(&Default::default())?;
//! assert_eq!((runs[0].calls, runs[0].denials), (2, 1));
//! gate.close().await;
//! # Ok(())
//! # })
//! # }
//! ```

pub mod capability;
pub mod capture;
pub mod config;
pub mod coverage;
pub mod elicitation;
pub mod enforce;
pub mod executors;
pub mod gate;
pub mod history;
pub mod identity;
pub mod ids;
pub mod load;
pub mod lock;
pub mod name_pattern;
mod pipeline;
pub mod replay;
pub mod secrets;
pub mod stats;
pub mod tool;
pub mod upstream;
pub mod usage;

pub use tollgate_egress as egress;
pub use tollgate_model::text;
pub use tollgate_sandbox as sandbox;

pub use config::Config;
pub use enforce::{Answer, CallOptions, CallOutcome, CallRequest, Refusal, Verdict};
pub use gate::{Gate, GateOptions};
pub use identity::{Caller, RunKey};
