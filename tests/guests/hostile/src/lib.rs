//! A component that misbehaves: it loops, exhausts memory, overflows, floods, traps, and reaches for files
//! and hosts. The host's tests call it; the host must survive, report what happened, and keep the ledger
//! intact.
//!
//! It is only for tests.

mod configuration;
mod exhaust;
mod keep;
mod nest;
mod reach;
mod web;

use tollgate_guest::{ToolError, adapter, arguments, tool};

use configuration::{odd_settings, read_setting, setting_storm};
use exhaust::{
    allocation_bomb, copy_storm, huge_output, log_flood, loop_forever, memory_bomb, progress_flood,
    random_flood, recurse, tell_time,
};
use keep::{forget, keep_file, keep_if, keep_value, recall, recall_keys, state_bomb};
use nest::{call_storm, chain, leak, relay, relay_strictly};
use reach::{
    append_path, create_path, delete_path, list_path, panic_after_write, read_often, read_path,
    stat_path, write_anyway, write_path, write_then_loop,
};
use web::{secret_exists, send_request};

/// One of each kind.
#[arguments]
struct Echo {
    /// A text.
    #[serde(default)]
    text: String,
    /// An integer.
    #[serde(default)]
    number: i64,
    /// Yes or no.
    #[serde(default)]
    flag: bool,
    /// Several texts.
    #[serde(default)]
    list: Vec<String>,
    /// An object.
    inner: Option<Inner>,
}

/// An object within.
#[arguments]
struct Inner {
    /// A text.
    text: String,
}

/// A message.
#[arguments]
struct Message {
    /// What to say.
    #[serde(default = "default_message")]
    message: String,
}

fn default_message() -> String {
    "as asked".to_owned()
}

/// Returns its arguments, as JSON. The one tool here that behaves.
#[tool(read_only, idempotent)]
fn echo(args: Echo) -> Result<String, ToolError> {
    tollgate_guest::serde_json::to_string(&args).map_err(ToolError::failed)
}

/// Fails with the message.
#[tool]
fn fail(args: Message) -> Result<String, ToolError> {
    Err(ToolError::Failed(args.message))
}

/// Claims that the host refused it, with the message as the reason.
#[tool]
fn claim_denied(args: Message) -> Result<String, ToolError> {
    Err(ToolError::Denied(args.message))
}

/// Executes an unreachable instruction, without a word.
#[tool]
fn trap() -> &'static str {
    #[cfg(target_family = "wasm")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_family = "wasm"))]
    "only WebAssembly traps"
}

/// Panics with the message.
#[tool]
#[expect(clippy::panic, reason = "that is what it is for")]
fn panic_with(args: Message) -> String {
    panic!("{}", args.message)
}

adapter!(
    echo,
    fail,
    claim_denied,
    trap,
    panic_with,
    loop_forever,
    copy_storm,
    memory_bomb,
    allocation_bomb,
    recurse,
    huge_output,
    log_flood,
    read_often,
    progress_flood,
    random_flood,
    tell_time,
    keep_value,
    recall,
    forget,
    recall_keys,
    keep_if,
    keep_file,
    state_bomb,
    read_setting,
    odd_settings,
    setting_storm,
    relay,
    relay_strictly,
    chain,
    call_storm,
    leak,
    read_path,
    write_path,
    create_path,
    append_path,
    list_path,
    stat_path,
    delete_path,
    panic_after_write,
    write_then_loop,
    write_anyway,
    send_request,
    secret_exists,
);
