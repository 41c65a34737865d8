//! Tools that store any value of their arguments, and more than the limits allow.

use tollgate_guest::{
    ToolError, arguments, files,
    state::{self, Scope},
    tool,
};

/// Where, and what.
#[arguments]
pub(crate) struct Value {
    /// Whether for the run; else for the adapter.
    #[serde(default)]
    run: bool,
    /// A key that this guest passes on unchecked.
    key: String,
    /// The value.
    #[serde(default)]
    value: String,
    /// What it is expected to be; nothing if it is expected not to be there.
    expected: Option<String>,
}

impl Value {
    fn scope(&self) -> Scope {
        scope(self.run)
    }
}

fn scope(run: bool) -> Scope {
    if run { Scope::Run } else { Scope::Adapter }
}

/// How much to keep.
#[arguments]
pub(crate) struct Much {
    /// Whether for the run; else for the adapter.
    run: bool,
    /// Bytes of each value.
    bytes: u32,
}

/// What to read, and under which key to keep it.
#[arguments]
pub(crate) struct Copy {
    /// The grant.
    grant: String,
    /// The path in it.
    path: String,
    /// The key.
    key: String,
}

/// Keeps a value.
#[tool]
pub(crate) fn keep_value(args: Value) -> Result<&'static str, ToolError> {
    state::set(args.scope(), &args.key, &args.value)?;
    Ok("kept")
}

/// Says what is kept under a key.
#[tool]
pub(crate) fn recall(args: Value) -> Result<String, ToolError> {
    let value = state::get(args.scope(), &args.key)?;
    Ok(match value {
        Some(value) => format!("some {}", String::from_utf8_lossy(&value)),
        None => "none".to_owned(),
    })
}

/// Removes a key.
#[tool]
pub(crate) fn forget(args: Value) -> Result<String, ToolError> {
    Ok(state::delete(args.scope(), &args.key)?.to_string())
}

/// Lists the keys that begin with a key.
#[tool]
pub(crate) fn recall_keys(args: Value) -> Result<String, ToolError> {
    Ok(state::list_keys(args.scope(), &args.key)?.join(","))
}

/// Keeps a value if the old one is as expected.
#[tool]
pub(crate) fn keep_if(args: Value) -> Result<String, ToolError> {
    let expected = args.expected.as_deref().map(str::as_bytes);
    let kept = state::compare_and_set(args.scope(), &args.key, expected, &args.value)?;
    Ok(kept.to_string())
}

/// Keeps what is in a file.
#[tool]
pub(crate) fn keep_file(args: Copy) -> Result<&'static str, ToolError> {
    let content = files::read(&args.grant, &args.path)?;
    state::set(Scope::Adapter, &args.key, content)?;
    Ok("kept")
}

/// Keeps one value after another until there is no more room, then one that is too large, then one with
/// a key that is none.
#[tool]
pub(crate) fn state_bomb(args: Much) -> String {
    let value = vec![1; args.bytes as usize];
    let mut kept = 0_u32;
    let full = loop {
        match state::set(scope(args.run), &format!("{kept:0>100}"), &value) {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
    };
    let large = state::set(scope(args.run), "large", vec![1; state::MAX_VALUE + 1]);
    let odd = state::set(scope(args.run), &"k".repeat(300), "x");
    let kind =
        |result: Result<(), state::Error>| format!("{:?}", result.err().map(|e| e.kind().clone()));
    format!(
        "{kept} kept; {:?}; {}; {}",
        full.kind(),
        kind(large),
        kind(odd)
    )
}
