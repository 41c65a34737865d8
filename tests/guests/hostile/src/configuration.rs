//! Tools that read the configuration: as they may, of others, by names that are none, and too often.

use tollgate_guest::{
    ToolError, arguments,
    config::{self, Value},
    tool,
};

/// A key.
#[arguments]
pub(crate) struct Key {
    /// The key, which is not checked here.
    key: String,
}

/// How often to read a key.
#[arguments]
pub(crate) struct Reads {
    /// The key.
    key: String,
    /// How often.
    times: u32,
}

/// Says what is configured under a key.
#[tool(read_only)]
pub(crate) fn read_setting(args: Key) -> Result<String, ToolError> {
    let value = config::get::<Value>(&args.key)?;
    Ok(value.map_or_else(|| "none".to_owned(), |value| format!("{value:?}")))
}

/// Reads under keys that no configuration has: of another component, too long, with control characters.
#[tool(read_only)]
pub(crate) fn odd_settings() -> String {
    let keys = ["", "secret/region", "../files/region", "region\n", "größe"];
    let long = "k".repeat(1 << 20);
    let refusal = |key: &str| match config::get::<Value>(key) {
        Ok(_) => "answered",
        Err(error) => match error.kind() {
            config::ErrorKind::InvalidKey(_) => "invalid",
            _ => "other",
        },
    };
    let refusals = keys.iter().copied().chain([long.as_str()]).map(refusal);
    refusals.collect::<Vec<_>>().join(" ")
}

/// Reads a key again and again, and says how often there was an answer.
#[tool(read_only)]
pub(crate) fn setting_storm(args: Reads) -> String {
    let mut answers = 0_u32;
    let mut refusal = String::new();
    for _ in 0..args.times {
        match config::get::<Value>(&args.key) {
            Ok(_) => answers += 1,
            Err(error) => refusal = error.to_string(),
        }
    }
    format!("{answers} answers; {refusal}")
}
