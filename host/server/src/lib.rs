//! The protocols by which agents, approvers and other servers reach the gate, over a network or a pipe. Each
//! surface authenticates, parses a request into a [`tollgate::enforce::CallRequest`], and translates the gate's
//! answer. Nothing here decides, and nothing here runs a tool.

mod approval_wait;
pub mod approvals;
pub mod auth;
mod client;
mod depth;
pub mod export;
mod hook_events;
pub mod http;
mod json_line;
mod limits;
pub mod mcp;
pub mod metrics;
pub mod otlp;
pub mod problem;
pub mod reload;
pub mod reply;
pub mod rest;
pub mod review;
pub mod tls;
pub mod upstream;
