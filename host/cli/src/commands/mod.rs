//! The subcommands, one per file: arguments, requests, output.

pub(crate) mod approvals;
pub(crate) mod call;
pub(crate) mod completions;
pub(crate) mod component;
pub(crate) mod decisions;
pub(crate) mod doctor;
pub(crate) mod export;
pub(crate) mod halt;
pub(crate) mod hook;
pub(crate) mod init;
pub(crate) mod ledger;
pub(crate) mod new;
pub(crate) mod policy;
pub(crate) mod reload;
pub(crate) mod reported;
pub(crate) mod reveal;
pub(crate) mod runs;
pub(crate) mod serve;
pub(crate) mod stats;
pub(crate) mod store;
mod time_arg;
pub(crate) mod token;
pub(crate) mod tools;
pub(crate) mod trust;
pub(crate) mod upstream;
pub(crate) mod user;
pub(crate) mod wrap;
